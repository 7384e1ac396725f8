#!/usr/bin/env python3
"""A small shop: POST /orders takes an order, GET /orders lists them all, GET /health says hello.

One thread, one sqlite database. It has a real bug, and README.md says where; try to find it first.
"""
import argparse
import json
import os
import random
import signal
import sqlite3
import sys
import time
import uuid
from http.server import BaseHTTPRequestHandler, HTTPServer

# Codes are read out over the telephone: short, and without letters that sound or look alike.
LETTERS = "ACDEFHJKLMNPRTUVXY"


def new_code():
    return "".join(random.choices(LETTERS, k=2))


class Shop(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/health":
            self.answer(200, {"pid": os.getpid(), "up": round(time.monotonic() - self.server.began, 6)})
        elif self.path == "/orders":
            rows = self.server.db.execute("SELECT code, item, quantity FROM orders ORDER BY placed")
            self.answer(200, [dict(zip(("code", "item", "quantity"), row)) for row in rows])
        else:
            self.answer(404, {"error": f"there is no {self.path}"})

    def do_POST(self):
        order = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        code = new_code()
        with self.server.db:
            self.server.db.execute(
                "INSERT OR REPLACE INTO orders VALUES (?, ?, ?, ?, ?)",
                (code, order["item"], order["quantity"], time.time_ns(), str(uuid.uuid4())),
            )
        self.answer(201, {"code": code})

    def answer(self, status, value):
        body = json.dumps(value).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--database", required=True)
    parser.add_argument("--port-file", required=True)
    args = parser.parse_args()

    server = HTTPServer(("127.0.0.1", 0), Shop)
    server.began = time.monotonic()
    server.db = sqlite3.connect(args.database)
    server.db.execute(
        "CREATE TABLE orders (code TEXT PRIMARY KEY, item TEXT, quantity INTEGER, placed INTEGER, id TEXT)"
    )
    server.db.commit()

    # The port is the kernel's choice; the file appears whole, by rename.
    with open(args.port_file + ".new", "w") as file:
        file.write(f"{server.server_port}\n")
    os.rename(args.port_file + ".new", args.port_file)

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        server.serve_forever(poll_interval=0.2)
    finally:
        server.db.close()
        print("the service has stopped", file=sys.stderr, flush=True)


main()
