# Hears of new mail over a stream and reads the rules of an inbox with exchangelib; prints what it saw as one line of JSON.
import json, sys
from exchangelib import Account, BASIC, Configuration, Credentials, DELEGATE, Message, Version
from exchangelib.properties import NewMailEvent
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
seen = {"rules": [[rule.display_name, rule.is_enabled, [to.email_address for to in
                   rule.actions.forward_as_attachment_to_recipients]] for rule in account.rules]}
with account.inbox.streaming_subscription() as subscription:
    Message(account=account, subject="told of", body="hello", to_recipients=[address]).send()
    stream = account.inbox.get_streaming_events(subscription, connection_timeout=1, max_notifications_returned=1)
    seen["events"] = [type(event).__name__ for told in stream for event in told.events if isinstance(event, NewMailEvent)]
seen["left"] = account.inbox.filter(subject="told of").count()
try:
    account.inbox.filter(subject__contains="told").count()
    seen["unknown"] = "answered"
except Exception as error:
    seen["unknown"] = type(error).__name__
print(json.dumps(seen))
