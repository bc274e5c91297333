"""Exchange Web Services: one mailbox from a canned server, and many with nothing new in them.

The canned server, its least client and the call of exchangelib belong to others: $MAILPLUMB_VENDOR_DATA/bench-mail.
"""
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import time

import corpus
import peers

PYTHON = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "mailplumb/test-python/bin/python3")
NAMES = ["floor-ews", "mailplumb-ews", "exchangelib"]
BUSY_EVERY = 10
# Python's servers let five connections wait. Of more that begin at once the kernel drops the rest, and who begins them tries again
# after one second, and after three: that would be measured.
WITH_BACKLOG = ("import runpy, socketserver, sys; socketserver.TCPServer.request_queue_size = 1024; "
                "sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')")


class Canned:
    """The canned server, or our own one that counts."""

    def __init__(self, options, busy_every=0):
        folder = os.path.join(os.environ["MAILPLUMB_VENDOR_DATA"], "bench-mail")
        self.folder, self.root = folder, options.root
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        argv = [sys.executable, "-c", WITH_BACKLOG, os.path.join(folder, "ews_mock.py"), str(self.port), str(options.messages)]
        argv += ["--busy-every", str(busy_every)] if busy_every else []
        self.process = subprocess.Popen(argv, env={**os.environ, "BENCH_ROOT": options.root}, stdout=subprocess.PIPE)
        self.process.stdout.readline()

    def __enter__(self):
        deadline = time.time() + 20
        while time.time() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return self
            except OSError:
                time.sleep(0.05)
        raise RuntimeError("the canned server does not start")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def cpu_seconds(self):
        with open("/proc/%d/stat" % self.process.pid) as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Gap:
    """Between a client and the canned server: notes when each call came, what it was and cost, and which ones the server was too
    busy for."""

    def __init__(self, port):
        import threading
        self.target, self.calls, self.windows = port, [], []
        self.costs, self.connections = [], 0
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        import threading
        while True:
            client, _ = self.listener.accept()
            self.connections += 1
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        server = socket.create_connection(("127.0.0.1", self.target))
        for side in (client, server):
            side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while True:
            request = whole(client)
            if not request:
                return
            self.calls.append(time.monotonic())
            server.sendall(request)
            answer = whole(server)
            busy = re.search(rb"BackOffMilliseconds\">(\d+)", answer)
            client.sendall(answer)
            operation = re.search(rb"<m:(\w+)", request)
            self.costs.append((operation[1].decode() if operation else "?", len(request), len(answer)))
            if busy:
                # Only what the client can know of counts: from when it has the answer.
                self.windows.append((time.monotonic(), int(busy[1]) / 1000))

    def within(self):
        """Calls inside of a window. The client's clock starts when it has read the answer, a moment after ours."""
        return sum(any(begin < call < begin + length - 0.005 for begin, length in self.windows) for call in self.calls)


def whole(side):
    """One message of HTTP with a length. Empty: the connection has ended."""
    octets = b""
    while b"\r\n\r\n" not in octets:
        more = side.recv(1 << 16)
        if not more:
            return b""
        octets += more
    head, body = octets.split(b"\r\n\r\n", 1)
    length = int((re.search(rb"content-length: *(\d+)", head.lower()) or [0, b"0"])[1])
    parts, got = [body], len(body)
    while got < length:
        more = side.recv(1 << 18)
        if not more:
            return b""
        parts.append(more)
        got += len(more)
    return head + b"\r\n\r\n" + b"".join(parts)


class Script:
    """A client of the canned server's folder."""

    def __init__(self, name, server):
        self.name, self.server = name, server

    def prepare(self, folder):
        pass

    def env(self, folder):
        return {"HOME": folder}

    def argv(self, folder):
        floor = [sys.executable, os.path.join(self.server.folder, "ews_floor.py"), str(self.server.port), "100"]
        peer = [PYTHON, os.path.join(self.server.folder, "ews_exchangelib.py"), str(self.server.port), "100", "1"]
        return floor if self.name == "floor-ews" else peer

    def count(self, folder):
        with open(os.path.join(folder, "client.log")) as log:
            return re.search(r"fetch (\d+) items", log.read())[1]


