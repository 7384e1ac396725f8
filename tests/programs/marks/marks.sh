# Makes each kind of mark, about bytes that differ from run to run.
mark() { [ -e "/.reenact/mark/$1" ]; }
sum() { local all; all=$(sha256sum); echo "${all%% *}"; }

mark phase/load
now="$(date +%N) in process $$"
mark "note/hello, 50%25 of it: é"
mark "checksum/users%2Fall/$(printf 'id 1, id 2\n' | sum)"
mark "checksum/now/$(printf %s "$now" | sum)"
echo "$now"
