#!/usr/bin/env python3
"""Pulls one mailbox from a private Dovecot: mailplumb, the byte-dropping floor, and the peers that are installed.

    benches/mail/bench.py pull --binary target/release/mailplumb [--messages 10000] [--runs 3] [--tls] [NAME ...]
    benches/mail/bench.py large --binary target/release/mailplumb
    benches/mail/bench.py poll --binary target/release/mailplumb [--mailboxes 1000] [--runs 3] [--tls]
    benches/mail/bench.py ews --binary target/release/mailplumb [--messages 5000] [--mailboxes 1000] [--runs 3] [NAME ...]

`pull` measures every client in the same run, each with a fresh state, against the same corpus. `large` measures the
memory that a 150 MB message, a mailbox of 100,000 messages and a message nested 1,000 deep take. `poll` looks at many
mailboxes with nothing new in them, with a login each and over kept sessions. With --write the table also goes into
docs/performance-incoming.md, in the place of the former one of the same kind.

Everything lives in a folder of its own (--root, by default under $TMPDIR; put it on a tmpfs to take the disk out of
the picture), listens on loopback only, and ends with the command. The corpus is the same for the same --messages and
is kept between runs, with the SHA-256 of every message; what mailplumb has stored is compared with them. A client that
is not installed appears as missing. Compare rows of one run only, and trust CPU seconds and ratios on a busy machine.

Needs Dovecot with IMAP and POP3. Peers: isync, mpop, fetchmail, getmail6 (Debian's names). GNU time for memory.
"""
import argparse
import hashlib
import json
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import corpus  # noqa: E402
import ews  # noqa: E402
import page  # noqa: E402
import peers  # noqa: E402
import poll  # noqa: E402
from server import Server  # noqa: E402

RUN_AS = "mail"
SYSTEM_PYTHON = "/usr/bin/python3"


def become_nobody(root):
    """Dovecot refuses to serve mail as root: everything then runs as one unprivileged account."""
    if os.getuid() != 0:
        return
    import pwd
    account = pwd.getpwnam(RUN_AS)
    os.makedirs(root, exist_ok=True)
    os.chown(root, account.pw_uid, account.pw_gid)
    os.setgroups([])
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)


