#!/bin/bash
# A ledger in PostgreSQL, and clients one after the other; PLANT names what one run does otherwise.
# PG_BIN: the folder of PostgreSQL's programs; CLUSTER: a cluster to copy, of the user ledger.
set -u
cp -r "$CLUSTER" cluster
chmod 700 cluster
postgres=("$PG_BIN/postgres" -D cluster -k "$PWD" -c listen_addresses= -c fsync=off -c shared_buffers=8MB
    -c max_connections=20 -c autovacuum=off)
if [ "$(id -u)" = 0 ]; then
    chown -R nobody cluster
    chmod 777 .
    postgres=(setpriv --reuid=nobody --regid=nogroup --clear-groups "${postgres[@]}")
fi
"${postgres[@]}" > postgres.log 2>&1 & S=$!
sql() { "$PG_BIN/psql" -h "$PWD" -U ledger -qAt postgres -c "$1"; }
for _ in $(seq 200); do sql 'SELECT 1' > /dev/null 2>&1 && break; sleep 0.05; done
sql 'CREATE TABLE accounts (name text PRIMARY KEY, amount int)'
sql "INSERT INTO accounts VALUES ('ada', 100), ('bob', 50), ('eve', 10)"
pay() { sql "UPDATE accounts SET amount = amount - $3 WHERE name = '$1' RETURNING amount"; sql "UPDATE accounts SET amount = amount + $3 WHERE name = '$2' RETURNING amount"; }
sum=30
[ "$PLANT" != payload ] || sum=35
pay ada bob "$sum"
[ "$PLANT" = drop ] || sql "INSERT INTO accounts VALUES ('kim', 1)"
if [ "$PLANT" = retry ]; then for _ in 1 2 3 4; do sql "UPDATE accounts SET amount = amount + 1 WHERE name = 'eve' RETURNING amount"; done; fi
sql "UPDATE accounts SET amount = amount + 1 WHERE name = 'eve' RETURNING amount"
double() { sql "UPDATE accounts SET amount = amount * 2 WHERE name = 'bob'"; }
less() { sql "UPDATE accounts SET amount = amount - 20 WHERE name = 'bob'"; }
# Two clients that nothing orders but this test.
mkfifo left right
(read -r < left; double) & L=$!
(read -r < right; less) & M=$!
if [ "$PLANT" = overtake ]; then echo > right; wait $M; echo > left; wait $L; else echo > left; wait $L; echo > right; wait $M; fi
total=$(sql 'SELECT sum(amount) FROM accounts')
sql 'SELECT name, amount FROM accounts ORDER BY name'
# Whoever is still there ends by itself.
kill -TERM $S
wait $S
[ "$total" = 222 ]
