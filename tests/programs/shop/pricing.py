"""The pricing service of the shop: HTTP in front, gRPC to the stock, rows in PostgreSQL behind.

pricing.py DATABASE STOCK-ADDRESS: writes its port to the file pricing.port, and prints what it did
when it is told to end.
"""

import http.server
import json
import os
import signal
import sys
import threading

import psycopg
from stock_client import Want, reserve_at

database, stock = sys.argv[1:]

reserve = reserve_at(stock)
rows = psycopg.connect(database, autocommit=True)
lock = threading.Lock()
counts = {"handled": 0, "rows": 0}


class Pricing(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        order = json.loads(self.rfile.read(int(self.headers["content-length"])))
        have = reserve(Want(order=order["id"], item=order["item"], count=order["count"]), timeout=30)
        total = have.price * order["count"]
        with lock:
            rows.execute(
                "INSERT INTO orders (id, item, count, total) VALUES (%s, %s, %s, %s)",
                (order["id"], order["item"], order["count"], total),
            )
            counts["rows"] += 1
            counts["handled"] += 1
        text = json.dumps({"id": order["id"], "total": total}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pricing)
server.daemon_threads = True
with open("pricing.tmp", "w") as file:
    print(server.server_port, file=file)
os.rename("pricing.tmp", "pricing.port")


def end(*_):
    print(f"pricing handled {counts['handled']} rows {counts['rows']}", flush=True)
    os._exit(0)


signal.signal(signal.SIGTERM, end)
server.serve_forever()
