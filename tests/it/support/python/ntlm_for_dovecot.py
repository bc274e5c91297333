"""Verifies NTLM for Dovecot, as Samba's `ntlm_auth --helper-protocol=squid-2.5-ntlmssp` would, with pyspnego.

Standard input: `YR <message>` begins a login, `KK <message>` ends it. Answers: `TT <challenge>`, `AF <user>`, `NA <reason>`.
NTLM_USER_FILE names the accounts.
"""

import base64
import sys

import spnego

context = None
for line in sys.stdin:
    command, _, text = line.strip().partition(" ")
    try:
        if command == "YR":
            context = spnego.server(protocol="ntlm", options=spnego.NegotiateOptions.use_ntlm)
            answer = "TT " + base64.b64encode(context.step(base64.b64decode(text))).decode()
        elif command == "KK":
            context.step(base64.b64decode(text))
            answer = "AF " + context.client_principal.split("\\")[-1]
        else:
            answer = "BH what?"
    except Exception as error:  # whatever is wrong with a login refuses it
        answer = f"NA {type(error).__name__}"
    print(answer, flush=True)