def as_installed(program):
    """Lets the kernel read a program anew. The pages of one that was just built or copied are mapped in larger pieces, and count as
    up to 3 MiB of memory that an installed one does not take."""
    with open(program, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def measure(argv, env, folder, server):
    """One run: wall and CPU seconds, peak memory in MiB, the server's CPU seconds."""
    clock = shutil.which("time")
    report = os.path.join(folder, "time.out")
    wrapped = [clock, "-q", "-o", report, "-f", "%U %S %M"] + argv if clock else argv
    before, began = server.cpu_seconds(), time.perf_counter()
    with open(os.path.join(folder, "client.log"), "wb") as log:
        code = subprocess.call(wrapped, env={**os.environ, **env}, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    wall = time.perf_counter() - began
    if code != 0:
        with open(os.path.join(folder, "client.log"), errors="replace") as log:
            raise RuntimeError("%s exited %d: %s" % (argv[0], code, log.read()[-2000:]))
    time.sleep(0.3)  # until the server's process has ended and is counted
    user, system, memory = ("0 0 0" if not clock else open(report).read()).split()[:3]
    return {
        "wall": wall,
        "cpu": float(user) + float(system),
        "mib": int(memory) / 1024,
        "server": server.cpu_seconds() - before,
    }


def fresh(root, name):
    folder = os.path.join(root, "clients", name)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    return folder


def stored_digests(folder):
    """The SHA-256 of each stored message, put together from the segments as the database says."""
    database = sqlite3.connect(os.path.join(folder, "state", "state.db"))
    rows = database.execute(
        "SELECT blobs.id, segment, blobs.start, length FROM messages JOIN blobs ON blobs.id = messages.blob").fetchall()
    pieces = {}
    for message, *piece in database.execute(
            "SELECT pieces.blob, pieces.start, segment, blobs.start, length FROM pieces"
            " JOIN blobs ON blobs.id = pieces.piece ORDER BY 1, 2"):
        pieces.setdefault(message, []).append(piece)
    database.close()
    files, digests = {}, []

    def feed(digest, segment, start, length):
        if segment not in files:
            files[segment] = open(os.path.join(folder, "state", "blobs", "%06d.seg" % segment), "rb")
        files[segment].seek(start)
        while length:
            octets = files[segment].read(min(length, 1 << 20))
            digest.update(octets)
            length -= len(octets)

    for message, segment, start, length in rows:
        digest, place, left = hashlib.sha256(), 0, length
        for begins, of_piece, piece_start, piece_length in pieces.get(message, []):
            before = begins - place
            feed(digest, segment, start, before)
            feed(digest, of_piece, piece_start, piece_length)
            start, left, place = start + before, left - before, begins + piece_length
        feed(digest, segment, start, left)
        digests.append(digest.hexdigest())
    return sorted(digests)


def pull(options):
    root = options.root
    messages = corpus.mailbox(root, "u0001", options.messages)
    expected = sorted({message["sha256"] for message in messages})
    octets = sum(message["size"] for message in messages)
    rows = []
    with Server(root) as server:
        for name in options.names or peers.NAMES:
            client = peers.client(name, server, options)
            if client is None:
                rows.append((name, None, "not installed"))
                continue
            runs, count = [], ""
            try:
                for _ in range(options.runs):
                    folder = fresh(root, name)
                    client.prepare(folder)
                    runs.append(measure(client.argv(folder), client.env(folder), folder, server))
                    count = client.count(folder)
                    if name.startswith("mailplumb"):
                        found = stored_digests(folder)
                        count = "%d, every SHA-256 right" % len(found) if found == expected else "WRONG"
            except (RuntimeError, OSError) as error:
                rows.append((name, None, str(error).replace("\n", " ")[-300:]))
                continue
            rows.append((name, runs, count))
            print(name, ["%.2f" % run["wall"] for run in runs], "load %.1f" % os.getloadavg()[0], file=sys.stderr)
            if not options.keep:
                shutil.rmtree(os.path.join(root, "clients", name), ignore_errors=True)
    return table(rows, len(messages), octets)


def table(rows, count, octets):
    walls = {name: statistics.median(run["wall"] for run in runs) for name, runs, _ in rows if runs}
    lines = [
        "%d messages, %.1f MB." % (count, octets / 1e6), "",
        "| client | messages/s | × floor | wall s (median, range) | client CPU s | server CPU s | peak MiB | stored |",
        "|---|---|---|---|---|---|---|---|"]
    for name, runs, said in rows:
        if runs is None:
            lines.append("| %s | | | | | | | %s |" % (name, said))
            continue
        floor = walls.get("floor-" + ("pop3" if name.endswith("pop3") or name == "mpop" else "imap"))
        middle, ends = walls[name], [run["wall"] for run in runs]
        lines.append("| %s | %.0f | %s | %.2f (%.2f–%.2f) | %.2f | %.2f | %.1f | %s |" % (
            name, count / middle, "%.2f" % (floor / middle) if floor else "", middle, min(ends), max(ends),
            statistics.median(run["cpu"] for run in runs), statistics.median(run["server"] for run in runs),
            max(run["mib"] for run in runs), said))
    return lines


def large(options):
    root = options.root
    cases = {
        "one message of 150 MB": ("large1", lambda: corpus.huge(root, "large1", 150_000_000)),
        "100,000 messages": ("large2", lambda: corpus.many(root, "large2", 100_000)),
        "nested 1,000 deep": ("large3", lambda: corpus.nested(root, "large3", 1000)),
    }
    lines = ["| case | protocol | wall s | client CPU s | peak MiB | stored |", "|---|---|---|---|---|---|"]
    with Server(root) as server:
        for words, (user, make) in cases.items():
            expected = make()
            for protocol in ("imap", "pop3"):
                options.user = user
                client = peers.client("mailplumb-" + protocol, server, options)
                folder = fresh(root, "large")
                client.prepare(folder)
                run = measure(client.argv(folder), client.env(folder), folder, server)
                right = stored_digests(folder) == sorted(set(expected))
                said = "every SHA-256 right" if right else "WRONG"
                lines.append("| %s | %s | %.1f | %.1f | %.1f | %s |" % (
                    words, protocol, run["wall"], run["cpu"], run["mib"], said))
                print(lines[-1], file=sys.stderr)
                if not options.keep:
                    shutil.rmtree(folder, ignore_errors=True)
    return lines


def kind(options):
    """The heading of the table."""
    where = "tmpfs" if subprocess.run(["stat", "-f", "-c", "%T", options.root], capture_output=True,
                                      text=True).stdout.strip() == "tmpfs" else "disk"
    words = {"pull": "One mailbox, ", "large": "Large messages and mailboxes, ", "poll": "Nothing new, ",
             "ews": "Exchange Web Services, "}[options.what]
    return words + ("TLS" if options.tls else "clear text") + ", " + where


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["pull", "large", "poll", "ews"])
    parser.add_argument("names", nargs="*", help="of " + ", ".join(peers.NAMES))
    parser.add_argument("--binary", default="target/release/mailplumb")
    parser.add_argument("--root", default=os.path.join(tempfile.gettempdir(), "mailplumb-bench"))
    parser.add_argument("--messages", type=int, help="10000, for ews 5000")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--mailboxes", type=int, default=1000)
    parser.add_argument("--at-once", type=int, default=400, help="logins of the least client of poll")
    parser.add_argument("--poller", help="poll's client, if it is built already")
    parser.add_argument("--profile", help="the cargo profile that poll's client is built with")
    parser.add_argument("--write", action="store_true", help="also into docs/performance-incoming.md")
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--keep", action="store_true", help="leave what the clients wrote")
    options = parser.parse_intermixed_args()
    options.root, options.binary = os.path.abspath(options.root), os.path.abspath(options.binary)
    options.user = "u0001"
    options.messages = options.messages or (5000 if options.what == "ews" else 10_000)
    os.makedirs(options.root, exist_ok=True)
    if options.what == "poll" and not options.poller:
        options.poller = poll.poller(options.profile)
    for program in filter(None, (options.binary, options.poller)):
        as_installed(program)
    read, write = os.pipe()
    worker = os.fork()
    if worker == 0:
        # Only what starts servers and clients gives its rights away: the page is written by whoever has called.
        os.close(read)
        if options.what != "ews":  # which has no Dovecot
            become_nobody(options.root)
        work = {"pull": pull, "large": large, "poll": lambda options: poll.poll(options, fresh),
                "ews": lambda options: ews.ews(options, (fresh, measure, stored_digests))}
        with os.fdopen(write, "w") as out:
            out.write("\n".join(work[options.what](options)))
        return
    os.close(write)
    with os.fdopen(read) as out:
        lines = out.read().splitlines()
    _, status = os.waitpid(worker, 0)
    if status != 0 or not lines:
        raise SystemExit(1)
    print("\n".join(["", kind(options), ""] + lines))
    if options.write:
        page.put(kind(options), lines, options)


if __name__ == "__main__":
    # The interpreter of an account that others cannot look into does not load its parts any more afterwards.
    if os.getuid() == 0 and sys.executable != SYSTEM_PYTHON and os.access(SYSTEM_PYTHON, os.X_OK):
        os.execv(SYSTEM_PYTHON, [SYSTEM_PYTHON] + sys.argv)
    main()
