#!/bin/bash
# An end-to-end test of the web service. Exit status: 0 passed, 1 failed, 2 could not be run.
#
# REDIS_PY: the version of redis-py, 4.5.3 or 4.5.5; 4.5.3 if not said.
# ITEMS: how many items a feed is chosen from, 8000 if not said.
#
# Nothing here knows of Reenact. The test is flaky: README.md says how often, and why. Run `setup` first.
set -euo pipefail
export LC_ALL=C

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
target=${CARGO_TARGET_DIR:-$here/../../target}
python=$target/examples/redis-py/${REDIS_PY:-4.5.3}/bin/python
work=$(mktemp -d)
running=()

cleanup() {
    [ ${#running[@]} = 0 ] || kill "${running[@]}" 2>/dev/null || true
    wait
    rm -rf "$work"
}
trap cleanup EXIT

say() { printf '[%(%H:%M:%S)T.%s] %s\n' -1 "${EPOCHREALTIME#*.}" "$*"; }
give_up() { echo "redis-py: $*" >&2; cat "$work"/*.log >&2 || true; exit 2; }
failed() { say "FAILED: $*"; exit 1; }

[ -e "$python" ] || give_up "$python is missing: run ${here##*/}/setup"
command -v redis-server >/dev/null || give_up "redis-server is not installed"

# until_there PATH: waits until something is at a path.
until_there() {
    local try
    for ((try = 0; try < 1500; try++)); do
        [ ! -e "$1" ] || return 0
        sleep 0.02
    done
    give_up "$1 did not appear within 30 s"
}

redis-server --port 0 --unixsocket "$work/redis.sock" --dir "$work" --save '' > "$work/redis.log" 2>&1 &
running+=($!)
until_there "$work/redis.sock"
load='
    redis.call("SET", "profile:ada", "This is ada.")
    redis.call("SET", "profile:ben", "This is ben.")
    for item = 1, tonumber(ARGV[1]) do
        redis.call("HSET", "item:" .. item, "rank", item * 7919 % 10007, "title", "title-" .. item)
        redis.call("SADD", "feed:ada", item)
    end
    return redis.call("SCARD", "feed:ada")'
items=${ITEMS:-8000}
loaded=$(redis-cli -s "$work/redis.sock" eval "$load" 0 "$items")
[ "$loaded" = "$items" ] || give_up "Redis cannot be filled: $loaded"
say "test run by process $$ with $items items"

"$python" "$here/service.py" --redis "$work/redis.sock" --address-file "$work/address" > "$work/service.log" 2>&1 &
running+=($!)
until_there "$work/address"

status=0
"$python" "$here/visit.py" "$(cat "$work/address")" || status=$?
case $status in
    0) say "PASSED" ;;
    1) failed "a user was not given what is theirs" ;;
    *) give_up "the visit ended with status $status" ;;
esac
