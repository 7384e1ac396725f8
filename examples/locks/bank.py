#!/usr/bin/env python3
"""A bank's books, over HTTP: a ledger, and the day's trades, which are published page by page.

  GET  /day/N           answered when the settlement of day N has begun
  POST /ledger          opens the ledger, for the one who holds its lock; what another has left open is undone
  POST /ledger/ID/page  enters the next page of trades
  POST /ledger/ID/close keeps what was entered
  POST /ledger/fee      enters an amount, all at once
  GET  /ledger          the balance

Whatever is entered is in the books, and answered, when the next page is published.
"""
import argparse
import json
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# Pages are published by the clock on the wall: at .0, .1, .2 …
PUBLISHED_EVERY_S = 0.1
TRADES = [[250, -40, 115], [-300, 75], [60, 410, -20]]


def publication():
    time.sleep(PUBLISHED_EVERY_S - time.time() % PUBLISHED_EVERY_S)


class Ledger:
    def __init__(self):
        self.lock = threading.Lock()
        self.begun = threading.Condition(self.lock)
        self.days = 0
        self.balance = 1000
        self.sessions = 0
        self.open = None
        self.opened_by = None

    def begin(self, who):
        with self.lock:
            self.sessions += 1
            self.open = {"session": self.sessions, "balance": self.balance, "pages": 0}
            self.opened_by = who
            return self.sessions

    def begin_day(self, who):
        session = self.begin(who)
        with self.lock:
            self.days = 1
            self.begun.notify_all()
        return session

    def wait_for_day(self, day):
        with self.lock:
            self.begun.wait_for(lambda: self.days >= day)
            return {"day": day}

    def change(self, session, change):
        """Changes what is open, if it is of this session."""
        with self.lock:
            opened = self.open
            if not opened or opened["session"] != session:
                return 409, {"error": f"this session was undone when {self.opened_by} opened the ledger"}
            change(opened)
            return 200, {"balance": opened["balance"]}

    def enter_page(self, session):
        def change(opened):
            opened["balance"] += sum(TRADES[opened["pages"]])
            opened["pages"] += 1

        publication()
        return self.change(session, change)

    def close(self, session):
        def change(opened):
            self.balance = opened["balance"]
            self.open = None

        return self.change(session, change)

    def charge(self, who, amount):
        def change(opened):
            opened["balance"] -= amount

        session = self.begin(who)
        publication()
        status, value = self.change(session, change)
        return (status, value) if status != 200 else self.close(session)


class Bank(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def do_GET(self):
        ledger = self.server.ledger
        match self.path.strip("/").split("/"):
            case ["day", day]:
                self.answer(200, ledger.wait_for_day(int(day)))
            case ["ledger"]:
                self.answer(200, {"balance": ledger.balance})
            case _:
                self.answer(404, {"error": f"there is no {self.path}"})

    def do_POST(self):
        ledger = self.server.ledger
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        match self.path.strip("/").split("/"):
            case ["ledger"]:
                self.answer(200, {"session": ledger.begin_day(body["who"])})
            case ["ledger", "fee"]:
                self.answer(*ledger.charge(body["who"], body["amount"]))
            case ["ledger", session, "page"]:
                self.answer(*ledger.enter_page(int(session)))
            case ["ledger", session, "close"]:
                self.answer(*ledger.close(int(session)))
            case _:
                self.answer(404, {"error": f"there is no {self.path}"})

    def answer(self, status, value):
        body = json.dumps(value).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--address-file", required=True)
    args = parser.parse_args()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Bank)
    server.ledger = Ledger()
    with open(args.address_file + ".new", "w") as file:
        file.write(f"127.0.0.1:{server.server_port}\n")
    os.rename(args.address_file + ".new", args.address_file)
    server.serve_forever()


main()
