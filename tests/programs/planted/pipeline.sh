#!/bin/bash
# A pipeline that adds up orders by prices in a file; PLANT names what one run does otherwise.
set -u
printf 'apples 3\npears 4\nplums %s\n' "$PRICE" > prices
orders() {
    echo apples 2
    [ "$PLANT" = drop ] || echo pears 1
    [ "$PLANT" = payload ] && echo plums 7 || echo plums 5
    echo apples 4
}
total() {
    awk 'BEGIN { while ((getline line < "prices") > 0) { split(line, word, " "); price[word[1]] = word[2] } }
        { sum += price[$1] * $2 } END { print "total", sum }'
}
orders | sort | total | tee result
if [ "$PLANT" = signal ]; then sh -c 'kill -9 $$'; fi
grep -q 'total 42' result
