# An HTTP service that keeps its data in Redis, spoken to over a plain socket. Arguments: Redis's port, requests to serve.
import http.server, json, socket, sys

class Redis:
    def __init__(self, port):
        self.file = socket.create_connection(("127.0.0.1", port)).makefile("rwb")

    def ask(self, *words):
        self.file.write(b"*%d\r\n" % len(words))
        for word in words:
            word = str(word).encode()
            self.file.write(b"$%d\r\n%s\r\n" % (len(word), word))
        self.file.flush()
        line = self.file.readline().rstrip()
        kind, rest = line[:1], line[1:]
        if kind == b"$":
            size = int(rest)
            return None if size < 0 else self.file.read(size + 2)[:-2]
        return RuntimeError(rest) if kind == b"-" else rest

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        name = self.path.rsplit("/", 1)[1]
        sold = redis.ask("INCR", "sold:" + name)
        price = redis.ask("GET", "price:" + name)
        if price is None:
            redis.ask("NOSUCH", name)
        status = 200 if price else 404
        body = json.dumps({"item": name, "sold": int(sold)}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args):
        pass

redis = Redis(int(sys.argv[1]))
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
for _ in range(int(sys.argv[2])):
    server.handle_request()
