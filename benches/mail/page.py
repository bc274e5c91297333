"""The page of figures: each kind of table has its place there, and is replaced by the next one of its kind."""
import os
import subprocess
import time

PAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "performance-incoming.md")
HEAD = """\
# How fast incoming mail is

Written by `benches/mail/bench.py … --write`; do not edit. The commands, after `cargo build --release`:

```sh
benches/mail/bench.py pull --write --root /dev/shm/bench        # one mailbox, without the disk; --tls for TLS
benches/mail/bench.py pull --write --root /var/tmp/bench        # the same on a disk
benches/mail/bench.py large --write --root /dev/shm/bench       # memory for large messages and mailboxes
benches/mail/bench.py poll --write --root /dev/shm/bench        # a thousand mailboxes with nothing new
benches/mail/bench.py ews --write --root /dev/shm/bench         # Exchange Web Services
```

The corpus is the same each time (10,000 messages of 2 to 205 kB), the server is a Dovecot of its own on loopback, and the
SHA-256 of every stored message is compared with the corpus. A program that is not installed appears as missing. The *floor* asks
ahead, reads and drops the octets. `mailplumb` has parsed the headers and the structure, hashed and deduplicated each
message, and made it durable together with the cursor. Compare rows of one table only.
"""
KINDS = ("Exchange Web Services, ", "One mailbox, ", "Large messages and mailboxes, ", "Nothing new, ")
TOOLS = {"mbsync": "isync", "mpop": "mpop", "fetchmail": "fetchmail", "getmail": "getmail6", "dovecot": "dovecot-core"}


def versions():
    found = []
    for name, package in TOOLS.items():
        shown = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], capture_output=True, text=True).stdout
        if shown:
            found.append("%s %s" % (name, shown))
    return ", ".join(found)


def read():
    """Heading → text of each table of the page."""
    try:
        with open(PAGE) as file:
            text = file.read()
    except OSError:
        return {}
    sections = (section.partition("\n") for section in text.split("\n## ")[1:])
    return {heading: body for heading, _, body in sections if heading.startswith(KINDS)}


def put(heading, lines, options):
    cpu = "%d cores" % os.cpu_count()
    how = "%s, %d runs, load %.1f, %s; %s." % (time.strftime("%Y-%m-%d"), options.runs, os.getloadavg()[0], cpu, versions())
    sections = read()
    sections[heading] = "\n" + "\n".join([how, ""] + lines) + "\n"
    with open(PAGE, "w") as file:
        file.write(HEAD + "".join("\n## %s\n%s\n" % (heading, body.rstrip("\n"))
                                  for heading, body in sorted(sections.items())))
