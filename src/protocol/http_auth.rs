//! Logging in over HTTP (RFC 9110 section 11): what a server offers, and which of it is taken.
//!
//! `Basic` (RFC 7617), `Bearer` (RFC 6750), `Negotiate` (RFC 4559) and `NTLM` (MS-NTHT). The last two log a connection in,
//! not a request; their messages are made by `ntlm`, `spnego` and the system's Kerberos library.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::sasl::Channel;
use crate::model::failure::{Cause, server_words};
use crate::model::limits;
use crate::model::profile::Authentication;

/// Schemes that are told apart in one answer; a server that offers more is not read further.
const OFFERS_MAX: usize = 32;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    Negotiate,
    Ntlm,
    Bearer,
    Basic,
}

impl Scheme {
    const ALL: [Self; 4] = [Self::Negotiate, Self::Ntlm, Self::Bearer, Self::Basic];

    /// The name in the IANA registry (`NTLM` stands in none).
    pub fn name(self) -> &'static str {
        match self {
            Self::Negotiate => "Negotiate",
            Self::Ntlm => "NTLM",
            Self::Bearer => "Bearer",
            Self::Basic => "Basic",
        }
    }

    /// Whether what crosses the connection can be used again by whoever reads it.
    fn reveals_secret(self) -> bool {
        match self {
            Self::Bearer | Self::Basic => true,
            Self::Negotiate | Self::Ntlm => false,
        }
    }

    /// The value of `Authorization` with a token of this scheme.
    pub fn with_token(self, token: &[u8]) -> Zeroizing<String> {
        let encoded = Zeroizing::new(STANDARD.encode(token));
        Zeroizing::new(format!("{} {}", self.name(), &*encoded))
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Who logs in, as far as the choice of a scheme goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    Password,
    /// The password of the host's own account, which no server gets to see.
    ServicePassword,
    /// A password on a host that allows no protocol of Active Directory.
    PlainPassword,
    /// The same for a ticket, or the host's own account: there is no way left.
    Nothing,
    /// A Kerberos key or ticket of the host.
    Ticket,
    AccessToken,
}

impl Holder {
    /// What is left where the host allows no protocol of Active Directory (rule P-15).
    pub fn without_directory(self) -> Self {
        match self {
            Self::Password | Self::PlainPassword => Self::PlainPassword,
            Self::ServicePassword | Self::Ticket | Self::Nothing => Self::Nothing,
            Self::AccessToken => Self::AccessToken,
        }
    }

    /// Strongest first: the order of `auto`.
    fn schemes(self) -> &'static [Scheme] {
        match self {
            Self::Password => &[Scheme::Negotiate, Scheme::Ntlm, Scheme::Basic],
            Self::ServicePassword => &[Scheme::Negotiate, Scheme::Ntlm],
            Self::PlainPassword => &[Scheme::Basic],
            Self::Nothing => &[],
            Self::Ticket => &[Scheme::Negotiate],
            Self::AccessToken => &[Scheme::Bearer],
        }
    }
}

/// The challenges of one answer: the values of its `WWW-Authenticate` headers.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Offers {
    known: Vec<(Scheme, Option<Vec<u8>>)>,
    /// Names that we do not speak.
    others: Vec<String>,
}

impl Offers {
    pub fn read<'a>(headers: impl IntoIterator<Item = &'a str>) -> Result<Self, Cause> {
        let mut offers = Self::default();
        let mut room = limits::LOGIN_TOKEN_BYTES_MAX * 2;
        for header in headers {
            room = room.checked_sub(header.len()).ok_or_else(|| Cause::LimitExceeded {
                what: "the server's list of login schemes".to_owned(),
                limit: (limits::LOGIN_TOKEN_BYTES_MAX * 2) as u64,
            })?;
            for challenge in challenges(header) {
                offers.add(challenge)?;
            }
        }
        Ok(offers)
    }

    fn add(&mut self, challenge: &str) -> Result<(), Cause> {
        let (name, rest) = challenge.split_once(' ').unwrap_or((challenge, ""));
        if self.known.len() + self.others.len() == OFFERS_MAX {
            return Ok(());
        }
        let Some(scheme) = Scheme::ALL.into_iter().find(|scheme| scheme.name().eq_ignore_ascii_case(name))
        else {
            self.others.push(server_words(name));
            return Ok(());
        };
        let token = match scheme {
            Scheme::Negotiate | Scheme::Ntlm if !rest.trim().is_empty() => {
                let detail = format!("its {scheme} token is not Base64");
                Some(STANDARD.decode(rest.trim()).map_err(|_| Cause::Garbage { detail })?)
            }
            Scheme::Negotiate | Scheme::Ntlm | Scheme::Bearer | Scheme::Basic => None,
        };
        self.known.push((scheme, token));
        Ok(())
    }

    pub fn offers(&self, scheme: Scheme) -> bool {
        self.known.iter().any(|(known, _)| *known == scheme)
    }

    /// The server's message to a login with this scheme.
    pub fn token(&self, scheme: Scheme) -> Option<&[u8]> {
        let mut known = self.known.iter();
        known.find_map(|(known, token)| token.as_deref().filter(|_| *known == scheme))
    }

    /// All names, for people.
    pub fn names(&self) -> Vec<String> {
        let known = self.known.iter().map(|(scheme, _)| scheme.name().to_owned());
        known.chain(self.others.iter().cloned()).collect()
    }
}

