#!/bin/bash
# An end-to-end test of the shop in service.py. Exit status: 0 passed, 1 failed, 2 could not be run.
#
# Nothing here knows of Reenact. The test is flaky: about one run of five fails.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
service=
began=$EPOCHREALTIME

cleanup() {
    [ -z "$service" ] || kill "$service" 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT

say() { printf '[%s] %s\n' "$(date +%H:%M:%S.%N)" "$*"; }
give_up() { echo "e2e: $*" >&2; exit 2; }

for tool in python3 curl git sort; do
    command -v "$tool" >/dev/null || give_up "$tool is not installed"
done

say "test run $RANDOM by process $$ in $work on $(uname -n)"

# The expected orders are kept in git, as fixtures often are.
export HOME=$work GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null
export GIT_AUTHOR_NAME=Tester GIT_AUTHOR_EMAIL=tester@example.org
export GIT_COMMITTER_NAME=Tester GIT_COMMITTER_EMAIL=tester@example.org
git init -q -b main "$work/fixtures"
for item in apple bread cheese dates eggs figs grapes honey ink jam kale leeks; do
    printf '%s %d\n' "$item" "$((RANDOM % 90 + 10))"
done > "$work/fixtures/orders"
git -C "$work/fixtures" add orders
git -C "$work/fixtures" commit -q -m "Orders of this run"
git -C "$work/fixtures" log --format='fixtures: commit %h, %ad, %s' --date=iso

# The service says in a file which port it was given.
python3 "$here/service.py" --database "$work/shop.db" --port-file "$work/port" 2> "$work/service.log" &
service=$!
for _ in $(seq 200); do
    [ -e "$work/port" ] && break
    kill -0 "$service" 2>/dev/null || { cat "$work/service.log" >&2; give_up "the service did not start"; }
    sleep 0.05
done
[ -e "$work/port" ] || give_up "the service did not open a port within 10 s"
url=http://127.0.0.1:$(cat "$work/port")
say "service $service listens on $url: $(curl -sS "$url/health")"

# Two customers order at the same time.
customer() {
    local name=$1 item quantity reply
    while read -r item quantity; do
        reply=$(curl -sS -X POST --data "{\"item\": \"$item\", \"quantity\": $quantity}" "$url/orders" -w '%{http_code} in %{time_total} s')
        say "customer $name orders $quantity $item: ${reply//$'\n'/ }"
    done
}
git -C "$work/fixtures" show HEAD:orders | head -n 6 | customer one &
first=$!
git -C "$work/fixtures" show HEAD:orders | tail -n 6 | customer two &
second=$!
wait "$first"
wait "$second"

# Every order must be there, over HTTP and in the database.
curl -sS "$url/orders" | python3 -c '
import json, sys
for order in json.load(sys.stdin):
    print(order["item"], order["quantity"])
' | sort > "$work/listed"
kill "$service"
wait "$service" || give_up "the service failed with status $?"
service=
cat "$work/service.log" >&2

python3 - "$work/shop.db" <<'END'
import sqlite3, sys
database = sqlite3.connect(sys.argv[1])
count, total = database.execute("SELECT count(*), sum(quantity) FROM orders").fetchone()
newest = database.execute("SELECT id FROM orders ORDER BY placed DESC LIMIT 1").fetchone()[0]
print(f"database: {count} orders, {total} pieces, the newest is {newest}")
END

took=$(python3 -c 'import sys; print(f"{float(sys.argv[2]) - float(sys.argv[1]):.3f}")' "$began" "$EPOCHREALTIME")
if diff -u --label expected --label listed <(sort "$work/fixtures/orders") "$work/listed"; then
    say "PASSED after $took s"
else
    say "FAILED after $took s: the list of orders is not what was ordered"
    exit 1
fi
