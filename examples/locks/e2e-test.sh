#!/bin/bash
# An end-to-end test of the lock service. Exit status: 0 passed, 1 failed, 2 could not be run.
#
# GATHER_MS: how long the nodes' leader gathers commands for one write to disk, 5 ms if not said.
#
# Nothing here knows of Reenact. The test is flaky: README.md says how often, and why. Run `setup` first.
set -euo pipefail
export LC_ALL=C

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
target=${CARGO_TARGET_DIR:-$here/../../target}
home=$target/examples/locks
python=$home/python/bin/python
work=$(mktemp -d)
running=()
began=$EPOCHREALTIME

cleanup() {
    # Whoever came last goes first, so that nobody misses anybody.
    local at
    for ((at = ${#running[@]} - 1; at >= 0; at--)); do
        kill "${running[at]}" 2>/dev/null || true
        wait "${running[at]}" 2>/dev/null || true
    done
    rm -rf "$work"
}
trap cleanup EXIT

say() { printf '[%(%H:%M:%S)T.%s] %s\n' -1 "${EPOCHREALTIME#*.}" "$*"; }
give_up() { echo "locks: $*" >&2; exit 2; }
failed() { say "FAILED: $*"; exit 1; }

for needed in "$target/release/lock-node" "$python" "$home/node/node_modules"; do
    [ -e "$needed" ] || give_up "$needed is missing: run ${here##*/}/setup"
done

# until_there FILE PID: waits for a file; false if the process ends before, or 30 s have passed.
until_there() {
    local try
    for ((try = 0; try < 1500; try++)); do
        [ ! -e "$1" ] || return 0
        kill -0 "$2" 2>/dev/null || return 1
        sleep 0.02
    done
    return 1
}

# until_said TEXT: reads what the fees say up to this; false if they end before, or say nothing for 30 s.
said=()
until_said() {
    local line
    while read -r -t 30 -u "$fees_say" line; do
        said+=("$line")
        [[ "$line" != *"$1"* ]] || return 0
    done
    return 1
}

"$python" "$here/bank.py" --address-file "$work/bank.address" &
running+=($!)
for node in 1 2 3; do
    "$target/release/lock-node" --node $node --folder "$work" --gather-ms "${GATHER_MS:-5}" &
    running+=($!)
done
started=0
for name in bank node-{1,2,3}; do
    until_there "$work/$name.address" "${running[started++]}" || give_up "$name did not start"
done
bank=$(cat "$work/bank.address")
say "test run by process $$: the bank is at $bank, the nodes are at $(cat "$work"/node-?.address | xargs)"

exec {fees_say}< <(NODE_PATH=$home/node/node_modules exec node "$here/fees.js" --node "$(cat "$work/node-2.address")" --bank "$bank")
running+=($!)
until_said ready || give_up "the fees did not start"
PYTHONPATH=$home/stubs "$python" "$here/settle.py" --node "$(cat "$work/node-1.address")" --bank "$bank" &
settlement=$!
running+=($settlement)
wait $settlement || failed "the settlement ended with status $?"
until_said "charged for day 1" || failed "the fee was not charged"

balance=$(curl -sS "http://$bank/ledger")
[ "$balance" = '{"balance": 1535}' ] || failed "the books say $balance"
say "PASSED after $(awk "BEGIN { printf \"%.3f\", $EPOCHREALTIME - $began }") s: ${said[*]}"
