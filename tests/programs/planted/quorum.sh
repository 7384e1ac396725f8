# A leader in Python and three followers in Perl, over UDP.
here=$(dirname "$0")
folder=$(mktemp -d)
coproc python3 "$here/leader.py"
leader=$!
read -r port <&"${COPROC[0]}"
for name in first second third; do
    perl "$here/follower.pl" $name "$port" "$folder/$name" &
done
wait "$leader"; status=$?
wait
[ "$(wc -l < "$folder/third")" = 4 ] || status=1
rm -r "$folder"
exit $status
