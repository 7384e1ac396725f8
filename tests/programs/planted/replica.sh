#!/bin/bash
# A Redis primary with a replica, and clients one after the other; PLANT names what one run does otherwise.
set -u
free() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
P=$(free) R=$(free)
primary() { redis-cli -p "$P" "$@"; }
replica() { redis-cli -p "$R" "$@"; }
printf 'save ""\nappendonly no\nrepl-diskless-sync-delay 0\nmaxmemory-policy %s\n' "$POLICY" > redis.conf
redis-server redis.conf --port "$P" --bind 127.0.0.1 > primary.log & A=$!
redis-server redis.conf --port "$R" --bind 127.0.0.1 --replicaof 127.0.0.1 "$P" > replica.log & B=$!
for _ in $(seq 200); do replica info replication 2> /dev/null | grep -q master_link_status:up && break; sleep 0.05; done

stock=5
[ "$PLANT" != payload ] || stock=7
primary set stock "$stock"
[ "$PLANT" = drop ] || primary incr orders
primary rpush queue first
[ "$PLANT" != double ] || primary rpush queue first
# Two clients that nothing orders but this test: which one is first is only timing.
mkfifo left right
(read -r < left; primary set last left) & L=$!
(read -r < right; primary set last right) & M=$!
if [ "$PLANT" = overtake ]; then echo > right; wait $M; echo > left; wait $L; else echo > left; wait $L; echo > right; wait $M; fi
# WAIT is about what its own connection wrote.
printf 'set done yes\nwait 1 5000\n' | primary > /dev/null
replica get stock; replica get orders; replica lrange queue 0 -1; replica get last
if [ "$PLANT" = replica ]; then kill -9 $B; wait $B; fi
replica config get maxmemory-policy
[ "$(replica get last)" = right ]; status=$?
[ "$PLANT" = replica ] || replica shutdown nosave
primary shutdown nosave
wait $A $B
exit $status
