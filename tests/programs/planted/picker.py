"""Asks the stock (shop/stock.js) over gRPC; PLANT names what one run does otherwise.

picker.py ADDRESS. With PICK in the environment it asks for one of two things, as chance will have it.
"""

import os
import sys

from stock_client import Want, reserve_at

PLANT = os.environ.get("PLANT", "")
reserve = reserve_at(sys.argv[1])


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
