"""Asks one of two children, by random bytes, for the price of each thing. One has another price of one thing."""

import os
import subprocess
import sys

THINGS = ["bolt-17", "nut-22", "gizmo-31", "pin-44", "washer-58", "screw-63", "nail-70", "hook-81"]

if len(sys.argv) > 1:
    for line in sys.stdin:
        thing = line.strip()
        price = 9 if thing == "gizmo-31" and sys.argv[1] == "west" else len(thing) + 3
        print(f"{thing} costs {price}", flush=True)
    sys.exit(0)

pipe = subprocess.PIPE
children = [
    subprocess.Popen([sys.executable, __file__, which], stdin=pipe, stdout=pipe, text=True)
    for which in ("east", "west")
]
total = 0
for thing in THINGS:
    child = children[os.urandom(1)[0] & 1]
    child.stdin.write(thing + "\n")
    child.stdin.flush()
    total += int(child.stdout.readline().split()[-1])
for child in children:
    child.stdin.close()
    child.wait()
print("total", total)
sys.exit(0 if total == sum(len(thing) + 3 for thing in THINGS) else 1)
