#!/bin/bash
# Runs the shop: customers (C) order from a gateway (Go), which keeps counts in Redis and asks a pricing
# service (Python), which asks the stock (Node) over gRPC and writes rows into PostgreSQL.
# In the environment: GATEWAY and CUSTOMER, the built programs; PYTHON and NODE_PATH, with gRPC and
# psycopg; PG_BIN, the folder of PostgreSQL's programs; CLUSTER, an initialised cluster to copy.
# Each part prints at its end how much it did, and the databases what they counted.
set -eu
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
threads=${THREADS:-4}
orders=${ORDERS:-25}

wait_for() {
    for _ in $(seq 1000); do
        if "$@" 2>/dev/null >&2; then return; fi
        sleep 0.02
    done
    echo "waited in vain: $*"
    exit 9
}
port_of() { wait_for test -e "$1.port"; cat "$1.port"; }

cp -r "$CLUSTER" cluster
chmod 700 cluster
postgres=("$PG_BIN/postgres" -D cluster -k "$PWD" -c listen_addresses= -c fsync=off
    -c shared_preload_libraries=pg_stat_statements -c shared_buffers=8MB -c max_connections=20
    -c autovacuum=off -c unix_socket_permissions=0777)
if [ "$(id -u)" = 0 ]; then
    # PostgreSQL refuses to run as root.
    chown -R nobody cluster
    chmod 777 .
    postgres=(setpriv --reuid=nobody --regid=nogroup --clear-groups "${postgres[@]}")
fi
"${postgres[@]}" > postgres.log 2>&1 &
database=$!
redis-server --port 0 --unixsocket "$PWD/redis.sock" --save '' --appendonly no > redis.log 2>&1 &
redis=$!
node "$here/stock.js" &
stock=$!
query() { "$PG_BIN/psql" -h "$PWD" -U shop -At postgres -c "$1"; }
wait_for query 'SELECT 1'
query 'CREATE EXTENSION pg_stat_statements; CREATE TABLE orders (id text PRIMARY KEY, item text, count int, total int)' > /dev/null
"$PYTHON" -B "$here/pricing.py" "host=$PWD user=shop dbname=postgres" "127.0.0.1:$(port_of stock)" &
pricing=$!
wait_for test -S redis.sock
"$GATEWAY" "$PWD/redis.sock" "http://127.0.0.1:$(port_of pricing)" &
gateway=$!

"$CUSTOMER" "$(port_of gateway)" "$threads" "$orders"

for part in "$gateway" "$pricing" "$stock"; do
    kill -TERM "$part"
    wait "$part"
done
echo "postgres inserts $(query "SELECT calls FROM pg_stat_statements WHERE query LIKE 'INSERT INTO orders%'")"
echo "postgres rows $(query 'SELECT count(*), sum(total) FROM orders')"
redis-cli -s redis.sock info commandstats | tr -d '\r' | sed -n 's/^cmdstat_\(incr\|hset\):calls=\([0-9]*\),.*/redis \1 \2/p' | sort
redis-cli -s redis.sock shutdown nosave
wait "$redis"
kill -INT "$database"
wait "$database"
