//! What mostly is behind a failure of which only the code is known.

/// Where the server said nothing of its own.
pub(super) const BY_CODE: &[(&str, &[&str])] = &[
    (
        "name-not-resolved",
        &["a typing error in the host", "a name server that is away", "a host without an address"],
    ),
    ("connection-refused", &["a wrong port", "a mail server that is not running", "a firewall that refuses"]),
    ("unreachable", &["a firewall", "a route or a tunnel that is down", "an IPv6 address without IPv6"]),
    ("timed-out", &["a firewall that drops packets", "a wrong port", "a server that is overloaded"]),
    (
        "no-greeting",
        &[
            "a port that expects TLS at once",
            "a server that is overloaded",
            "a slow look-up of our name there",
        ],
    ),
    (
        "connection-lost",
        &["a proxy or firewall in between", "a server that was restarted", "a limit of connections"],
    ),
    ("server-closed", &["a server that is restarted", "a limit of connections", "a block of this address"]),
    (
        "certificate-untrusted",
        &[
            "a CA of one's own without `trust`",
            "a chain without its intermediate certificate",
            "a self-signed certificate",
            "a proxy that opens TLS",
        ],
    ),
    (
        "certificate-name-mismatch",
        &[
            "a host name that the certificate does not carry",
            "a server behind another name",
            "a default certificate of a hosting provider",
        ],
    ),
    (
        "certificate-expired",
        &[
            "a renewal that failed",
            "a renewed certificate that the server has not loaded",
            "a wrong clock on this machine",
        ],
    ),
    ("not-tls", &["`tls: implicit` on a port for STARTTLS (110, 143, 587)"]),
    ("tls-failed", &["a server that knows only TLS 1.0 or 1.1"]),
    ("client-certificate-demanded", &["a port that is meant for other servers, not for mailboxes"]),
    (
        "certificate-unfit",
        &[
            "a self-signed certificate of an authority in the place of the server's",
            "a certificate without the purpose `serverAuth`",
            "a certificate of version 1, as `openssl x509 -req` makes without extensions",
        ],
    ),
    (
        "starttls-not-offered",
        &[
            "a port for implicit TLS in the place of one for STARTTLS",
            "TLS not configured there",
            "somebody who removes the offer on the way",
        ],
    ),
    ("starttls-injected", &["somebody who tampers with the connection", "a broken proxy"]),
    ("wrong-protocol", &["a wrong port", "a wrong host"]),
    (
        "login-refused",
        &[
            "the password was changed at the server",
            "a wrong form of the user name",
            "a login that is switched off for this protocol",
            "an account that is locked after many attempts",
        ],
    ),
    (
        "no-mechanism",
        &[
            "`authentication` names one that the server does not offer",
            "a server that offers logins only after TLS",
        ],
    ),
    ("login-needs-tls", &["`tls: none`, which a server outside of a test hardly ever takes logins with"]),
    (
        "ehlo-refused",
        &[
            "a name of this machine that the server does not like",
            "a firewall that inspects SMTP",
            "a wrong port",
        ],
    ),
    ("secret-unavailable", &["a secret that is encrypted to other recipients", "a damaged ciphertext"]),
    ("secret-absent", &["a variable that this process was not given", "a file that this user may not read"]),
    ("no-identity", &["a key file that this user may not read", "a unit without its credential"]),
    (
        "identity-unusable",
        &["a token that is not plugged in", "a plugin that asks, and nobody at a terminal who answers"],
    ),
    ("trust-unavailable", &["a file that was moved", "a file that this user may not read"]),
    ("garbage", &["a proxy in between", "a host or port of something else"]),
    (
        "inbox-went-back",
        &[
            "the inbox was restored from a backup",
            "a replica that lags behind answered",
            "a defect of the server",
        ],
    ),
    ("limit-exceeded", &["an unusually large mailbox or answer", "something that is no mail server"]),
    (
        "not-received-back",
        &[
            "slow delivery or greylisting",
            "a filter that moves the message away",
            "an address that is not this mailbox",
        ],
    ),
    (
        "not-discovered",
        &[
            "no `autodiscover` name in the domain's DNS",
            "a server of another domain that `allowedHosts` does not name",
            "the web server of the domain answers in place of Exchange",
            "a firewall between this machine and the servers",
        ],
    ),
];
