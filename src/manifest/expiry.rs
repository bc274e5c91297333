//! Secrets, and certificates of applications, that expire soon, or have.

use std::collections::BTreeSet;

use jiff::civil::Date;

use super::codes;
use crate::model::desired::{Declared, Desired};
use crate::model::limits;
use crate::model::problem::{Origin, Problem, Severity};
use crate::model::profile::{AppProof, Profile, Server};
use crate::model::secret::SealedValue;

/// How far away the end of a secret is on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// It says nothing, or it is far away.
    Far,
    /// In so many days; 0: on this very day, which still is a good one.
    Soon(i64),
    /// So many days ago.
    Past(i64),
}

/// Judges a day on which a value stops working.
pub fn judge(expires: Option<Date>, today: Date) -> Expiry {
    let Some(expires) = expires else { return Expiry::Far };
    let days = i64::from((expires - today).get_days());
    match days {
        ..0 => Expiry::Past(-days),
        0..=limits::EXPIRY_WARNING_DAYS => Expiry::Soon(days),
        _ => Expiry::Far,
    }
}

/// A warning for each value that expires within thirty days of `today` or has expired; one for all values of a bundle.
pub fn check(desired: &Desired, today: Date) -> Vec<Problem> {
    let mut bundles = BTreeSet::new();
    let mut problems = Vec::new();
    for (name, declared) in &desired.secrets {
        let subject = match declared.value.bundle() {
            Some(bundle) if !bundles.insert((bundle, &name.secret, declared.value.expires)) => continue,
            Some(_) => format!("the bundle of secret `{}`", name.secret),
            None => format!("secret `{name}`"),
        };
        problems.extend(warning(&subject, declared, today));
    }
    for (name, declared) in &desired.profiles {
        let Some((file, expires)) = certificate_of(&declared.value) else { continue };
        let subject = format!("the certificate `{file}` of profile `{name}`");
        problems.extend(problem((&subject, RENEW_CERTIFICATE), (expires, &declared.origin), today));
    }
    problems.sort_by(|a, b| place(a).cmp(&place(b)));
    problems
}

fn place(problem: &Problem) -> Option<(&str, u32, u32)> {
    problem.origin.as_ref().map(|origin| (&*origin.file, origin.line, origin.column))
}

const RENEW_SECRET: &str =
    "change it at the server, then `mailplumb secrets set`, and write the new day into `expires`";
/// What mends the certificate of an application.
pub const RENEW_CERTIFICATE: &str = "make a new key and certificate, upload the certificate in the app registration, then change \
                                     `chainFile` and the secret of `privateKey`, and apply";

/// The certificate by which a profile's application proves itself: its file, and the day on which it ends.
pub fn certificate_of(profile: &Profile) -> Option<(&str, Date)> {
    let Server::ExchangeOnline(online) = &profile.server else { return None };
    match &online.proof {
        AppProof::Certificate { chain_file, expires, .. } => Some((chain_file, (*expires)?)),
        AppProof::ClientSecret(_) => None,
    }
}

fn warning(subject: &str, declared: &Declared<SealedValue>, today: Date) -> Option<Problem> {
    problem((subject, RENEW_SECRET), (declared.value.expires?, &declared.origin), today)
}

fn problem(
    (subject, hint): (&str, &str),
    (expires, origin): (Date, &Origin),
    today: Date,
) -> Option<Problem> {
    let message = match judge(Some(expires), today) {
        Expiry::Far => return None,
        Expiry::Soon(0) => format!("{subject} expires today"),
        Expiry::Soon(1) => format!("{subject} expires tomorrow, on {expires}"),
        Expiry::Soon(days) => format!("{subject} expires in {days} days, on {expires}"),
        Expiry::Past(_) => format!("{subject} expired on {expires}"),
    };
    Some(Problem {
        code: codes::EXPIRES.0.to_owned(),
        severity: Severity::Warning,
        message,
        label: None,
        origin: Some(origin.clone()),
        related: Vec::new(),
        hint: Some(hint.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thirty_days_are_soon_and_the_day_itself_is_not_past() {
        let today = jiff::civil::date(2027, 4, 1);
        let judge = |year, month, day| judge(Some(jiff::civil::date(year, month, day)), today);
        assert_eq!(judge(2027, 5, 2), Expiry::Far);
        assert_eq!(judge(2027, 5, 1), Expiry::Soon(30));
        assert_eq!(judge(2027, 4, 1), Expiry::Soon(0));
        assert_eq!(judge(2027, 3, 31), Expiry::Past(1));
        assert_eq!(judge(-9999, 1, 1), Expiry::Past(4_392_496));
        assert_eq!(super::judge(None, today), Expiry::Far);
    }
}
