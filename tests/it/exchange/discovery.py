# Finds a mailbox with exchangelib's own Autodiscover, and prints where it is and what is in it.
import socket, sys
import dns.resolver
from exchangelib import Account, BASIC, Configuration, Credentials, DELEGATE
from exchangelib.autodiscover import Autodiscovery
from exchangelib.protocol import BaseProtocol, NoVerifyHTTPAdapter

port, address, password, known = sys.argv[1:5]
BaseProtocol.HTTP_ADAPTER_CLS = NoVerifyHTTPAdapter
names = {known, "mail.contoso.example"}


def resolve(self, name, kind, **_):
    if kind == "A" and str(name).rstrip(".") in names:
        return ["127.0.0.1"]
    raise dns.resolver.NXDOMAIN


dns.resolver.Resolver.resolve = resolve
looked_up = socket.getaddrinfo


def getaddrinfo(host, wanted, *rest, **more):
    if host in names:
        if int(wanted) != 443:
            raise ConnectionRefusedError
        return looked_up("127.0.0.1", int(port), *rest, **more)
    raise socket.gaierror(socket.EAI_NONAME, "unknown")


socket.getaddrinfo = getaddrinfo
account = Account(address, credentials=Credentials(address, password), autodiscover=True, access_type=DELEGATE)
print(account.protocol.service_endpoint, *[item.subject for item in account.inbox.all().only("subject")])
