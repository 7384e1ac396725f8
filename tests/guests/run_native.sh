#!/bin/sh
# Builds every guest and runs it natively, so that a guest is known to be sound before an engine is judged by it.
# Usage: run_native.sh [RUNS] [GUEST…], for example `run_native.sh 5 process/fork`.
set -u
here=$(cd "$(dirname "$0")" && pwd)
runs=${1:-1}
[ $# -gt 0 ] && shift
out=${GUEST_BUILD_DIR:-$(mktemp -d)}
cd "$here" || exit 2
[ $# -eq 0 ] && set -- $(find . -name '*.c' | sed 's|^\./||; s|\.c$||' | sort)
total=0
failed=0
for guest in "$@"; do
    total=$((total + 1))
    binary="$out/$(echo "$guest" | tr / -)"
    flags=$(sed -n '1s|^// flags:||p' "$guest.c")
    ends=$(sed -n '1,3s|^// ends: ||p' "$guest.c")
    # The flags are a list of words, hence unquoted.
    if ! gcc -O1 -Wall -Wextra -Wno-format-truncation -I"$here" -o "$binary" "$guest.c" $flags; then
        echo "FAIL $guest: does not compile"
        failed=$((failed + 1))
        continue
    fi
    run=0
    while [ "$run" -lt "$runs" ]; do
        run=$((run + 1))
        started=$(date +%s%N)
        # The pipe ends when the last process that a guest left behind does.
        { timeout -k 1 20 "$binary" 2>"$binary.err" </dev/null; echo $? >"$binary.code"; } | cat >"$binary.out"
        code=$(cat "$binary.code")
        took=$((($(date +%s%N) - started) / 1000000))
        case "$ends" in
            "") expected=0 ;;
            exit\ *) expected=${ends#exit } ;;
            signal\ *) expected=$((128 + ${ends#signal })) ;;
            *) expected=unknown ;;
        esac
        if [ "$code" != "$expected" ] || ! grep -q '^EXIT-SUCCESS$' "$binary.out" "$binary.err"; then
            echo "FAIL $guest: exit code $code where $expected was due (run $run)"
            tail -n 5 "$binary.out" "$binary.err"
            failed=$((failed + 1))
            break
        fi
        grep '^SKIP' "$binary.out" | sed "s|^|$guest: |"
        [ "$took" -lt 2000 ] || echo "SLOW $guest: $took ms"
    done
done
echo "$total guests, $failed failed, $runs runs each"
[ "$failed" -eq 0 ]
