#!/bin/sh
# Runs Courier's IMAP and POP3 servers, unpacked beside whatever mail server this machine has. Their paths are compiled in, so they
# get a mount namespace in which the unpacked files lie over /usr and /etc. Arguments: the unpacked packages, a scratch folder, an
# address, and the ports of IMAP, IMAPS, POP3 and POP3S.
set -eu
root=$1 scratch=$2 address=$3 imap=$4 imaps=$5 pop3=$6 pop3s=$7

# All of it ends with the first process of a namespace, which ends with this one.
if [ "${INSIDE:-no}" = no ]; then
  INSIDE=yes unshare -m -p --fork --kill-child sh "$0" "$@" &
  namespace=$!
  trap 'kill -KILL "$namespace"' TERM
  wait "$namespace"
  exit
fi

mount --make-rprivate /
mount -t tmpfs tmpfs "$scratch/over"
mkdir "$scratch/over/etc" "$scratch/over/work" "$scratch/over/run"
mount -t overlay overlay -o "lowerdir=$root/usr:/usr" /usr
mount -t overlay overlay -o "lowerdir=$root/etc:/etc,upperdir=$scratch/over/etc,workdir=$scratch/over/work" /etc
mount --bind "$scratch/over/run" /run
mkdir -p /run/courier/authdaemon
grep -q '^courier:' /etc/passwd || { echo 'courier:x:8:8::/:/bin/false' >>/etc/passwd; echo 'courier:x:8:' >>/etc/group; }
cp "$scratch/userdb" /etc/courier/userdb
chmod 600 /etc/courier/userdb
makeuserdb
cat >/etc/courier/authdaemonrc <<'END'
authmodulelist="authuserdb"
authmodulelistorig="authuserdb"
daemons=3
authdaemonvar=/run/courier/authdaemon
DEBUG_LOGIN=0
DEFAULTOPTIONS=""
LOGGEROPTS=""
END
/usr/lib/courier/courier-authlib/authdaemond &

set -a
COMMANDS=$scratch/commands
TLS_CERTFILE=$scratch/both.pem TLS_VERIFYPEER=NONE TLS_PROTOCOL=TLSv1.2++ COURIERTLS=/usr/bin/couriertls
IMAP_CAPABILITY="IMAP4rev1 UIDPLUS CHILDREN NAMESPACE THREAD=ORDEREDSUBJECT THREAD=REFERENCES SORT QUOTA IDLE"
IMAP_CAPABILITY_TLS="$IMAP_CAPABILITY AUTH=PLAIN"
IMAP_KEYWORDS=1 IMAP_ACL=0 IMAP_IDLE_TIMEOUT=60 IMAP_OBSOLETE_CLIENT=0 IMAP_USELOCKS=1 IMAP_ENHANCEDIDLE=0 IMAP_UMASK=022
POP3AUTH=LOGIN POP3AUTH_TLS="LOGIN PLAIN"
set +a

# What a client says after its login is kept, and then goes to the server. Its connection does not block, so `tee` would not do.
login=/usr/lib/courier/courier
cat >"$scratch/record.py" <<'END'
import os, select, subprocess, sys
kept = open(os.environ["COMMANDS"] + "/" + os.environ["AUTHENTICATED"] + "." + sys.argv[1], "ab", buffering=0)
server = subprocess.Popen(sys.argv[2:], stdin=subprocess.PIPE, bufsize=0)
try:
    while True:
        select.select([0], [], [])
        said = os.read(0, 65536)
        if not said:
            break
        kept.write(said)
        server.stdin.write(said)
except OSError:
    pass
server.stdin.close()
sys.exit(server.wait())
END
record() {
  printf '#!/bin/sh\nexec python3 %s %s %s "$@"\n' "$scratch/record.py" "$1" "$2" >"$scratch/$1.sh"
  chmod 755 "$scratch/$1.sh"
}
record imap /usr/bin/imapd
record pop3 "$login/courierpop3d"
imapd="$scratch/imap.sh Maildir"
pop3d="$scratch/pop3.sh Maildir"
tls="/usr/bin/couriertls -server -tcpd"
tcpd() { couriertcpd "-address=$address" -maxprocs=100 -maxperip=100 -nodnslookup -noidentlookup "$@" & }
IMAP_STARTTLS=YES IMAP_TLS_REQUIRED=1 tcpd "$imap" $login/imaplogin $imapd
IMAP_TLS=1 tcpd "$imaps" $tls $login/imaplogin $imapd
POP3_STARTTLS=YES POP3_TLS_REQUIRED=1 tcpd "$pop3" $login/courierpop3login $pop3d
POP3_TLS=1 tcpd "$pop3s" $tls $login/courierpop3login $pop3d
wait
