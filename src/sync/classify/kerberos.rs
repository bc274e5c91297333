//! What it means that there is no Kerberos ticket.

use super::{Setting, said};
use crate::model::failure::{KerberosFault, Nature, Scope};

/// The stable code, the nature and the scope.
pub(super) fn class(fault: KerberosFault, login_scope: Scope) -> (&'static str, Nature, Scope) {
    match fault {
        KerberosFault::NotInstalled => ("kerberos-not-installed", Nature::Permanent, Scope::Profile),
        KerberosFault::Misconfigured => ("kerberos-misconfigured", Nature::Permanent, Scope::Profile),
        KerberosFault::KdcUnreachable => ("kdc-unreachable", Nature::Transient, Scope::Profile),
        KerberosFault::ClockSkew => ("clock-skew", Nature::Transient, Scope::Profile),
        KerberosFault::ClientUnknown => ("kerberos-client-unknown", Nature::Permanent, login_scope),
        KerberosFault::ServiceUnknown => ("kerberos-service-unknown", Nature::Permanent, Scope::Profile),
        KerberosFault::Refused => ("kerberos-refused", Nature::Permanent, login_scope),
        KerberosFault::Expired => ("kerberos-expired", Nature::Permanent, login_scope),
    }
}

/// What it means and what to do.
pub(super) fn words(fault: KerberosFault, Setting { profile, host, .. }: Setting<'_>) -> (String, String) {
    match fault {
        KerberosFault::NotInstalled => said(
            "this machine has no Kerberos library, so nobody can log in with a ticket",
            "install it (Debian: `libgssapi-krb5-2`), or use another `authentication`",
        ),
        KerberosFault::Misconfigured => said(
            "Kerberos of this machine found no identity to log in with, or no realm for the server",
            format!(
                "check `identity` in the host file, the keytab's permissions and principals (`klist -k`), and that krb5.conf has a realm for `{host}`"
            ),
        ),
        KerberosFault::KdcUnreachable => said(
            "no domain controller (KDC) answers, so no ticket can be got; the mail server was not asked",
            "it is tried again by itself; check the network to the KDC, port 88, and its name in krb5.conf or DNS",
        ),
        KerberosFault::ClockSkew => said(
            "the clocks of this machine and of the domain controller are too far apart for Kerberos",
            "set this machine's clock by a time server (NTP); 5 minutes apart is the usual limit",
        ),
        KerberosFault::ClientUnknown => said(
            "the domain controller does not know the account that logs in",
            "check the principal's spelling and realm (capital letters) in the host file or the credentials",
        ),
        KerberosFault::ServiceUnknown => said(
            format!("the domain controller knows no service of the name `{host}`"),
            format!(
                "declare the server in profile `{profile}` under the name of its service principal, or have the principal \
                 registered (`setspn`)"
            ),
        ),
        KerberosFault::Refused => said(
            "the domain controller refused the key: the password or keytab is old or wrong, or the account is locked",
            "make a new keytab, or set the right password, and test again",
        ),
        KerberosFault::Expired => said(
            "the ticket or the account has expired",
            "renew the credential cache (`kinit`), or declare a keytab under `identity` in the host file",
        ),
    }
}
