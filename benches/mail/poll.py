"""A thousand mailboxes with nothing new: their logins, and one look at each over sessions that stay logged in."""
import json
import os
import shutil
import subprocess
import sys

import corpus
from server import Server

HERE = os.path.dirname(os.path.abspath(__file__))
MANIFEST = """\
apiVersion: mailplumb/v1
kind: Organization
metadata: {{ name: bench }}
---
apiVersion: mailplumb/v1
kind: EmailServerProfile
metadata: {{ name: bench }}
spec:
  displayName: Dovecot
  owner: postmaster@example.com
  imapSmtp:
    {trust}
    incoming: {{ host: localhost, port: {port}, tls: {tls}, credentials: {{ mailbox: {{}} }} }}
  processing: {{ from: 2020-01-01T00:00:00Z, minPollingInterval: 0 }}
---
apiVersion: mailplumb/v1
kind: MailboxList
metadata: {{ name: people }}
spec:
  common:
    profile: bench
    incoming: server-side-sync
  users:
{users}
---
apiVersion: mailplumb/v1
kind: Secret
metadata: {{ name: bench }}
spec:
  values:
{values}
"""
USER = """\
    - name: {user}
      address: {user}@example.com
      approved: {user}@example.com
      credentials: {{ username: {user}, password: {{ secret: bench, key: {user} }} }}
"""


def poller(profile):
    """Builds the client that is measured; to be called by whoever owns the build folder."""
    words = ["cargo", "bench", "--bench", "poll", "--no-run", "--message-format", "json"]
    words += ["--profile", profile] if profile else []
    built = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout
    found = [json.loads(line) for line in built.splitlines() if line.startswith("{")]
    return [one["executable"] for one in found if one.get("target", {}).get("name") == "poll" and one.get("executable")][-1]


def site(options, server, folder):
    """An installation whose mailboxes were tested and read once."""
    users = ["p%04d" % (number + 1) for number in range(options.mailboxes)]
    for user in users:
        corpus.single(options.root, user)
    os.makedirs(folder + "/mail")
    shutil.copy(server.root + "/server.pem", folder + "/ca.pem")
    with open(folder + "/host.yaml", "w") as file:
        file.write("allowNonTlsEmail: true\nallowBasicOverPlaintext: true\n"
                   "trust: { bench: ca.pem }\nhosts: { localhost: 127.0.0.1 }\n")
    os.chmod(folder + "/host.yaml", 0o600)
    with open(folder + "/mail/mailplumb.yaml", "w") as file:
        file.write(MANIFEST.format(
            port=server.port("imap", options.tls), tls="implicit" if options.tls else "none",
            trust="trust: bench" if options.tls else "", users="".join(USER.format(user=user) for user in users),
            values="".join("    %s: { env: BENCH_PASSWORD }\n" % user for user in users)))
    env = {**os.environ, "HOME": folder, "BENCH_PASSWORD": "bench"}
    for words in (["apply", "--auto-approve", "--create"], ["sync"]):
        command = [options.binary, *words, "--host-config", folder + "/host.yaml", "--state", folder + "/state.db",
                   "--file", folder + "/mail"]
        done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError("%s exited %d: %s" % (words[0], done.returncode, done.stderr[-2000:]))
    return env


def poll(options, fresh):
    rows = []
    with Server(options.root) as server:
        tls = ["--tls", server.root + "/server.pem"] if options.tls else []
        port = str(server.port("imap", options.tls))
        folder = fresh(options.root, "poll")
        env = site(options, server, folder)
        for turn in range(options.runs):
            before = server.cpu_seconds()
            floor = subprocess.run([sys.executable, HERE + "/floor_poll.py", port, str(options.mailboxes),
                                    str(options.at_once)] + tls, check=True, stdout=subprocess.PIPE, text=True)
            between = server.cpu_seconds()
            ours = subprocess.run([options.poller, folder, "5"], env=env, check=True, stdout=subprocess.PIPE, text=True)
            after = server.cpu_seconds()
            found = json.loads(ours.stdout.splitlines()[-1])
            assert found["done"] == options.mailboxes and found["found"] == 0, ours.stdout
            rows.append((json.loads(floor.stdout), between - before, found, after - between))
            print("turn", turn + 1, rows[-1], "load %.1f" % os.getloadavg()[0], file=sys.stderr)
    return table(options.mailboxes, rows)


def median(numbers):
    numbers = sorted(numbers)
    return numbers[len(numbers) // 2]


def table(count, rows):
    floor_logins, floor_kept = (median(row[0][key] for row in rows) for key in ("logins", "kept"))
    logins, kept, cpu = (median(row[2][key] for row in rows) for key in ("logins", "kept", "keptCpu"))
    ratio = median(row[2]["logins"] / row[0]["logins"] for row in rows)
    server, server_ours = (median(row[place] for row in rows) for place in (1, 3))
    return [
        "| %d mailboxes | logins s | one look over kept sessions s | client CPU s of a look | peak MiB | server CPU s of all |" % count,
        "|---|---|---|---|---|---|",
        "| least client | %.2f | %.3f | | | %.2f |" % (floor_logins, floor_kept, server),
        "| mailplumb | %.2f (%.2f ×) | %.3f | %.3f | %.1f | %.2f |" % (
            logins, ratio, kept, cpu, max(row[2]["peakKib"] for row in rows) / 1024, server_ours),
    ]
