#!/usr/bin/env python3
"""Two users, one after the other: one reads a feed, the other looks at a profile. Each must get what is theirs."""
import http.client
import json
import sys

connection = http.client.HTTPConnection(sys.argv[1])


def get(path):
    connection.request("GET", path)
    reply = connection.getresponse()
    value = json.loads(reply.read())
    print(f"{path}: {reply.status} {value}", flush=True)
    return reply.status, value


status, feed = get("/feed/ada")
assert status in (200, 503), f"the service says {status} to ada"
assert status != 200 or feed["user"] == "ada", f"ada was given the feed of {feed['user']}"
for user in ("ben", "ada"):
    status, value = get(f"/profile/{user}")
    assert (status, value) == (200, {"profile": f"This is {user}."}), f"{user} asked for their profile and was given {value}"
