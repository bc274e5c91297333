"""Mailboxes as Maildirs, the same ones for the same arguments, with the SHA-256 that each message has on the wire."""
import base64
import hashlib
import json
import math
import os
import random
import shutil

WORDS = ("invoice meeting order account support ticket project contract delivery quarter customer update review "
         "größe naïve façade Привет 日本語 budget campaign lead please find attached regards thanks team").split()


def _maildir(root, user):
    folder = os.path.join(root, "home", user, "Maildir")
    for part in ("cur", "new", "tmp"):
        os.makedirs(os.path.join(folder, part), exist_ok=True)
    return os.path.join(folder, "cur")


def _kept(root, user, key):
    """What an earlier run with the same arguments has written, or nothing."""
    path = os.path.join(root, "home", user, "manifest.json")
    try:
        with open(path) as file:
            kept = json.load(file)
    except OSError:
        return None
    if kept["key"] == key:
        return kept["messages"]
    shutil.rmtree(os.path.join(root, "home", user))
    return None


def _keep(root, user, key, messages):
    with open(os.path.join(root, "home", user, "manifest.json"), "w") as file:
        json.dump({"key": key, "messages": messages}, file)


def _write(folder, number, text):
    """`text` has LF line ends on the disk, CRLF on the wire."""
    wire = len(text) + text.count(b"\n")
    path = os.path.join(folder, "%010d.M%06dP1.bench,S=%d,W=%d:2," % (1767607200 + number, number, len(text), wire))
    with open(path, "wb") as file:
        file.write(text)
    return {"size": wire, "sha256": hashlib.sha256(text.replace(b"\n", b"\r\n")).hexdigest()}


def _quoted(text):
    lines = []
    for line in text.split("\n"):
        current = ""
        for byte in line.encode():
            piece = chr(byte) if 32 <= byte <= 126 and byte != 61 else "=%02X" % byte
            if len(current) + len(piece) > 75:
                lines.append(current + "=")
                current = ""
            current += piece
        lines.append(current)
    return "\n".join(lines)


def _prose(rng, octets, dots):
    lines, size = [], 0
    while size < octets:
        line = " ".join(rng.choice(WORDS) for _ in range(rng.randint(6, 12)))
        if dots and rng.random() < 0.1:
            line = rng.choice([".", "..", "...", ". " + line, "." + line])
        lines.append(line)
        size += len(line.encode()) + 2
    return "\n".join(lines)


def _message(rng, number, octets, ids):
    """Text as quoted-printable or 8bit, alternatives with HTML, or an attachment; some ids twice, some missing."""
    identity, luck = "<%06d.%08x@corpus.example>" % (number, rng.getrandbits(32)), rng.random()
    if luck < 0.01 and ids:
        identity = rng.choice(ids)
    ids.append(identity)
    header = ["Received: from mx%d.example.net by mail.example.com; Mon, 05 Jan 2026 10:%02d:%02d +0000"
              % (number % 9, number // 60 % 60, number % 60),
              "From: Sender %d <sender%d@example.org>" % (number % 97, number % 97),
              "To: User One <u0001@example.com>",
              "Subject: Message %d about %s" % (number, rng.choice(WORDS[:12])),
              "Date: Mon, 05 Jan 2026 10:%02d:%02d +0000" % (number // 60 % 60, number % 60),
              "MIME-Version: 1.0"]
    if not 0.01 <= luck < 0.02:
        header.append("Message-ID: " + identity)
    dots, kind, boundary = number % 20 == 0, rng.random(), "=_%016x" % rng.getrandbits(64)
    if kind < 0.45:
        header += ["Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: quoted-printable"]
        return header, _quoted(_prose(rng, int(octets * 0.75), dots))
    if kind < 0.5:
        header += ["Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 8bit"]
        return header, _prose(rng, octets, dots)
    text = _quoted(_prose(rng, int(octets * 0.2), dots))
    if kind < 0.75:
        header.append('Content-Type: multipart/alternative; boundary="%s"' % boundary)
        html = _quoted("<p>" + _prose(rng, int(octets * 0.5), False).replace("\n", "</p>\n<p>") + "</p>")
        second = ("text/html; charset=utf-8", "quoted-printable", html)
    else:
        header.append('Content-Type: multipart/mixed; boundary="%s"' % boundary)
        data = base64.encodebytes(rng.randbytes(max(100, int((octets - len(text)) * 0.72)))).decode().rstrip("\n")
        second = ('application/octet-stream; name="file%d.bin"' % number, "base64", data)
    parts = [("text/plain; charset=utf-8", "quoted-printable", text), second]
    body = "".join("--%s\nContent-Type: %s\nContent-Transfer-Encoding: %s\n\n%s\n" % ((boundary,) + part)
                   for part in parts)
    return header, body + "--%s--" % boundary


def mailbox(root, user, count):
    """Log-normal sizes from 2 to 205 kB with a mean of 22 kB."""
    key = "mailbox %d" % count
    kept = _kept(root, user, key)
    if kept:
        return kept
    folder, rng, ids, messages = _maildir(root, user), random.Random(1), [], []
    for number in range(1, count + 1):
        octets = min(200 * 1024, max(2048, int(rng.lognormvariate(math.log(12 * 1024), 1.2))))
        header, body = _message(rng, number, octets, ids)
        messages.append(_write(folder, number, ("\n".join(header) + "\n\n" + body + "\n").encode()))
    _keep(root, user, key, messages)
    return messages


def _digests(root, user, key, texts):
    kept = _kept(root, user, key)
    if kept is None:
        folder = _maildir(root, user)
        kept = [_write(folder, number, text) for number, text in enumerate(texts())]
        _keep(root, user, key, kept)
    return [message["sha256"] for message in kept]


def single(root, user):
    """A mailbox with one message."""
    text = b"From: a@example.org\nSubject: one\nMessage-ID: <%s@example.org>\n\nhello\n" % user.encode()
    _digests(root, user, "single", lambda: [text])


def huge(root, user, octets):
    """One message of so many octets, of lines that all differ."""
    def texts():
        head = b"From: a@example.org\nSubject: large\nMessage-ID: <large@example.org>\n\n"
        lines = (b"%09d %s\n" % (number, b"x" * 65) for number in range(octets // 77))
        yield head + b"".join(lines)
    return _digests(root, user, "huge %d" % octets, texts)


def many(root, user, count):
    text = b"From: a@example.org\nSubject: number %d\nMessage-ID: <%d@example.org>\n\nhello\n"
    return _digests(root, user, "many %d" % count, lambda: (text % (n, n) for n in range(count)))


def nested(root, user, depth):
    """A multipart within a multipart, and so on; a message within a message, and so on."""
    def texts():
        head = b"From: a@example.org\nSubject: nested\n"
        kind = b'Content-Type: multipart/mixed; boundary="b%d"\n\n--b%d\n'
        yield head + b"".join(kind % (n, n) for n in range(depth)) + b"\ninside\n"
        yield head + b"Content-Type: message/rfc822\n\nSubject: inner\n" * depth + b"\ninside\n"
    return _digests(root, user, "nested %d" % depth, texts)
