# What a person does to folders in Outlook, one step for each further argument; prints what was found as one line of JSON.
import json, sys
from exchangelib import Account, BASIC, Configuration, Credentials, DELEGATE, Version
from exchangelib.protocol import BaseProtocol, NoVerifyHTTPAdapter
from exchangelib.version import EXCHANGE_2016

port, address, password, *steps = sys.argv[1:]
BaseProtocol.HTTP_ADAPTER_CLS = NoVerifyHTTPAdapter
config = Configuration(service_endpoint=f"https://localhost:{port}/EWS/Exchange.asmx", auth_type=BASIC,
                       credentials=Credentials(address, password), version=Version(build=EXCHANGE_2016))
account = Account(primary_smtp_address=address, config=config, autodiscover=False, access_type=DELEGATE)


def folder(path):
    found = account.inbox if path.startswith("Inbox") else account.msg_folder_root
    for name in path.split("/")[path.startswith("Inbox"):]:
        found = found / name
    return found


seen = []
for step in steps:
    verb, path, *to = step.split(" ")
    if verb == "rename":
        renamed = folder(path)
        renamed.name = to[0]
        renamed.save(update_fields=["name"])
    elif verb == "move":
        folder(path).move(folder(to[0]))
    elif verb == "delete":
        folder(path).delete()
    elif verb == "starting":
        seen = sorted(item.subject for item in account.inbox.filter(subject__startswith=path))
print(json.dumps(seen))
