#!/usr/bin/env python3
"""Settles the day: enters all trades into the bank's ledger, while it holds the ledger's lock.

Exit status: 0 done, 1 the ledger is not as it must be for the one who holds its lock.
"""
import argparse
import http.client
import json
import sys
import time

import grpc
import locks_pb2
import locks_pb2_grpc

LOCK = {"lock": "ledger", "holder": "settlement"}
# A page of trades is published every 100 ms: a lease outlasts two, and what it takes to enter them.
TTL_MS = 210
PAGES = 3
TRIES = 10


class Lost(Exception):
    """The lease may have ended, and somebody else have the lock."""


class Lease:
    def __init__(self, locks):
        self.locks = locks
        # Counted from before the lock was asked for: it is ours for longer than that.
        self.ends = time.monotonic() + TTL_MS / 1000
        locks.Acquire(locks_pb2.AcquireRequest(**LOCK, ttl_ms=TTL_MS))

    def renew(self):
        ends = time.monotonic() + TTL_MS / 1000
        if not self.locks.Renew(locks_pb2.RenewRequest(**LOCK, ttl_ms=TTL_MS)).held:
            raise Lost
        self.ends = ends

    def release(self):
        self.locks.Release(locks_pb2.ReleaseRequest(**LOCK))


class Bank:
    def __init__(self, address, lease):
        self.connection = http.client.HTTPConnection(address)
        self.lease = lease

    def post(self, path, value):
        self.connection.request("POST", path, json.dumps(value))
        reply = self.connection.getresponse()
        value = json.loads(reply.read())
        if reply.status == 409 and time.monotonic() >= self.lease.ends:
            raise Lost
        assert reply.status == 200, f"settlement holds the lock, but the bank says {reply.status}: {value['error']}"
        return value


def settle(locks, address):
    lease = Lease(locks)
    bank = Bank(address, lease)
    session = bank.post("/ledger", {"who": LOCK["holder"]})["session"]
    for page in range(1, PAGES + 1):
        bank.post(f"/ledger/{session}/page", {})
        # Every other page is soon enough.
        if page % 2 == 0:
            lease.renew()
    bank.post(f"/ledger/{session}/close", {})
    lease.release()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--node", required=True, help="the address of a node of the lock service")
    parser.add_argument("--bank", required=True, help="the address of the bank")
    args = parser.parse_args()
    with grpc.insecure_channel(args.node) as channel:
        locks = locks_pb2_grpc.LocksStub(channel)
        grpc.channel_ready_future(channel).result(timeout=30)
        for _ in range(TRIES):
            try:
                settle(locks, args.bank)
                break
            except Lost:
                print("settlement: the lock was lost; starting over")
        else:
            sys.exit("settlement: the lock was lost each time")
    print("settlement: done")


main()