class Mailplumb(peers.Mailplumb):
    """By impersonation, so that one manifest serves one mailbox and a thousand."""
    MANIFEST = """\
apiVersion: mailplumb/v1
kind: Organization
metadata: {{ name: bench }}
---
apiVersion: mailplumb/v1
kind: EmailServerProfile
metadata: {{ name: bench }}
spec:
  owner: postmaster@example.com
  exchange:
    location: {{ fixed: {{ incoming: "http://localhost:{port}/EWS/Exchange.asmx" }} }}
    incoming:
      authentication: basic
      credentials:
        profile: {{ username: svc, password: {{ secret: bench, key: it }}, access: impersonation }}
  processing: {{ from: 2020-01-01T00:00:00Z, minPollingInterval: 0, maxConcurrentConnections: {connections} }}
---
apiVersion: mailplumb/v1
kind: MailboxList
metadata: {{ name: people }}
spec:
  common: {{ profile: bench, incoming: server-side-sync }}
  users:
{users}
---
apiVersion: mailplumb/v1
kind: Secret
metadata: {{ name: bench }}
spec:
  values: {{ it: {{ env: BENCH_PASSWORD }} }}
"""

    def __init__(self, port, options, mailboxes=1, connections=10):
        super().__init__("ews", port, None, options)
        self.mailboxes, self.connections = mailboxes, connections

    def prepare(self, folder):
        os.makedirs(folder + "/mail")
        peers.write(folder + "/host.yaml", "allowNonTlsEmail: true\nallowBasicOverPlaintext: true\n"
                    "allowCredentialsOverHttp: true\nhosts: { localhost: 127.0.0.1 }\n")
        user = "    - { name: u%04d, address: u%04d@example.com, approved: u%04d@example.com }"
        users = "\n".join(user % (n, n, n) for n in range(1, self.mailboxes + 1))
        peers.write(folder + "/mail/mailplumb.yaml",
                    self.MANIFEST.format(port=self.port, users=users, connections=self.connections))
        done = subprocess.run(self.command(folder, "apply", "--auto-approve", "--create"),
                              env={**os.environ, **self.env(folder)}, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError("apply exited %d: %s%s" % (done.returncode, done.stdout[-500:], done.stderr[-2000:]))

    def argv(self, folder):
        return self.command(folder, "sync")


def ews(options, tools):
    fresh, measure, stored_digests = tools
    messages = corpus.mailbox(options.root, "u0001", options.messages)
    expected = sorted({message["sha256"] for message in messages})
    octets = sum(message["size"] for message in messages)
    lines = ["%d messages, %.1f MB." % (len(messages), octets / 1e6), "",
             "| client | messages/s | × floor | × exchangelib | wall s (median, range) | client CPU s | peak MiB | stored |",
             "|---|---|---|---|---|---|---|---|"]
    rows = []
    with Canned(options) as server:
        for name in options.names or NAMES:
            client = Mailplumb(server.port, options) if name == "mailplumb-ews" else Script(name, server)
            if name == "exchangelib" and not os.path.exists(PYTHON):
                rows.append((name, None, "not installed"))
                continue
            runs, said = [], ""
            for _ in range(1 if name == "exchangelib" else options.runs):
                folder = fresh(options.root, name)
                client.prepare(folder)
                runs.append(measure(client.argv(folder), client.env(folder), folder, server))
                said = client.count(folder)
                if name == "mailplumb-ews":
                    found = stored_digests(folder)
                    said = "%d, every SHA-256 right" % len(found) if found == expected else "WRONG"
                print(name, "%.2f" % runs[-1]["wall"], "load %.1f" % os.getloadavg()[0], file=sys.stderr)
                shutil.rmtree(folder, ignore_errors=True)
            rows.append((name, runs, said))
    walls = {name: statistics.median(run["wall"] for run in runs) for name, runs, _ in rows if runs}
    for name, runs, said in rows:
        if runs is None:
            lines.append("| %s | | | | | | | %s |" % (name, said))
            continue
        times = ["%.2f" % (walls[other] / walls[name]) if other in walls else "" for other in ("floor-ews", "exchangelib")]
        ends = [run["wall"] for run in runs]
        lines.append("| %s | %.0f | %s | %s | %.2f (%.2f–%.2f) | %.2f | %.1f | %s |" % (
            name, len(messages) / walls[name], *times, walls[name], min(ends), max(ends),
            statistics.median(run["cpu"] for run in runs), max(run["mib"] for run in runs), said))
    lines += ["", *busy(options, tools, expected), "", *idle(options, tools)]
    return lines


def busy(options, tools, expected):
    """The same with a server that is too busy for every tenth call, and wants to be left alone for 200 ms then."""
    fresh, measure, stored_digests = tools
    with Canned(options, BUSY_EVERY) as server:
        gap = Gap(server.port)
        client, folder = Mailplumb(gap.port, options), fresh(options.root, "busy")
        client.prepare(folder)
        run = measure(client.argv(folder), client.env(folder), folder, server)
        right = stored_digests(folder) == expected
    return ["With a server that is busy at every tenth call for 200 ms: %d calls, %d of them refused so, %d inside of a window; "
            "%.1f s, of which %.1f s are windows; %s." % (
                len(gap.calls), len(gap.windows), gap.within(), run["wall"], sum(length for _, length in gap.windows),
                "%d messages, every SHA-256 right" % len(expected) if right else "WRONG")]


def idle(options, tools):
    """Many mailboxes of one profile with nothing new: a first reading, and a second one that finds nothing."""
    fresh, measure, _ = tools
    lines = ["| %d mailboxes by impersonation, nothing new | wall s | of a mailbox, ms | client CPU s | peak MiB |"
             % options.mailboxes, "|---|---|---|---|---|"]
    options.messages, messages = 0, options.messages
    for connections in (1, 10, 50):
        with Canned(options) as server:
            client, folder = Mailplumb(server.port, options, options.mailboxes, connections), fresh(options.root, "idle")
            client.prepare(folder)
            run = measure(client.argv(folder), client.env(folder), folder, server)
            lines.append("| `maxConcurrentConnections: %d` | %.2f | %.2f | %.2f | %.1f |" % (
                connections, run["wall"], run["wall"] / options.mailboxes * 1000, run["cpu"], run["mib"]))
            shutil.rmtree(folder, ignore_errors=True)
    lines += ["", *cost(options, fresh)]
    options.messages = messages
    return lines


def cost(options, fresh):
    """What one look of a process of its own costs, after a first one has read everything. Kept sessions, as `watch` has them, leave
    out the connection and GetFolder."""
    with Canned(options) as server:
        gap = Gap(server.port)
        client, folder = Mailplumb(gap.port, options, options.mailboxes, 10), fresh(options.root, "cost")
        client.prepare(folder)
        environment = {**os.environ, **client.env(folder)}
        sync = lambda: subprocess.run(client.argv(folder), env=environment, check=True, capture_output=True)  # noqa: E731
        sync()
        gap.costs, gap.connections = [], 0
        sync()
        shutil.rmtree(folder, ignore_errors=True)
    lines = ["| an idle cycle, of one mailbox (%d of them) | calls | octets asked | octets answered |" % options.mailboxes,
             "|---|---|---|---|"]
    for operation in sorted({operation for operation, _, _ in gap.costs}):
        calls = [(asked, answered) for name, asked, answered in gap.costs if name == operation]
        lines.append("| %s | %.2f | %d | %d |" % (operation, len(calls) / options.mailboxes,
                     sum(asked for asked, _ in calls) / options.mailboxes, sum(answered for _, answered in calls) / options.mailboxes))
    lines.append("| together, over %.2f connections | %.2f | %d | %d |" % (
        gap.connections / options.mailboxes, len(gap.costs) / options.mailboxes,
        sum(asked for _, asked, _ in gap.costs) / options.mailboxes, sum(answered for _, _, answered in gap.costs) / options.mailboxes))
    return lines