/// Challenges are separated by commas, and so are the parameters of one (RFC 9110 section 11.6.1): what begins with a name
/// and an equals sign is a parameter.
fn challenges(header: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    let mut escaped = false;
    let pieces = header.split(move |character| {
        let splits = character == ',' && !quoted;
        quoted ^= character == '"' && !escaped;
        escaped = character == '\\' && quoted && !escaped;
        splits
    });
    pieces.map(str::trim).filter(|piece| {
        let name = piece.split([' ', '=']).next().unwrap_or_default();
        let is_parameter = piece[name.len()..].trim_start().starts_with('=');
        !name.is_empty() && !is_parameter
    })
}

/// Chooses the scheme. `auto` takes the strongest that both sides speak, and never one that reveals a password to
/// whoever reads a connection without TLS, whatever the host file says; one that is asked for by name goes by the host file.
pub fn select(
    offers: &Offers,
    wanted: Authentication,
    holder: Holder,
    channel: Channel,
) -> Result<Scheme, Cause> {
    let asked = asked(wanted)?;
    let named = asked.len() == 1;
    let candidates: Vec<Scheme> =
        holder.schemes().iter().copied().filter(|scheme| asked.contains(scheme)).collect();
    let admits = |scheme: Scheme| match channel {
        Channel::Encrypted => true,
        Channel::Clear { allowed } => !scheme.reveals_secret() || (named && allowed),
    };
    if !candidates.is_empty() && !candidates.iter().any(|scheme| admits(*scheme)) {
        return Err(Cause::PlaintextLogin);
    }
    let shared = || candidates.iter().copied().filter(|scheme| offers.offers(*scheme));
    if let Some(scheme) = shared().find(|scheme| admits(*scheme)) {
        return Ok(scheme);
    }
    if shared().next().is_some() {
        return Err(Cause::PlaintextLogin);
    }
    let wanted: Vec<&str> = candidates.iter().map(|scheme| scheme.name()).collect();
    Err(Cause::NoMechanism { wanted: wanted.join(", "), offered: offers.names() })
}

/// The scheme to begin with when the manifest leaves no choice; `None`: the server has to be asked what it offers.
pub fn only(wanted: Authentication, holder: Holder, channel: Channel) -> Result<Option<Scheme>, Cause> {
    let [scheme] = asked(wanted)? else { return Ok(None) };
    let offers = Offers { known: vec![(*scheme, None)], others: Vec::new() };
    select(&offers, wanted, holder, channel).map(Some)
}

/// The schemes that a setting of the manifest allows.
fn asked(wanted: Authentication) -> Result<&'static [Scheme], Cause> {
    match wanted {
        Authentication::Auto => Ok(&Scheme::ALL),
        Authentication::Negotiate | Authentication::Gssapi => Ok(&[Scheme::Negotiate]),
        Authentication::Ntlm => Ok(&[Scheme::Ntlm]),
        Authentication::Basic => Ok(&[Scheme::Basic]),
        Authentication::Oauth => Ok(&[Scheme::Bearer]),
        Authentication::Plain
        | Authentication::Login
        | Authentication::CramMd5
        | Authentication::ScramSha1
        | Authentication::ScramSha256
        | Authentication::Xoauth2
        | Authentication::Oauthbearer => {
            Err(Cause::Unsupported { setting: "this `authentication` over HTTP".to_owned() })
        }
    }
}

