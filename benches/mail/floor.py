"""The least that a client must do: one connection, requests sent ahead, octets read and dropped.

    floor.py imap|pop3 PORT USER [--tls CERTIFICATE]
"""
import re
import socket
import ssl
import sys

protocol, port, user = sys.argv[1:4]
link = socket.create_connection(("127.0.0.1", int(port)))
link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
if "--tls" in sys.argv:
    link = ssl.create_default_context(cafile=sys.argv[-1]).wrap_socket(link, server_hostname="localhost")


def imap():
    file, count = link.makefile("rb", buffering=1 << 20), 0
    file.readline()
    for tag, words in ((b"a", b"LOGIN %s bench" % user.encode()), (b"b", b"EXAMINE INBOX")):
        link.sendall(tag + b" " + words + b"\r\n")
        while not file.readline().startswith(tag + b" OK"):
            pass
    link.sendall(b"c UID FETCH 1:* (UID BODY.PEEK[])\r\n")
    literal = re.compile(rb"\* \d+ FETCH .*BODY\[\] \{(\d+)\}\r\n")
    while True:
        line = file.readline()
        found = literal.match(line)
        if found:
            file.read(int(found[1]))
            file.readline()
            count += 1
        elif line.startswith(b"c "):
            return count


def pop3():
    file = link.makefile("rb", buffering=1 << 16)
    file.readline()
    for words in (b"USER " + user.encode(), b"PASS bench"):
        link.sendall(words + b"\r\n")
        assert file.readline().startswith(b"+OK")
    link.sendall(b"STAT\r\n")
    total = int(file.readline().split()[1])
    held, sent, count, place = bytearray(), 0, 0, 0
    while count < total:
        if sent - count < 32 and sent < total:
            top = min(total, count + 64)
            link.sendall(b"".join(b"RETR %d\r\n" % (number + 1) for number in range(sent, top)))
            sent = top
        end = held.find(b"\r\n.\r\n", place)
        if end < 0:
            # Without what is behind it: the end of a message may be cut.
            del held[:max(0, len(held) - 4)]
            place = 0
            held += link.recv(1 << 18)
            continue
        # Unstuffing is part of the least.
        bytes(held[place:end]).replace(b"\r\n..", b"\r\n.")
        place, count = end + 5, count + 1
    return total


print({"imap": imap, "pop3": pop3}[protocol]())
