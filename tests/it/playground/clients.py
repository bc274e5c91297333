"""Drives the playground with the mail clients of Python's standard library, over TLS with the authority verified.

usage: clients.py CA_FILE HOST POP3 POP3S IMAP IMAPS SMTP SMTPS CASE
"""

import email.message
import email
import email.policy
import imaplib
import poplib
import smtplib
import ssl
import sys

CA_FILE, HOST = sys.argv[1:3]
POP3, POP3S, IMAP, IMAPS, SMTP, SMTPS = map(int, sys.argv[3:9])
CONTEXT = ssl.create_default_context(cafile=CA_FILE)
ANNA = ("anna", 's3cret "\\ pass')


def refused(kind, what, *arguments):
    try:
        what(*arguments)
    except kind as error:
        return str(error)
    raise AssertionError(f"{what} was not refused")


def pop3(tls):
    if tls:
        box = poplib.POP3_SSL(HOST, POP3S, context=CONTEXT, timeout=20)
    else:
        box = poplib.POP3(HOST, POP3, timeout=20)
        assert "STLS" in box.capa() and "USER" not in box.capa()
        assert "TLS" in refused(poplib.error_proto, box.user, "anna")
        box.stls(CONTEXT)
        assert "STLS" not in box.capa()
    assert "USER" in box.capa()
    box.user("anna")
    assert "[AUTH]" in refused(poplib.error_proto, box.pass_, "wrong")
    box.user(ANNA[0])
    box.pass_(ANNA[1])
    return box


def imap(tls):
    if tls:
        box = imaplib.IMAP4_SSL(HOST, IMAPS, ssl_context=CONTEXT, timeout=20)
    else:
        box = imaplib.IMAP4(HOST, IMAP, timeout=20)
        assert "LOGINDISABLED" in box.capabilities
        assert "PRIVACYREQUIRED" in refused(imaplib.IMAP4.error, box.login, *ANNA)
        box.starttls(CONTEXT)
        assert "LOGINDISABLED" not in box.capabilities
    assert "AUTHENTICATIONFAILED" in refused(imaplib.IMAP4.error, box.login, "anna", "wrong")
    return box


def smtp(tls):
    if tls:
        relay = smtplib.SMTP_SSL(HOST, SMTPS, context=CONTEXT, timeout=20)
    else:
        relay = smtplib.SMTP(HOST, SMTP, timeout=20)
        relay.ehlo("client.example.test")
        assert not relay.has_extn("auth")
        relay.starttls(context=CONTEXT)
    relay.ehlo("client.example.test")
    assert relay.has_extn("auth") and relay.has_extn("8bitmime") and relay.has_extn("smtputf8")
    assert "5.7.8" in refused(smtplib.SMTPAuthenticationError, relay.login, "anna", "wrong")
    return relay


def octets(lines):
    return b"\r\n".join(lines) + b"\r\n"


def case_pop3():
    box = pop3(tls=True)
    count, size = box.stat()
    listing = [line.split() for line in box.list()[1]]
    uidls = [line.split()[1] for line in box.uidl()[1]]
    assert count == 3 == len(listing) == len(set(uidls)), (count, listing, uidls)
    assert size == sum(int(octets_) for _, octets_ in listing)
    assert octets(box.retr(1)[1]) == b"Subject: one\r\n\r\nfirst\r\n"
    dotted = octets(box.retr(2)[1])
    assert dotted == b"Subject: two\r\n\r\n.\r\n..two dots\r\nend\r\n", dotted
    assert octets(box.top(2, 1)[1]) == b"Subject: two\r\n\r\n.\r\n"
    assert "no such message" in refused(poplib.error_proto, box.retr, 4)
    box.dele(1)
    assert "no such message" in refused(poplib.error_proto, box.retr, 1)
    assert [line.split()[0] for line in box.list()[1]] == [b"2", b"3"]
    box.rset()
    assert box.stat()[0] == 3
    box.dele(3)
    # The connection breaks: nothing is deleted.
    box.sock.close()
    box.file.close()

    box = pop3(tls=False)
    assert box.stat()[0] == 3
    box.dele(1)
    box.quit()

    box = pop3(tls=True)
    assert [line.split()[1] for line in box.uidl()[1]] == uidls[1:]
    box.quit()