/// `Basic` for a name and a password, in UTF-8.
pub fn basic(username: &str, password: &str) -> Zeroizing<String> {
    Scheme::Basic.with_token(Zeroizing::new(format!("{username}:{password}")).as_bytes())
}

pub fn bearer(token: &str) -> Zeroizing<String> {
    Zeroizing::new(format!("Bearer {token}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(headers: &[&str]) -> Vec<String> {
        Offers::read(headers.iter().copied()).unwrap().names()
    }

    #[test]
    fn schemes_are_found_however_they_are_listed() {
        assert_eq!(names(&["Negotiate", "NTLM", "Basic realm=\"mail\""]), ["Negotiate", "NTLM", "Basic"]);
        assert_eq!(
            names(&["negotiate, ntlm , basic realm=\"a, Digest b\", charset=\"UTF-8\""]),
            ["Negotiate", "NTLM", "Basic"]
        );
        assert_eq!(
            names(&["Bearer client_id=\"x\", trusted_issuers=\"a,b\", Digest qop=\"auth\", nonce = \"n\""]),
            ["Bearer", "Digest"]
        );
        assert_eq!(names(&["Basic realm=\"a \\\" , Digest\""]), ["Basic"]);
        assert_eq!(names(&["", ",,", "=", " , \""]), ["\""]);
    }

    #[test]
    fn a_token_belongs_to_its_scheme() {
        let offers = Offers::read(["NTLM TlRMTQ==", "Negotiate"]).unwrap();
        assert_eq!(offers.token(Scheme::Ntlm), Some(&b"NTLM"[..]));
        assert_eq!(offers.token(Scheme::Negotiate), None);
        assert!(Offers::read(["NTLM ???"]).is_err());
    }

    const CLEAR: Channel = Channel::Clear { allowed: true };

    #[test]
    fn auto_takes_the_strongest_that_both_sides_speak() {
        let choose = |headers: &[&str], holder, channel| {
            let offers = Offers::read(headers.iter().copied()).unwrap();
            select(&offers, Authentication::Auto, holder, channel)
        };
        let all = ["Basic", "NTLM", "Negotiate", "Bearer"];
        assert_eq!(choose(&all, Holder::Password, Channel::Encrypted), Ok(Scheme::Negotiate));
        assert_eq!(choose(&all, Holder::AccessToken, Channel::Encrypted), Ok(Scheme::Bearer));
        assert_eq!(choose(&all, Holder::Ticket, CLEAR), Ok(Scheme::Negotiate));
        assert_eq!(choose(&["Basic", "NTLM"], Holder::Password, CLEAR), Ok(Scheme::Ntlm));
        assert_eq!(choose(&all, Holder::PlainPassword, Channel::Encrypted), Ok(Scheme::Basic));
        assert!(choose(&all, Holder::Nothing, Channel::Encrypted).is_err());
        let shown = choose(&["Basic"], Holder::ServicePassword, Channel::Encrypted);
        assert!(matches!(shown, Err(Cause::NoMechanism { .. })), "{shown:?}");
        assert_eq!(choose(&["Basic"], Holder::Password, Channel::Encrypted), Ok(Scheme::Basic));
        assert_eq!(choose(&["Basic"], Holder::Password, CLEAR), Err(Cause::PlaintextLogin));
        assert_eq!(choose(&["Bearer"], Holder::AccessToken, CLEAR), Err(Cause::PlaintextLogin));
        let refused = choose(&["Digest x=y"], Holder::Ticket, Channel::Encrypted);
        assert!(matches!(refused, Err(Cause::NoMechanism { offered, .. }) if offered == ["Digest"]));
    }

    #[test]
    fn basic_over_clear_text_is_asked_for_by_name_and_allowed_by_the_host() {
        let offers = Offers::read(["Basic"]).unwrap();
        let choose =
            |allowed| select(&offers, Authentication::Basic, Holder::Password, Channel::Clear { allowed });
        assert_eq!(choose(true), Ok(Scheme::Basic));
        assert_eq!(choose(false), Err(Cause::PlaintextLogin));
    }

    #[test]
    fn names_and_passwords_are_sent_in_utf_8() {
        assert_eq!(*basic("Aladdin", "open sesame"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert_eq!(*basic("test", "123\u{A3}"), "Basic dGVzdDoxMjPCow==");
    }
}
