"""The clients that are compared: how each is set up, called and counted."""
import os
import shutil
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
NAMES = ["floor-imap", "mailplumb-imap", "mbsync", "fetchmail-imap", "getmail6-imap",
         "floor-pop3", "mailplumb-pop3", "mpop", "fetchmail-pop3", "getmail6-pop3"]


def client(name, server, options):
    """`None`: it is not installed."""
    kind, protocol = (name.split("-") + [""])[:2]
    make = {"floor": Floor, "mailplumb": Mailplumb, "mbsync": Mbsync, "mpop": Mpop, "fetchmail": Fetchmail,
            "getmail6": Getmail}[kind]
    protocol = protocol or {"mbsync": "imap", "mpop": "pop3"}[kind]
    made = make(protocol, server.port(protocol, options.tls), server, options)
    return made if shutil.which(made.program()) else None


def write(path, text):
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, 0o600)
    return path


def count_maildir(folder):
    parts = [os.path.join(folder, part) for part in ("cur", "new")]
    return sum(len(os.listdir(part)) for part in parts if os.path.isdir(part))


class Client:
    def __init__(self, protocol, port, server, options):
        self.protocol, self.port, self.server, self.options = protocol, port, server, options

    def env(self, folder):
        return {"HOME": folder}

    def count(self, folder):
        return ""


class Floor(Client):
    """The least that a client must do: ask ahead, read, and drop the octets."""

    def program(self):
        return sys.executable

    def prepare(self, folder):
        pass

    def argv(self, folder):
        tls = ["--tls", self.server.root + "/server.pem"] if self.options.tls else []
        return [sys.executable, os.path.join(HERE, "floor.py"), self.protocol, str(self.port), self.options.user] + tls


class Mailplumb(Client):
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
  {section}:
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
    - name: bench
      address: {user}@example.com
      approved: {user}@example.com
      credentials: {{ username: {user}, password: {{ secret: bench, key: it }} }}
---
apiVersion: mailplumb/v1
kind: Secret
metadata: {{ name: bench }}
spec:
  values: {{ it: {{ env: BENCH_PASSWORD }} }}
"""

    def program(self):
        return self.options.binary

    def command(self, folder, *words):
        return [self.options.binary, *words, "--host-config", folder + "/host.yaml",
                "--state", folder + "/state/state.db", "--file", folder + "/mail"]

    def env(self, folder):
        return {"HOME": folder, "BENCH_PASSWORD": "bench"}

    def prepare(self, folder):
        import subprocess
        os.makedirs(folder + "/mail")
        shutil.copy(self.server.root + "/server.pem", folder + "/ca.pem")
        write(folder + "/host.yaml", "allowNonTlsEmail: true\nallowBasicOverPlaintext: true\n"
              "trust: { bench: ca.pem }\nhosts: { localhost: 127.0.0.1 }\n")
        write(folder + "/mail/mailplumb.yaml", self.MANIFEST.format(
            section={"imap": "imapSmtp", "pop3": "pop3Smtp"}[self.protocol], port=self.port,
            tls="implicit" if self.options.tls else "none", trust="trust: bench" if self.options.tls else "",
            user=self.options.user))
        done = subprocess.run(self.command(folder, "apply", "--auto-approve", "--create"), env={**os.environ, **self.env(folder)},
                              stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError("apply exited %d: %s%s" % (done.returncode, done.stdout[-500:], done.stderr[-2000:]))

    def argv(self, folder):
        return self.command(folder, "sync", "bench")


class Mbsync(Client):
    def program(self):
        return "mbsync"

    def prepare(self, folder):
        os.makedirs(folder + "/mail")
        tls = "SSLType IMAPS\nSSLVersions TLSv1.3 TLSv1.2\nCertificateFile %s/server.pem" % self.server.root
        write(folder + "/rc", """
IMAPAccount b
Host {host}
Port {port}
User {user}
Pass bench
{tls}
AuthMechs LOGIN

IMAPStore far
Account b

MaildirStore near
Path {folder}/mail/
Inbox {folder}/mail/INBOX

Channel c
Far :far:
Near :near:
Patterns INBOX
Sync Pull New Flags
Create Near
SyncState *
""".format(folder=folder, port=self.port, user=self.options.user,
           host="localhost" if self.options.tls else "127.0.0.1", tls=tls if self.options.tls else "SSLType None"))

    def argv(self, folder):
        return ["mbsync", "-q", "-c", folder + "/rc", "c"]

    def count(self, folder):
        return count_maildir(folder + "/mail/INBOX")


class Mpop(Client):
    def program(self):
        return "mpop"

    def prepare(self, folder):
        for part in ("cur", "new", "tmp"):
            os.makedirs(folder + "/md/" + part)
        tls = "tls on\ntls_starttls off\ntls_trust_file %s/server.pem" % self.server.root
        write(folder + "/rc", "account b\nhost {host}\nport {port}\nuser {user}\npassword bench\nauth user\n{tls}\n"
              "pipelining on\nkeep on\nonly_new off\nuidls_file {folder}/uidls\ndelivery maildir {folder}/md\n".format(
                  folder=folder, port=self.port, user=self.options.user,
                  host="localhost" if self.options.tls else "127.0.0.1",
                  tls=tls if self.options.tls else "tls off"))

    def argv(self, folder):
        return ["mpop", "-Q", "-C", folder + "/rc", "b"]

    def count(self, folder):
        return count_maildir(folder + "/md")


class Fetchmail(Client):
    """Delivers into one file: the fastest of its ways."""

    def program(self):
        return "fetchmail"

    def prepare(self, folder):
        tls = "ssl sslproto \"tls1.2+\" sslcertfile \"%s/server.pem\"" % self.server.root
        write(folder + "/rc", 'set no bouncemail\nset no syslog\npoll localhost protocol {protocol} port {port}\n'
              ' user "{user}" password "bench" is mail here keep fetchall {tls} bsmtp "{folder}/out"\n'.format(
                  protocol=self.protocol, port=self.port, user=self.options.user, folder=folder,
                  tls=tls if self.options.tls else 'sslproto ""'))

    def env(self, folder):
        return {"HOME": folder, "FETCHMAILHOME": folder}

    def argv(self, folder):
        return ["fetchmail", "-s", "-f", folder + "/rc", "--nodetach", "--idfile", folder + "/ids",
                "--pidfile", folder + "/pid"]

    def count(self, folder):
        with open(folder + "/out", "rb") as file:
            return sum(line.startswith(b"RCPT TO") for line in file)


class Getmail(Client):
    def program(self):
        return "getmail"

    def prepare(self, folder):
        for part in ("cur", "new", "tmp"):
            os.makedirs(folder + "/md/" + part)
        os.makedirs(folder + "/.getmail")
        kind = {"imap": "SimpleIMAP", "pop3": "SimplePOP3"}[self.protocol]
        write(folder + "/.getmail/rc", """[retriever]
type = {kind}{ssl}Retriever
server = localhost
port = {port}
username = {user}
password = bench
{mailboxes}
[destination]
type = Maildir
path = {folder}/md/
[options]
read_all = true
delete = false
verbose = 0
""".format(kind=kind, ssl="SSL" if self.options.tls else "", port=self.port, user=self.options.user, folder=folder,
           mailboxes="mailboxes = ('INBOX',)" if self.protocol == "imap" else ""))

    def argv(self, folder):
        return ["getmail", "-q", "--getmaildir", folder + "/.getmail", "--rcfile", "rc"]

    def count(self, folder):
        return count_maildir(folder + "/md")
