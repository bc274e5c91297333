//! Words about hosts that cannot be reached, or do not let this machine in: who named them, and whether they could be reached
//! before.

use super::{NamedBy, Setting, SoFar, said};

/// `named`: the host that was asked, which may be another one than the profile's.
fn namer(named: &str, setting: Setting<'_>) -> NamedBy {
    match named.eq_ignore_ascii_case(setting.host) {
        true => setting.named_by,
        false => NamedBy::Autodiscover,
    }
}

pub(super) fn not_resolved(named: &str, setting: Setting<'_>) -> (String, String) {
    let Setting { profile, so_far, .. } = setting;
    let remedy = match (namer(named, setting), so_far) {
        (NamedBy::Profile, SoFar::NeverWorked) => format!(
            "check the spelling of the host in profile `{profile}`, then the name server of this machine"
        ),
        (NamedBy::Profile, SoFar::Worked) => format!(
            "look at the name server of this machine: with the host of profile `{profile}` it has worked before; it is tried again \
             by itself"
        ),
        (NamedBy::Autodiscover, SoFar::NeverWorked | SoFar::Worked) => {
            format!(
                "look at what Autodiscover publishes, which named `{named}`, then at the name server of this machine"
            )
        }
    };
    said(format!("no address is known for `{named}`"), remedy)
}

pub(super) fn login_needs_tls(Setting { host, port, profile, .. }: Setting<'_>) -> (String, String) {
    said(
        format!("`{host}:{port}` takes logins over TLS only"),
        format!("set `tls: starttls` in profile `{profile}`, or `tls: implicit` with the port for it"),
    )
}

pub(super) fn ehlo_refused(Setting { host, port, profile, .. }: Setting<'_>) -> (String, String) {
    said(
        format!("`{host}:{port}` lets this machine greet it only as servers did before 1995"),
        format!(
            "ask its administrator why; often its name for this machine (`smtpName` of the host file) is not to its liking, or \
             something between the two strips ESMTP; or check host and port of profile `{profile}`"
        ),
    )
}

pub(super) fn refused((named, port): (&str, u16), setting: Setting<'_>) -> (String, String) {
    let Setting { profile, so_far, .. } = setting;
    let remedy = match (namer(named, setting), so_far) {
        (NamedBy::Profile, SoFar::NeverWorked) => {
            format!("check the port in profile `{profile}`; if it is right, start the mail server")
        }
        (NamedBy::Profile, SoFar::Worked) => {
            "start the mail server: it has worked before under this host and port; it is tried again by itself".to_owned()
        }
        (NamedBy::Autodiscover, SoFar::NeverWorked | SoFar::Worked) => {
            "start the web service there, or correct what Autodiscover publishes; it is tried again by itself".to_owned()
        }
    };
    said(format!("`{named}` is up, and no server listens on port {port}"), remedy)
}

pub(super) fn unreachable((named, port): (&str, u16), setting: Setting<'_>) -> (String, String) {
    let remedy = match setting.so_far {
        SoFar::NeverWorked => {
            "check the network, the firewall and the port (a wrong port often shows as silence)"
        }
        SoFar::Worked => {
            "check the network and the firewall: it has worked before; it is tried again by itself"
        }
    };
    said(format!("no way leads to `{named}:{port}`"), remedy)
}

pub(super) fn wrong_protocol(
    protocol: &str,
    Setting { host, port, profile, .. }: Setting<'_>,
) -> (String, String) {
    said(
        format!("`{host}:{port}` is no {protocol} server"),
        format!("check host and port of profile `{profile}`"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::name::Name;
    use crate::model::profile::{Credentials, ServerKind};

    #[test]
    fn a_host_that_worked_or_that_autodiscover_named_is_not_misspelt_in_the_profile() {
        let (mailbox, profile) = (Name::parse("m").unwrap(), Name::parse("hq").unwrap());
        let setting = |so_far| Setting {
            mailbox: &mailbox,
            profile: &profile,
            credentials: &Credentials::Mailbox,
            secret: None,
            origin: None,
            kind: ServerKind::Exchange,
            host: "contoso.example",
            port: 443,
            named_by: NamedBy::Profile,
            so_far,
        };
        let (never, worked) = (setting(SoFar::NeverWorked), setting(SoFar::Worked));
        assert!(not_resolved("Contoso.example", never).1.contains("spelling"));
        for (meaning, remedy) in [
            not_resolved("contoso.example", worked),
            not_resolved("mail.fabrikam.example", never),
            refused(("contoso.example", 443), worked),
            refused(("mail.fabrikam.example", 443), never),
            unreachable(("contoso.example", 443), worked),
        ] {
            assert!(
                !remedy.contains("spelling") && !remedy.contains("check the port"),
                "{meaning}: {remedy}"
            );
        }
        assert!(not_resolved("mail.fabrikam.example", never).0.contains("mail.fabrikam.example"));
    }
}
