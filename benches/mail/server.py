"""A private Dovecot on loopback, as an unprivileged account, with and without TLS."""
import glob
import grp
import os
import pwd
import shutil
import socket
import subprocess
import time

CONFIGURATION = """\
base_dir = {root}/run
state_dir = {root}/state
log_path = {root}/dovecot.log
protocols = imap pop3
listen = 127.0.0.1
ssl = yes
ssl_cert = <{root}/server.pem
ssl_key = <{root}/server.key
disable_plaintext_auth = no
auth_mechanisms = plain login
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
first_valid_uid = 1
mail_access_groups =
mail_privileged_group =
mail_max_userip_connections = 4000
login_trusted_networks = 127.0.0.0/8
passdb {{
  driver = static
  args = password=bench
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={root}/home/%u
}}
mail_location = maildir:~/Maildir
namespace inbox {{
  inbox = yes
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
  client_limit = 5000
}}
service auth {{
  client_limit = 16000
}}
service imap {{
  process_limit = 2000
}}
service pop3 {{
  process_limit = 2000
}}
service imap-login {{
  chroot =
  process_min_avail = 2
  service_count = 0
  client_limit = 4000
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
  }}
}}
service pop3-login {{
  chroot =
  process_min_avail = 2
  service_count = 0
  client_limit = 4000
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = {pop3s}
  }}
}}
service auth-worker {{
  user = {user}
}}
protocol pop3 {{
  pop3_no_flag_updates = yes
}}
"""


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    def __init__(self, root):
        self.root = root
        self.ports = {name: _free_port() for name in ("imap", "imaps", "pop3", "pop3s")}

    def port(self, protocol, tls):
        return self.ports[protocol + ("s" if tls else "")]

    def _certificate(self):
        """One that is its own authority, for `localhost`."""
        if os.path.exists(self.root + "/server.pem"):
            return
        subprocess.check_call(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
             "-days", "3650", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
             "-addext", "basicConstraints=critical,CA:FALSE",
             "-keyout", self.root + "/server.key", "-out", self.root + "/server.pem"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def __enter__(self):
        for part in ("run", "state", "home"):
            os.makedirs(os.path.join(self.root, part), exist_ok=True)
        self._certificate()
        user, group = pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name
        path = os.path.join(self.root, "dovecot.conf")
        with open(path, "w") as file:
            file.write(CONFIGURATION.format(root=self.root, user=user, group=group, **self.ports))
        binary = shutil.which("dovecot") or "/usr/sbin/dovecot"
        self.process = subprocess.Popen([binary, "-F", "-c", path])
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", self.ports["imap"])).close()
                return self
            except OSError:
                time.sleep(0.1)
            except BaseException:
                self.process.terminate()
                raise
        self.process.terminate()
        raise SystemExit("Dovecot does not start: see %s/dovecot.log" % self.root)

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def cpu_seconds(self):
        """Of Dovecot and its children, those included that have ended."""
        total = 0
        for path in glob.glob("/proc/[0-9]*/stat"):
            try:
                text = open(path).read()
            except OSError:
                continue
            process, fields = int(text.split(" ", 1)[0]), text.rsplit(")", 1)[1].split()
            if self.process.pid in (process, int(fields[1])):
                total += sum(int(field) for field in fields[11:15])
        return total / os.sysconf("SC_CLK_TCK")
