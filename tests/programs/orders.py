"""A service and its clients, for suites that compare runs: PLANT names what one run does otherwise.

Nobody polls, and each step waits for the one before, so that runs differ by what is planted and by
what always differs: ports, pids, times, tokens.
"""

import http.client
import http.server
import json
import os
import sys
import time
import uuid

PLANT = os.environ.get("PLANT", "")
KNOWN = {"payload", "drop", "double", "overtake", "retry", "exit", "config", "env", "signal", ""}
assert PLANT in KNOWN


class Service(http.server.BaseHTTPRequestHandler):
    seen = []
    price = 0

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        Service.seen.append(body["item"])
        total = body["count"] * Service.price
        answer = {"total": total, "seen": Service.seen[:], "at": time.time(), "id": str(uuid.uuid4())}
        text = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


def order(port, item, count):
    client = http.client.HTTPConnection("127.0.0.1", port)
    body = json.dumps({"item": item, "count": count, "request": uuid.uuid4().hex})
    client.request("POST", "/order", body, {"content-type": "application/json"})
    answer = json.loads(client.getresponse().read())
    client.close()
    return answer


def child(work):
    """Runs a function in a process of its own."""
    pid = os.fork()
    if pid == 0:
        status = 0
        try:
            status = work() or 0
        finally:
            os._exit(status)
    return pid


def status_of(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def main():
    with open("config.json") as config:
        Service.price = json.load(config)["price"]
    if "DISCOUNT" in os.environ:
        Service.price -= int(os.environ["DISCOUNT"])
    server = http.server.HTTPServer(("127.0.0.1", 0), Service)
    port = server.server_port
    requests = 5 + (PLANT in ("double", "retry")) - (PLANT == "drop")

    def serve():
        for _ in range(requests):
            server.handle_request()

    service = child(serve)

    def apples():
        order(port, "apples", 2)
        if PLANT != "drop":
            order(port, "pears", 7 if PLANT == "payload" else 3)
        if PLANT == "double":
            order(port, "pears", 3)
        order(port, "plums", 4)

    status_of(child(apples))
    # Two clients whose orders are to arrive one after the other: which one goes first is only timing.
    gates = [os.pipe(), os.pipe()]

    def late(number, item):
        os.read(gates[number][0], 1)
        answer = order(port, item, 1)
        if PLANT == "retry" and item == "figs":
            answer = order(port, item, 1)
        if item == "kiwis":
            print("in order" if answer["seen"][-2:] == ["figs", "kiwis"] else "seen", flush=True)
        if PLANT == "exit" and item == "kiwis":
            return 3
        if PLANT == "signal" and item == "kiwis":
            os.kill(os.getpid(), 9)

    clients = [child(lambda: late(0, "figs")), child(lambda: late(1, "kiwis"))]
    first = 1 if PLANT == "overtake" else 0
    for number in (first, 1 - first):
        os.write(gates[number][1], b"x")
        # The one has ended before the other begins.
        os.waitid(os.P_PID, clients[number], os.WEXITED | os.WNOWAIT)
    statuses = [status_of(client) for client in clients]
    status_of(service)
    return max(abs(status) for status in statuses)


sys.exit(main())
