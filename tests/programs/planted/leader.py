"""Has three followers store what it decides, and goes on without whoever does not say in time that it did."""

import os
import select
import socket
import sys
import time

PLANT = os.environ["PLANT"]
own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
own.bind(("127.0.0.1", 0))
print(own.getsockname()[1], flush=True)
followers = {}
while len(followers) < 3:
    hello, address = own.recvfrom(2000)
    followers[hello.decode().split()[1]] = address
alive, told = set(followers), []
for number, colour in enumerate(["red", "green", "blue", "black"], 1):
    if PLANT == "payload" and number == 4:
        colour = "brown"
    for name in sorted(alive):
        times = 2 if PLANT == "double" and (name, number) == ("third", 2) else 1
        for _ in range(times):
            own.sendto(f"APPEND {number} {colour}\n".encode(), followers[name])
    stored, end = set(), time.monotonic() + 1
    while stored < alive and select.select([own], [], [], max(0, end - time.monotonic()))[0]:
        _, name, of = own.recv(2000).decode().split()
        if int(of) == number:
            stored.add(name)
    told.append(f"{number} {colour} on {len(stored)}")
    alive &= stored
for address in followers.values():
    own.sendto(b"STOP\n", address)
print("\n".join(told), file=sys.stderr)
sys.exit(told != ["1 red on 3", "2 green on 3", "3 blue on 3", "4 black on 3"])
