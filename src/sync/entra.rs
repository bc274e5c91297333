//! What the codes of Microsoft Entra mean when it gives no token: `AADSTS` and a number. One table, as for Exchange.
//!
//! Source: <https://learn.microsoft.com/entra/identity-platform/reference-error-codes>

use super::exchange::Meaning;
use crate::model::failure::{Cause, Nature, RemoteError, Scope};

/// The row of the code that stands in the provider's words.
pub fn find(said: &str) -> Option<&'static Meaning> {
    let (_, after) = said.split_once("AADSTS")?;
    let digits = after.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
    let code = format!("AADSTS{digits}");
    ALL.iter().find(|meaning| meaning.codes.contains(&code.as_str()))
}

/// What mostly is behind a refusal of Entra; most likely first. `None`: it is another failure, or an unknown code.
#[expect(clippy::wildcard_enum_match_arm, reason = "all others are no answers of Entra")]
pub fn likely(error: &RemoteError) -> Option<&'static [&'static str]> {
    match &error.cause {
        Cause::TokenRefused { said, .. } => find(said).map(|meaning| meaning.likely),
        _ => None,
    }
}

/// Every row.
pub const ALL: &[Meaning] = &[
    Meaning {
        codes: &["AADSTS7000215"],
        says: &[],
        key: "client-secret-wrong",
        nature: Nature::Permanent,
        scope: Scope::Profile,
        meaning: "the client secret is wrong",
        remedy: "set the secret's value, which Entra shows once and which is not its id, with `mailplumb secrets set`, then \
                 `mailplumb apply`",
        likely: &[
            "the id of the secret was taken for its value",
            "the secret belongs to another application",
        ],
    },
    Meaning {
        codes: &["AADSTS7000222"],
        says: &[],
        key: "client-secret-expired",
        nature: Nature::Permanent,
        scope: Scope::Profile,
        meaning: "the client secret has expired",
        remedy: "make another one in the app registration, set it with `mailplumb secrets set` and declare its `expires`; a \
                 certificate lives longer",
        likely: &["nobody was told of the date: `expires` in the manifest warns before it"],
    },
    Meaning {
        codes: &["AADSTS700016", "AADSTS7000229", "AADSTS7000112", "AADSTS700054"],
        says: &[],
        key: "application-unknown",
        nature: Nature::Permanent,
        scope: Scope::Profile,
        meaning: "the tenant knows no such application, or it is disabled there",
        remedy: "compare `clientId` and `tenant` with the app registration; an application of another tenant needs the consent \
                 of an administrator, which makes its enterprise application",
        likely: &[
            "a typing error in `clientId`",
            "the wrong tenant",
            "the enterprise application is missing or disabled",
        ],
    },
    Meaning {
        codes: &[
            "AADSTS90002",
            "AADSTS900021",
            "AADSTS900023",
            "AADSTS50059",
            "AADSTS900382",
            "AADSTS900439",
        ],
        says: &[],
        key: "tenant-unknown",
        nature: Nature::Permanent,
        scope: Scope::Profile,
        meaning: "this cloud knows no such tenant",
        remedy: "compare `tenant` with the tenant's id in Entra, and `cloud` with where it is",
        likely: &["a typing error in `tenant`", "a tenant of a national cloud with `cloud: global`"],
    },
    Meaning {
        codes: &["AADSTS700027", "AADSTS700021", "AADSTS50027", "AADSTS7000273", "AADSTS7000272"],
        says: &[],
        key: "certificate-unknown",
        nature: Nature::Permanent,
        scope: Scope::Profile,
        meaning: "the application's registration does not hold the certificate that signed, or key and certificate are not of \
                  one pair",
        remedy: "upload the file of `chainFile` in the app registration under Certificates & secrets, and check that \
                 `privateKey` is its key",
        likely: &[
            "the certificate was renewed here and not there",
            "key and certificate do not belong together",
        ],
    },
    Meaning {
        codes: &["AADSTS700024"],
        says: &[],
        key: "assertion-out-of-time",
        nature: Nature::Transient,
        scope: Scope::Profile,
        meaning: "by the clock of Entra the signed request is too old, or of the future",
        remedy: "correct the clock of this machine",
        likely: &["the clock of this machine is off by more than five minutes"],
    },
    Meaning {
        codes: &["AADSTS700023", "AADSTS700030", "AADSTS50146"],
        says: &[],
        key: "assertion-refused",
        nature: Nature::Permanent,
        scope: Scope::Profile,
        meaning: "the signed request was meant for another place, or the certificate is not one that Entra takes",
        remedy: "compare `cloud` and `tenant`; the certificate has to have an RSA key",
        likely: &["the wrong cloud"],
    },
    Meaning {
        codes: &[
            "AADSTS70011",
            "AADSTS1002012",
            "AADSTS500011",
            "AADSTS65001",
            "AADSTS650057",
            "AADSTS501051",
        ],
        says: &[],
        key: "permission-missing",
        nature: Nature::Permanent,
        scope: Scope::Profile,
        meaning: "the application has no permission for the service that it asks for, or the tenant does not have that service",
        remedy: "compare `cloud` and `transport` with the tenant, and have an administrator consent to the permissions, or \
                 assign roles in Exchange Online",
        likely: &["the consent of an administrator is missing", "the wrong cloud"],
    },
    Meaning {
        codes: &["AADSTS53003", "AADSTS530003", "AADSTS53011", "AADSTS7000218"],
        says: &[],
        key: "sign-in-blocked",
        nature: Nature::Permanent,
        scope: Scope::Profile,
        meaning: "a Conditional Access policy for workload identities, or a rule of the registration, blocks the sign-in",
        remedy: "look at the sign-in logs of the enterprise application in Entra; allow the address of this machine there",
        likely: &["the policy names trusted places, and this machine is not in one"],
    },
    Meaning {
        codes: &["AADSTS90033", "AADSTS90055", "AADSTS90006", "AADSTS90024", "AADSTS50196"],
        says: &[],
        key: "sign-in-busy",
        nature: Nature::Transient,
        scope: Scope::Profile,
        meaning: "Entra cannot answer at present",
        remedy: "nothing to do: it is tried again by itself",
        likely: &["an incident of the service", "too many sign-ins of the tenant at once"],
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_code_has_one_meaning_and_is_found_in_the_words() {
        let codes: Vec<&str> = ALL.iter().flat_map(|meaning| meaning.codes).copied().collect();
        assert_eq!(codes.len(), codes.iter().collect::<BTreeSet<_>>().len());
        let said = "HTTP 401, invalid_client: AADSTS7000222: The provided client secret keys for app 'x' are expired.";
        assert_eq!(find(said).map(|row| row.key), Some("client-secret-expired"));
        // A longer number is another code.
        assert_eq!(find("AADSTS70002229: x"), None);
        assert_eq!(find("invalid_client"), None);
    }
}