def case_imap():
    box = imap(tls=False)
    box.login(*ANNA)
    assert box.list()[1] == [b'(\\HasNoChildren) "/" INBOX', b'(\\HasNoChildren) "/" Sent']
    assert box.status("INBOX", "(MESSAGES UIDNEXT UNSEEN)")[1] == [b"INBOX (MESSAGES 3 UIDNEXT 4 UNSEEN 3)"]
    assert box.select("INBOX", readonly=True)[1] == [b"3"]
    raw = box.uid("FETCH", "2", "(UID RFC822.SIZE BODY[])")[1][0][1]
    assert raw == b"Subject: two\r\n\r\n.\r\n..two dots\r\nend\r\n", raw
    assert box.uid("STORE", "1", "+FLAGS", "(\\Deleted)")[0] == "NO"

    assert box.select("INBOX")[0] == "OK"
    assert box.uid("FETCH", "1:*", "(FLAGS)")[1][0] == b"1 (UID 1 FLAGS ())"
    header = box.fetch("1", "(BODY.PEEK[HEADER])")[1][0][1]
    assert header == b"Subject: one\r\n\r\n", header
    assert imaplib.ParseFlags(box.uid("FETCH", "1", "(FLAGS)")[1][0]) == ()
    box.fetch("1", "(BODY[TEXT])")
    assert imaplib.ParseFlags(box.uid("FETCH", "1", "(FLAGS)")[1][0]) == (b"\\Seen",)
    assert box.uid("SEARCH", None, "UNSEEN", "SINCE", "1-Jan-2020")[1] == [b"2 3"]
    assert box.uid("SEARCH", None, "UID", "9:*")[1] == [b"3"]
    assert box.search(None, "SUBJECT", '"two"')[1] == [b"2"]
    assert imaplib.Internaldate2tuple(box.fetch("1", "(INTERNALDATE)")[1][0]) is not None

    sent = b"Subject: appended\r\n\r\nwith a literal\r\n"
    typ, answer = box.append("Sent", "(\\Seen)", '"05-Mar-2026 10:00:00 +0100"', sent)
    assert typ == "OK" and b"APPENDUID" in answer[0], answer
    box.select("Sent")
    typ, parts = box.uid("FETCH", "1", "(FLAGS INTERNALDATE BODY.PEEK[])")
    assert b'" 5-Mar-2026 09:00:00 +0000"' in parts[0][0] and parts[0][1] == sent, parts

    box.select("INBOX")
    box.uid("STORE", "1,3", "+FLAGS.SILENT", "(\\Deleted)")
    box.uid("EXPUNGE", "3")
    assert box.uid("SEARCH", None, "ALL")[1] == [b"1 2"]
    box.expunge()
    assert box.uid("SEARCH", None, "ALL")[1] == [b"2"]
    refused(imaplib.IMAP4.error, box.fetch, "2", "(FLAGS)")
    refused(imaplib.IMAP4.error, box.fetch, "1", "(NONSENSE)")
    box.close()
    box.logout()

    box = imap(tls=True)
    box.authenticate("PLAIN", lambda _: b"\0" + ANNA[0].encode() + b"\0" + ANNA[1].encode())
    assert box.select("INBOX")[1] == [b"1"]
    box.logout()


