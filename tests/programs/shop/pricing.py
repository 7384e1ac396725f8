"""The pricing service of the shop: HTTP in front, gRPC to the stock, rows in PostgreSQL behind.

pricing.py DATABASE STOCK-ADDRESS: writes its port to the file pricing.port, and prints what it did
when it is told to end. The messages of stock.proto are described here once more, as Python's gRPC
needs no generated code for them.
"""

import http.server
import json
import os
import signal
import sys
import threading

import grpc
import psycopg
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

database, stock = sys.argv[1:]

described = descriptor_pb2.FileDescriptorProto(name="stock.proto", package="shop", syntax="proto3")
for message, fields in {
    "Want": [("order", "STRING"), ("item", "STRING"), ("count", "UINT32")],
    "Have": [("order", "STRING"), ("price", "UINT32"), ("left", "UINT64")],
}.items():
    added = described.message_type.add(name=message)
    for number, (field, kind) in enumerate(fields, 1):
        added.field.add(name=field, number=number, label=1, type=getattr(descriptor_pb2.FieldDescriptorProto, "TYPE_" + kind))
pool = descriptor_pool.DescriptorPool()
pool.Add(described)
Want, Have = (message_factory.GetMessageClass(pool.FindMessageTypeByName("shop." + name)) for name in ("Want", "Have"))

channel = grpc.insecure_channel(stock)
reserve = channel.unary_unary("/shop.Stock/Reserve", Want.SerializeToString, Have.FromString)
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
