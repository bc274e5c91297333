# Works in a mailbox with exchangelib, and prints what it saw as one line of JSON.
import json, sys
from exchangelib import (Account, BASIC, Configuration, Credentials, DELEGATE, FileAttachment, Folder, Message, Version)
from exchangelib.protocol import BaseProtocol, NoVerifyHTTPAdapter
from exchangelib.version import EXCHANGE_2016

port, address, password = sys.argv[1:4]
BaseProtocol.HTTP_ADAPTER_CLS = NoVerifyHTTPAdapter
config = Configuration(
    service_endpoint=f"https://localhost:{port}/EWS/Exchange.asmx",
    credentials=Credentials(address, password),
    auth_type=BASIC,
    version=Version(build=EXCHANGE_2016),
)
account = Account(primary_smtp_address=address, config=config, autodiscover=False, access_type=DELEGATE)
seen = {"inbox_before": [item.subject for item in account.inbox.all().only("subject")]}

message = Message(account=account, folder=account.sent, subject="sent by exchangelib", body="hello",
                  to_recipients=[address])
message.send_and_save()
seen["synced"] = sum(1 for kind, _ in account.inbox.sync_items() if kind == "create")

item = account.inbox.get(subject="sent by exchangelib")
item.categories = ["Tracked"]
item.is_read = True
item.save(update_fields=["categories", "is_read"])
item.attach(FileAttachment(name="a.txt", content=b"attached"))
item = account.inbox.get(subject="sent by exchangelib")
seen["categories"] = item.categories
seen["is_read"] = item.is_read
seen["file"] = item.attachments[0].content.decode()

folder = Folder(parent=account.inbox, name="Undeliverable")
folder.save()
item = account.inbox.get(subject="sent by exchangelib")
item.move(folder)
seen["moved"] = folder.all().count()
list(folder.all())[0].move(account.inbox)
print(json.dumps(seen))