def case_smtp():
    message = email.message.EmailMessage(policy=email.policy.SMTP)
    message["From"], message["To"] = "anna@example.test", "boris@example.test"
    message["Subject"], message["Message-ID"] = "Grüße", "<1@example.test>"
    message.set_content("Guten Tag\n.\n..\nEnde ä\n", cte="8bit")
    for tls in (False, True):
        relay = smtp(tls)
        relay.login(*ANNA)
        to = ["boris@example.test", "nobody@example.test", "far@away.test"]
        # smtplib does not declare 8-bit content by itself.
        assert "8BITMIME" in refused(smtplib.SMTPDataError, relay.send_message, message, None, to)
        refused_ = relay.send_message(message, None, to, mail_options=["BODY=8BITMIME"])
        assert set(refused_) == {"nobody@example.test"} and refused_["nobody@example.test"][0] == 550, refused_
        relay.quit()

    box = imaplib.IMAP4_SSL(HOST, IMAPS, ssl_context=CONTEXT, timeout=20)
    box.login("boris", "b")
    assert box.select("INBOX")[1] == [b"2"]
    raw = box.fetch("2", "(BODY.PEEK[])")[1][0][1]
    assert raw.startswith(b"Return-Path: <anna@example.test>\r\nReceived: from "), raw
    assert b" with ESMTPSA id " in raw and raw.endswith("Guten Tag\r\n.\r\n..\r\nEnde ä\r\n".encode()), raw
    box.logout()

    relay = smtp(tls=True)
    assert relay.docmd("AUTH", "LOGIN")[0] == 334
    assert relay.docmd("*")[0] == 501
    assert relay.docmd("MAIL FROM: <anna@example.test>")[0] == 501
    assert relay.docmd("RCPT", "TO:<boris@example.test>")[0] == 503
    assert relay.docmd("MAIL", "FROM:<anna@example.test> SIZE=99999999999")[0] == 552
    assert relay.docmd("MAIL", "FROM:<anna@example.test>")[0] == 250
    assert relay.docmd("RCPT", "TO:<far@away.test>") == (554, b"5.7.1 <far@away.test>: relay access denied")
    assert relay.docmd("DATA")[0] == 554
    assert relay.docmd("RCPT", "TO:<boris@example.test>")[0] == 250
    assert relay.docmd("DATA")[0] == 354
    relay.send(b"Subject: smuggled\n\r\nbody\r\n.\r\n")
    assert relay.getreply() == (550, b"5.5.2 bare <LF> received, lines end with <CR><LF>")
    relay.send(b"NOOP\n")
    assert relay.getreply()[0] == 500
    relay.quit()


def case_corpus():
    poplib._MAXLINE = 1 << 20  # the corpus has lines beyond what poplib puts up with
    pop = poplib.POP3_SSL(HOST, POP3S, context=CONTEXT, timeout=20)
    pop.user(ANNA[0])
    pop.pass_(ANNA[1])
    box = imaplib.IMAP4_SSL(HOST, IMAPS, ssl_context=CONTEXT, timeout=20)
    box.login(*ANNA)
    box.select("INBOX", readonly=True)
    sizes = []
    for number in range(1, pop.stat()[0] + 1):
        lines = pop.retr(number)[1]
        by_pop3 = octets(lines) if lines else b""
        by_imap = box.fetch(str(number), "(BODY.PEEK[])")[1][0][1]
        # A literal cannot hold NUL, and POP3 cannot end a message inside a line.
        assert by_imap == by_pop3.replace(b"\0", b"\x80"), (number, by_pop3, by_imap)
        assert int(pop.list(number).split()[2]) == len(by_pop3)
        sizes.append(len(by_pop3))
        assert list(email.message_from_bytes(by_pop3).walk())
    pop.quit()
    box.logout()
    print(sizes)
    print(len(sizes), "messages compared")


def case_bad_certificate():
    for connect in (
        lambda: poplib.POP3_SSL(HOST, POP3S, context=CONTEXT, timeout=20),
        lambda: imaplib.IMAP4_SSL(HOST, IMAPS, ssl_context=CONTEXT, timeout=20),
        lambda: smtplib.SMTP_SSL(HOST, SMTPS, context=CONTEXT, timeout=20),
        lambda: poplib.POP3(HOST, POP3, timeout=20).stls(CONTEXT),
    ):
        print(refused(ssl.SSLCertVerificationError, connect))


globals()["case_" + sys.argv[9]]()
print("proved")
