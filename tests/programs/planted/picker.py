"""Asks the stock (shop/stock.js) over gRPC; PLANT names what one run does otherwise.

picker.py ADDRESS. With PICK in the environment it asks for one of two things, as chance will have it.
"""

import os
import sys

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PLANT = os.environ.get("PLANT", "")
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
reserve = grpc.insecure_channel(sys.argv[1]).unary_unary("/shop.Stock/Reserve", Want.SerializeToString, Have.FromString)


def ask(order, item, count):
    have = reserve(Want(order=order, item=item, count=count), timeout=30)
    print(order, have.price, have.left, flush=True)


ask("one", "apples", 2)
ask("two", "pears", 8 if PLANT == "payload" else 3)
if PLANT != "drop":
    ask("three", "plums", 1)
if PLANT == "double":
    ask("three", "plums", 1)
for _ in range(6 if PLANT == "retry" else 1):
    ask("four", "figs", 4)
if "PICK" in os.environ:
    ask("five", ["apples", "figs"][os.urandom(1)[0] % 2], 1)
sys.stdout.flush()
os._exit(0)
