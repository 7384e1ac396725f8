"""Customers of a memcached at 127.0.0.1: what each stores is there, counters count, and the server says who it is.

Arguments: the port, and the name of this customer.
"""
import hashlib
import random
import socket
import sys

port, name = int(sys.argv[1]), sys.argv[2]
connections = [socket.create_connection(("127.0.0.1", port), timeout=60) for _ in range(4)]
files = [connection.makefile("rwb") for connection in connections]


def ask(file, *lines):
    file.write(b"".join(line + b"\r\n" for line in lines))
    file.flush()
    return file.readline().rstrip(b"\r\n")


stored = {}
for i in range(120):
    file = files[i % len(files)]
    key = f"{name}:{random.randrange(60)}".encode()
    value = hashlib.sha256(random.randbytes(8)).hexdigest().encode() * random.randrange(1, 40)
    answer = ask(file, b"set %s 0 0 %d" % (key, len(value)), value)
    assert answer == b"STORED", answer
    stored[key] = value
    answer = ask(file, b"add all 0 0 1", b"0")
    assert answer in (b"STORED", b"NOT_STORED"), answer
    assert ask(file, b"incr all 1").isdigit()
for key, value in stored.items():
    file = random.choice(files)
    answer = ask(file, b"get " + key)
    assert answer == b"VALUE %s 0 %d" % (key, len(value)), answer
    assert file.read(len(value) + 2) == value + b"\r\n"
    assert file.readline() == b"END\r\n"
print(name, len(stored), "keys,", ask(files[0], b"incr all 0").decode(), "sets of all so far")
if name == "last":
    line = ask(files[0], b"stats")
    while line != b"END":
        if line.split()[1] in (b"pid", b"time", b"threads", b"rusage_user", b"curr_items", b"cmd_set", b"bytes", b"total_connections"):
            print(line.decode())
        line = files[0].readline().rstrip(b"\r\n")
