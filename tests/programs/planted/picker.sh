#!/bin/bash
# The stock (Node) and one who asks it over gRPC (Python).
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
node "$here/../shop/stock.js" & S=$!
for _ in $(seq 500); do [ -e stock.port ] && break; sleep 0.02; done
PYTHONPATH="$here/../shop:$PYTHONPATH" python3 -B "$here/picker.py" "127.0.0.1:$(cat stock.port)"
status=$?
kill -TERM $S
wait $S
exit $status
