"""An HTTPS server that logs connections in with NTLM or with NTLM inside Negotiate, verified by pyspnego.

usage: ntlm_server.py ADDRESS PORT CHAIN KEY BINDING USERS

BINDING is `none` or `required`: with the latter a login has to be bound to the server's certificate. USERS is a file
with a line DOMAIN:user:password for each account (read by pyspnego through NTLM_USER_FILE). Whoever is logged in gets a page
with the name, the scheme and what was posted; with BACKEND (address:port) in the environment, what the server there answers to
the same request with BACKEND_AUTHORIZATION. SCHEMES in the environment lists what is offered. MOOD is what it
does after every second answer: `close` the connection, `forget` the login, `lock` everybody out.
"""

import base64
import hashlib
import http.client
import http.server
import os
import ssl
import sys
import threading

import spnego
import spnego.channel_bindings
from spnego.exceptions import SpnegoError

address, port, chain, key, binding, users = sys.argv[1:]
os.environ["NTLM_USER_FILE"] = users
BACKEND = os.environ.get("BACKEND")
MOOD = os.environ.get("MOOD")
locked = threading.Event()
SCHEMES = os.environ.get("SCHEMES", "NTLM,Negotiate").split(",")
bindings = None
if binding == "required":
    end = "-----END CERTIFICATE-----\n"
    certificate = ssl.PEM_cert_to_DER_cert(open(chain).read().split(end)[0] + end)
    digest = hashlib.sha256(certificate).digest()
    bindings = spnego.channel_bindings.GssChannelBindings(application_data=b"tls-server-end-point:" + digest)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    context = None
    user = None
    scheme = None
    answered = 0

    def answer(self, status, body=b"", headers=()):
        self.send_response(status)
        for header in headers:
            self.send_header("WWW-Authenticate", header)
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def refuse(self):
        self.context = self.user = None
        self.answer(401, b"<html>who are you?</html>", SCHEMES)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        authorization = self.headers.get("Authorization")
        if authorization:
            scheme, _, token = authorization.partition(" ")
            token = base64.b64decode(token)
            try:
                if self.context is None:
                    protocol = "ntlm" if scheme == "NTLM" else "negotiate"
                    options = getattr(spnego.NegotiateOptions, "use_" + protocol)
                    self.context = spnego.server(protocol=protocol, channel_bindings=bindings, options=options)
                reply = self.context.step(token)
            except (SpnegoError, ValueError) as error:
                print("refused:", error, file=sys.stderr, flush=True)
                return self.refuse()
            if not self.context.complete:
                encoded = base64.b64encode(reply or b"").decode()
                return self.answer(401, b"go on", [f"{scheme} {encoded}"])
            self.user, self.scheme, self.context = self.context.client_principal, scheme, None
        if self.user is None or locked.is_set():
            return self.refuse()
        self.answered += 1
        if self.answered % 2 == 0 and MOOD == "forget" and not authorization:
            self.user = None
            return self.refuse()
        if self.answered % 2 == 0 and MOOD == "lock":
            locked.set()
            return self.refuse()
        if BACKEND:
            return self.hand_on(body)
        if self.answered % 2 == 0 and MOOD == "close":
            self.close_connection = True
        self.answer(200, f"{self.user} {self.scheme} ".encode() + body)

    def hand_on(self, body):
        connection = http.client.HTTPSConnection(BACKEND, context=ssl._create_unverified_context())
        headers = {name: self.headers[name] for name in ("Content-Type", "X-AnchorMailbox") if name in self.headers}
        connection.request("POST", self.path, body, {**headers, "Authorization": os.environ["BACKEND_AUTHORIZATION"]})
        answer = connection.getresponse()
        page = answer.read()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.getheader("Content-Type"))
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer((address, int(port)), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(chain, key)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
