//! What it means when a login is refused, or the password is not at hand: what to do depends on where it comes from.

use super::{Setting, said, tokens};
use crate::model::profile::Credentials;
use crate::model::secret::{Origin, SecretRef};

pub(super) fn login_refused(setting: Setting<'_>) -> (String, String) {
    let Setting { mailbox, profile, credentials, secret, .. } = setting;
    if let Credentials::Oauth2 { .. } = credentials {
        return tokens::login_refused(setting);
    }
    let whose = match credentials {
        Credentials::Mailbox => format!("mailbox `{mailbox}`"),
        Credentials::Profile { .. }
        | Credentials::WindowsIntegrated { .. }
        | Credentials::Anonymous
        | Credentials::Oauth2 { .. } => format!("profile `{profile}`"),
    };
    said(
        format!("user name or password of {whose} is wrong, or the account may not log in"),
        match secret {
            Some(secret) => right_password(secret, setting),
            None => format!("check the account on the server, then `mailplumb test {mailbox}`"),
        },
    )
}

/// How the right value gets to where it is taken from.
fn right_password(secret: &SecretRef, Setting { mailbox, origin, .. }: Setting<'_>) -> String {
    match origin {
        None | Some(Origin::Manifest) => {
            format!("set the right password with `mailplumb secrets set {secret}`, then `mailplumb apply`")
        }
        Some(Origin::Bundle(file)) => format!(
            "set the right password in the bundle `{file}` with `mailplumb secrets set {secret}`, then `mailplumb apply`"
        ),
        Some(Origin::File(path)) => format!(
            "write the right password into the file `{path}`, which `{secret}` is taken from; `watch` tests it at once, and so does \
             `mailplumb test {mailbox}`"
        ),
        Some(Origin::Variable(variable)) => format!(
            "give the right password to the process in its variable `{variable}`, which `{secret}` is taken from, and start it \
             anew (a running process keeps its variables); then `mailplumb test {mailbox}`"
        ),
    }
}

pub(super) fn secret_unavailable(secret: &str) -> (String, String) {
    said(
        "the password could not be read, so no login was tried",
        format!(
            "have somebody who can open it encrypt it to this machine's recipient: `mailplumb secrets rekey --all {}`; or set it anew: \
             `mailplumb secrets set {secret}`; then `mailplumb apply`",
            secret.split('/').next().unwrap_or(secret)
        ),
    )
}

pub(super) fn secret_absent(Setting { mailbox, origin, .. }: Setting<'_>) -> (String, String) {
    match origin {
        Some(Origin::File(path)) => {
            return said(
                format!("the password is taken from the file `{path}`, which this process cannot read"),
                format!(
                    "put the file there, readable for this process; `watch` tests it at once, and so does `mailplumb test {mailbox}`"
                ),
            );
        }
        Some(Origin::Variable(variable)) => {
            return said(
                format!(
                    "the password is taken from the variable `{variable}`, which this process does not have"
                ),
                format!(
                    "set it in the environment of the process that makes the connection (its unit), and start that anew; then \
                     `mailplumb test {mailbox}`"
                ),
            );
        }
        None | Some(Origin::Manifest | Origin::Bundle(_)) => {}
    }
    said(
        "the manifest takes the password from a variable or a file that the process making the connection does not have",
        "give it to that process (its environment, its unit, the file's path and permissions), then `mailplumb test`",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::name::Name;
    use crate::model::profile::ServerKind;
    use crate::sync::classify::{NamedBy, SoFar};

    #[test]
    fn what_to_do_about_a_wrong_password_fits_where_it_comes_from() {
        let (mailbox, profile) = (Name::parse("m1").unwrap(), Name::parse("p").unwrap());
        let secret = SecretRef { secret: Name::parse("sec").unwrap(), key: "m1".to_owned() };
        let remedy = |origin: Option<Origin>| {
            let setting = Setting {
                mailbox: &mailbox,
                profile: &profile,
                credentials: &Credentials::Mailbox,
                secret: Some(&secret),
                origin: origin.as_ref(),
                kind: ServerKind::ImapSmtp,
                host: "h",
                port: 1,
                named_by: NamedBy::Profile,
                so_far: SoFar::NeverWorked,
            };
            (login_refused(setting).1, secret_absent(setting).1)
        };
        let (wrong, absent) = remedy(Some(Origin::File("/run/pw".to_owned())));
        assert!(wrong.contains("the file `/run/pw`") && !wrong.contains("secrets set"), "{wrong}");
        assert!(absent.contains("put the file there"), "{absent}");
        let (wrong, absent) = remedy(Some(Origin::Variable("PW".to_owned())));
        assert!(wrong.contains("variable `PW`") && !wrong.contains("secrets set"), "{wrong}");
        assert!(absent.contains("start that anew"), "{absent}");
        let (wrong, _) = remedy(Some(Origin::Bundle("sales.age".to_owned())));
        assert!(wrong.contains("the bundle `sales.age`") && wrong.contains("secrets set sec/m1"), "{wrong}");
        for origin in [None, Some(Origin::Manifest)] {
            assert!(remedy(origin).0.contains("`mailplumb secrets set sec/m1`"));
        }
    }
}
