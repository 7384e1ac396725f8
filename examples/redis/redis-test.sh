#!/bin/bash
# An end-to-end test of a Redis primary and its replica. Exit status: 0 passed, 1 failed, 2 could not be run.
#
# Nothing here knows of Reenact. The test is flaky: README.md says how often, and why.
set -euo pipefail
export LC_ALL=C

work=$(mktemp -d)
primary= replica= started= wrong=
began=$EPOCHREALTIME

cleanup() {
    local server
    for server in $primary $replica; do
        kill -9 "$server" 2>/dev/null || true
    done
    rm -rf "$work"
}
trap cleanup EXIT

say() { printf '[%s] %s\n' "$(date +%H:%M:%S.%N)" "$*"; }
give_up() { echo "redis: $*" >&2; cat "$work"/*.log >&2 || true; exit 2; }
failed() { say "FAILED: $*"; cat "$work"/*.log >&2; exit 1; }

for tool in redis-server redis-cli redis-benchmark; do
    command -v "$tool" >/dev/null || give_up "$tool is not installed"
done

# Asks up to 200 times whether a command prints a line; the servers have 10 s for all that they do.
until_says() {
    local line=$1 try
    shift
    for try in $(seq 200); do
        ! "$@" 2>/dev/null | tr -d '\r' | grep -qx "$line" || return 0
        sleep 0.05
    done
    return 1
}

# serve NAME PORT OPTIONS…: starts a server, and fails where the port is taken.
serve() {
    local name=$1 port=$2
    shift 2
    mkdir -p "$work/$name"
    redis-server --bind 127.0.0.1 --port "$port" --dir "$work/$name" --save '' --enable-debug-command local \
        --repl-diskless-sync-delay 0 "$@" >> "$work/$name.log" 2>&1 &
    started=$!
    until_says "process_id:$started" redis-cli -p "$port" info server || {
        kill "$started" 2>/dev/null || true
        wait "$started" || true
        return 1
    }
}

# A pair of ports that nobody uses; Redis cannot be given one by the kernel.
for try in $(seq 5); do
    port=$((20000 + RANDOM % 6000 * 2))
    [ "$(redis-cli -p $port ping 2>&1 || true)" != PONG ] && serve primary $port && break
done
primary=$started
kill -0 "$primary" 2>/dev/null || give_up "no server could be started"
cli() { redis-cli -p "$port" "$@"; }
peer() { redis-cli -p "$((port + 1))" "$@"; }
say "test run $RANDOM by process $$ on $(uname -n): primary $primary listens on $port"

say "load:"
bench() { redis-benchmark -p "$port" -q "$@" | tr '\r' '\n' | grep 'requests per second'; }
bench -t set -n 5000 -c 20
bench -t get -n 5000 -c 20
bench -t set,get -n 20000 -c 20 -P 16
bench -t incr -n 2500 -c 50

say "what the primary says of itself:"
cli info | tr -d '\r' | grep -E '^(redis_version|run_id|process_id|uptime_in_seconds|server_time_usec|used_memory|used_memory_peak|total_connections_received|total_commands_processed|total_net_input_bytes|used_cpu_user):'
# Each INCR of the load counts to the same key.
counted=$(cli get counter:__rand_int__)
[ "$counted" = 2500 ] || failed "the counter is at $counted after 2500 times INCR"

say "saving in the background: $(cli bgsave)"
until_says rdb_bgsave_in_progress:0 cli info persistence || failed "the background save did not end"
until_says rdb_last_bgsave_status:ok cli info persistence || failed "the background save failed"
say "saved: $(stat -c %s "$work/primary/dump.rdb") bytes"

follow() {
    serve replica $((port + 1)) --replicaof 127.0.0.1 "$port" || give_up "the replica did not start"
    replica=$started
    until_says master_link_status:up peer info replication || failed "replica $replica did not find the primary"
    say "replica $replica follows"
}
follow

# What is written to the primary must be with the replica half a second later.
for i in $(seq 50); do printf 'SET key:%d %d\n' "$i" "$RANDOM"; done | cli | sort | uniq -c | sed 's/^ */written: /'
wrote=$EPOCHREALTIME
in_step() { awk "BEGIN { exit !($EPOCHREALTIME - $wrote <= 0.5) }"; }
while in_step && [ "$(peer exists key:50)" = 0 ]; do sleep 0.02; done
if [ "$(peer exists key:50)" = 1 ]; then
    say "read from the replica: key:50 is $(peer get key:50)"
else
    wrong="the replica lacked what was written half a second before"
    say "$wrong; the primary says of it: $(cli info replication | grep ^slave0 | tr -d '\r')"
fi

say "the replica is killed: $(kill -9 "$replica" && echo "signal 9 to $replica")"
status=0
wait "$replica" || status=$?
replica=
[ $status = 137 ] || failed "the replica ended with $status"
bench -t set -n 2000 -c 10 -r 500
follow
[ "$(printf 'SET last %s\nWAIT 1 10000\n' "$EPOCHREALTIME" | cli | tail -n 1)" = 1 ] || failed "the replica is not in step"
ours=$(cli debug digest) theirs=$(peer debug digest)
[ "$ours" = "$theirs" ] || failed "the primary has $ours, the replica $theirs"
say "both hold $(cli dbsize) keys with the digest $ours"

# stop PID COMMAND…: shuts a server down and looks at its exit status.
stop() {
    local server=$1 status=0
    shift
    "$@" || true
    wait "$server" || status=$?
    [ $status = 0 ] || failed "server $server ended with $status"
}
stop "$replica" peer shutdown nosave
replica=
stop "$primary" cli shutdown save
primary=
tail -qn 3 "$work/primary.log" "$work/replica.log"
took=$(awk "BEGIN { printf \"%.3f\", $EPOCHREALTIME - $began }")
[ -z "$wrong" ] || failed "$wrong (seen in a run of $took s)"
say "PASSED after $took s"
