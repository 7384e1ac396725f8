"""Makes each kind of mark, about bytes that differ from run to run."""
import hashlib
import os
import time
from urllib.parse import quote


def mark(kind, *words):
    os.path.exists("/.reenact/mark/" + "/".join([kind, *map(quote, words)]))


mark("phase", "load")
now = f"{time.time_ns()} in process {os.getpid()}"
mark("note", "hello, 50% of it: é")
mark("checksum", "users/all", hashlib.sha256(b"id 1, id 2\n").hexdigest())
mark("checksum", "now", hashlib.sha256(now.encode()).hexdigest())
print(now)
