# An HTTP server that says each path back. Arguments: requests to serve, then nothing for plain HTTP, or the highest
# version of TLS (1.2, 1.3), a certificate with its key, and perhaps a file for the secrets of sessions.
import http.server
import ssl
import sys


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = ("you asked for " + self.path).encode() * (1000 if "large" in self.path else 1)
        self.send_response(404 if "absent" in self.path else 200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


count, tls = int(sys.argv[1]), sys.argv[2:]
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
if tls:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}[tls[0]]
    context.load_cert_chain(tls[1])
    if len(tls) > 2:
        context.keylog_filename = tls[2]
    server.socket = context.wrap_socket(server.socket, server_side=True)
with open("port", "w") as file:
    file.write(f"{server.server_port}\n")
for _ in range(count):
    server.handle_request()
