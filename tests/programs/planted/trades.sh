# A publisher of trades and two subscribers, with Redis between them.
here=$(dirname "$0")
folder=$(mktemp -d)
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
redis-server --port "$port" --bind 127.0.0.1 --save "" --dir "$folder" > "$folder/log" &
until redis-cli -p "$port" ping > "$folder/ping" 2>&1; do sleep 0.05; done
for role in risk audit; do
    node "$here/trades.js" "$port" $role "$folder/$role" & subscribers="$subscribers $!"
done
until [ -e "$folder/risk" ] && [ -e "$folder/audit" ]; do sleep 0.05; done
node "$here/trades.js" "$port" publish
wait $subscribers
total=$(redis-cli -p "$port" get total)
redis-cli -p "$port" shutdown nosave
wait
rm -r "$folder"
echo "$total"
[ "$total" = 478 ]
