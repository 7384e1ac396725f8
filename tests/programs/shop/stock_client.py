"""The shop's stock (stock.js), asked over gRPC: the messages of stock.proto are described here once more, as
Python's gRPC needs no generated code for them.
"""

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

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


def reserve_at(address):
    """The call that reserves what is wanted, of the stock at an address."""
    return grpc.insecure_channel(address).unary_unary("/shop.Stock/Reserve", Want.SerializeToString, Have.FromString)
