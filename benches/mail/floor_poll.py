"""The least that it takes to look at many mailboxes with nothing new in them.

    floor_poll.py PORT MAILBOXES AT-ONCE [--tls CERTIFICATE]

First a login and a look at each inbox, as many at once as said; then one NOOP on each of the open sessions. Prints the
seconds of both, as JSON.
"""
import asyncio
import json
import ssl
import sys
import time

port, count, at_once = (int(word) for word in sys.argv[1:4])
context = ssl.create_default_context(cafile=sys.argv[-1]) if "--tls" in sys.argv else None
turns = asyncio.Semaphore(at_once)


async def ask(session, tag, words):
    reader, writer = session
    writer.write(tag + b" " + words + b"\r\n")
    while not (line := await reader.readline()).startswith(tag + b" "):
        assert line
    assert b" OK" in line, line


async def enter(user):
    async with turns:
        session = await asyncio.open_connection(
            "127.0.0.1", port, ssl=context, server_hostname="localhost" if context else None)
        await session[0].readline()
        await ask(session, b"a", b"LOGIN %s bench" % user.encode())
        await ask(session, b"b", b"EXAMINE INBOX")
        return session


async def main():
    began = time.perf_counter()
    sessions = await asyncio.gather(*(enter("p%04d" % (number + 1)) for number in range(count)))
    logins = time.perf_counter() - began
    rounds = []
    for _ in range(5):
        began = time.perf_counter()
        await asyncio.gather(*(ask(session, b"n", b"NOOP") for session in sessions))
        rounds.append(time.perf_counter() - began)
    print(json.dumps({"logins": logins, "kept": sorted(rounds)[2]}), flush=True)
    for _, writer in sessions:
        writer.close()

asyncio.run(main())
