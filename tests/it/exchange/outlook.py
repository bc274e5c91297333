# What a person does with Outlook: gives a message the tracking category, and sends one that bears it.
import sys
from exchangelib import Account, BASIC, Configuration, Credentials, DELEGATE, Message, Version
from exchangelib.protocol import BaseProtocol, NoVerifyHTTPAdapter
from exchangelib.version import EXCHANGE_2016

port, address, password = sys.argv[1:4]
BaseProtocol.HTTP_ADAPTER_CLS = NoVerifyHTTPAdapter
config = Configuration(service_endpoint=f"https://localhost:{port}/EWS/Exchange.asmx", auth_type=BASIC,
                       credentials=Credentials(address, password), version=Version(build=EXCHANGE_2016))
account = Account(primary_smtp_address=address, config=config, autodiscover=False, access_type=DELEGATE)

item = account.inbox.get(subject="wanted")
item.categories = ["Tracked to CRM"]
item.save(update_fields=["categories"])
Message(account=account, folder=account.sent, subject="sent by exchangelib", body="hello",
        to_recipients=["boris@contoso.example"]).send_and_save()
sent = account.sent.get(subject="sent by exchangelib")
sent.categories = ["Tracked to CRM"]
sent.save(update_fields=["categories"])
