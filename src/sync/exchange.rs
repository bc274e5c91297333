//! What the response codes of Exchange mean: their class, and what it takes to mend it. One table, for alerts and for
//! `doctor`; what it does not know keeps the server's words.
//!
//! Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/responsecode>, and the errors that
//! the vendor's server-side synchronisation documents.

use crate::model::failure::{Cause, Nature, RemoteError, Scope};

/// What one or several codes mean.
#[derive(Debug, PartialEq, Eq)]
pub struct Meaning {
    /// The server's own, or `HTTP` with a status.
    pub(super) codes: &'static [&'static str],
    /// Stable, for scripts.
    pub key: &'static str,
    pub nature: Nature,
    pub scope: Scope,
    pub meaning: &'static str,
    /// What to do next.
    pub remedy: &'static str,
    /// Most likely first.
    pub likely: &'static [&'static str],
}

/// The row of a code, if there is one.
pub fn find(code: &str) -> Option<&'static Meaning> {
    ALL.iter().find(|meaning| meaning.codes.contains(&code))
}

/// The stable code, the nature and the scope of a known code.
pub fn class(code: &str) -> Option<(&'static str, Nature, Scope)> {
    find(code).map(|meaning| (meaning.key, meaning.nature, meaning.scope))
}

/// What a known code means, and what to do.
pub fn words(code: &str) -> Option<(String, String)> {
    find(code).map(|meaning| (meaning.meaning.to_owned(), meaning.remedy.to_owned()))
}

/// What mostly is behind a failure of Exchange; most likely first. `None`: it is another failure, or an unknown code.
#[expect(clippy::wildcard_enum_match_arm, reason = "all others are no answers of Exchange")]
pub fn likely(error: &RemoteError) -> Option<&'static [&'static str]> {
    match &error.cause {
        Cause::Exchange { code, .. } => find(code).map(|meaning| meaning.likely),
        _ => None,
    }
}

/// Every row.
pub const ALL: &[Meaning] = &[
    Meaning {
        codes: &["ErrorImpersonateUserDenied", "ErrorImpersonationDenied", "ErrorImpersonationFailed"],
        key: "impersonation-denied",
        nature: Nature::Permanent,
        scope: Scope::Profile,
        meaning: "the account of the profile does not have permission to impersonate this mailbox",
        remedy: "grant it the management role `ApplicationImpersonation` with a scope that contains the mailbox, or \
                 declare `access: delegation`",
        likely: &["the role assignment is missing", "its scope does not contain this mailbox"],
    },
    Meaning {
        codes: &[
            "ErrorNonExistentMailbox",
            "ErrorNoPrimarySmtpAddress",
            "ErrorInvalidUserPrincipalName",
            "ErrorInvalidUserSid",
            "ErrorInvalidExchangeImpersonationHeaderData",
        ],
        key: "no-such-mailbox",
        nature: Nature::Permanent,
        scope: Scope::Mailbox,
        meaning: "the server has no mailbox with this SMTP address",
        remedy: "correct the address of the mailbox, or the profile that it uses",
        likely: &["a typing error in the address", "the mailbox lives on another server, or in the cloud"],
    },
    Meaning {
        codes: &["ErrorFolderNotFound", "ErrorAccessDenied", "ErrorSendAsDenied"],
        key: "no-permission",
        nature: Nature::Permanent,
        scope: Scope::Mailbox,
        meaning: "the account that logs in may not do this in the mailbox",
        remedy: "with `access: delegation`, give the account full access to the mailbox (and Send As for sending); with \
                 `access: impersonation`, check the role's scope",
        likely: &["the account was never given rights to this mailbox", "the rights have not spread yet"],
    },
    Meaning {
        codes: &["ErrorInvalidLicense", "MailboxNotEnabledForRESTAPI", "ErrorMailboxNotEnabledForRESTAPI"],
        key: "no-licence",
        nature: Nature::Permanent,
        scope: Scope::Mailbox,
        meaning: "the mailbox has no valid licence, or is disabled",
        remedy: "assign an Exchange licence to the user, or make it a shared mailbox",
        likely: &["the licence was taken away", "a user mailbox that should be a shared one"],
    },
    Meaning {
        codes: &["ErrorAccountDisabled", "ErrorPasswordExpired", "ErrorPasswordChangeRequired"],
        key: "account-disabled",
        nature: Nature::Permanent,
        scope: Scope::Profile,
        meaning: "the account may not sign in any more: it is disabled, or its password has expired",
        remedy: "enable the account in the directory and give it a password that does not expire",
        likely: &["its password has expired", "it was disabled in the directory"],
    },
    Meaning {
        codes: &["HTTP 403"],
        key: "forbidden",
        nature: Nature::Permanent,
        scope: Scope::Profile,
        meaning: "the server knows the account and does not let it use Exchange Web Services",
        remedy: "enable EWS for the account and the organisation (`Set-CASMailbox -EwsEnabled`, \
                 `Set-OrganizationConfig -EwsEnabled`) and look at its access policies",
        likely: &[
            "EWS is blocked for the account or the organisation",
            "an application policy does not name this program",
            "with Exchange Online: EWS is being retired",
        ],
    },
    Meaning {
        codes: &["HTTP 404", "HTTP 405", "HTTP 301", "HTTP 302", "HTTP 307", "HTTP 308"],
        key: "not-exchange-web-services",
        nature: Nature::Permanent,
        scope: Scope::Profile,
        meaning: "there is no Exchange Web Services under this URL",
        remedy: "correct `location` of the profile; redirects are never followed, because the login would go along",
        likely: &["a wrong path", "a load balancer or a login page in front of Exchange"],
    },
    Meaning {
        codes: &["HTTP 413", "ErrorMessageSizeExceeded", "ErrorAttachmentSizeLimitExceeded"],
        key: "message-too-large",
        nature: Nature::Permanent,
        scope: Scope::Message,
        meaning: "the message is larger than the server takes",
        remedy: "send it in parts, or raise the limits of the server (`maxRequestLength` of EWS, the transport's limit)",
        likely: &["a large attachment"],
    },
    Meaning {
        codes: &["ErrorQuotaExceeded"],
        key: "mailbox-full",
        nature: Nature::Permanent,
        scope: Scope::Mailbox,
        meaning: "the mailbox is full, and sends nothing before there is room",
        remedy: "free some space in the mailbox or raise its quota, then `mailplumb test`",
        likely: &["the mailbox has reached its quota"],
    },
    Meaning {
        codes: &["ErrorSubmissionQuotaExceeded", "ErrorRecipientQuotaExceeded"],
        key: "sending-limit",
        nature: Nature::Transient,
        scope: Scope::Mailbox,
        meaning: "the mailbox has reached its limit of messages or recipients for a day",
        remedy: "nothing to do: it is tried again by itself; spread large mailings over several mailboxes",
        likely: &["a large mailing"],
    },
    Meaning {
        codes: &["ErrorInvalidRecipients", "ErrorInvalidSmtpAddress", "ErrorMissingRecipients"],
        key: "invalid-recipients",
        nature: Nature::Permanent,
        scope: Scope::Message,
        meaning: "the server does not accept a recipient of the message",
        remedy: "correct the recipients and send the message anew",
        likely: &["a typing error in an address"],
    },
    Meaning {
        codes: &["ErrorInvalidServerVersion", "ErrorSchemaValidation", "ErrorInvalidRequest"],
        key: "server-too-old",
        nature: Nature::Permanent,
        scope: Scope::Profile,
        meaning: "the server does not understand what it is asked, in any version that both sides know",
        remedy: "Exchange Server 2010 with Service Pack 1 or newer is needed; look at the server's words",
        likely: &["a server from before 2010", "a proxy that rewrites requests"],
    },
    Meaning {
        codes: &["ErrorIrresolvableConflict", "ErrorStaleObject", "ErrorChangeKeyRequired"],
        key: "changed-meanwhile",
        nature: Nature::Transient,
        scope: Scope::Message,
        meaning: "somebody else changed the item at the same time",
        remedy: "nothing to do: it is read again and tried again by itself",
        likely: &["a person or another program works in the same mailbox"],
    },
    Meaning {
        codes: &["ErrorInvalidSyncStateData", "ErrorSyncFolderNotFound"],
        key: "sync-state-invalid",
        nature: Nature::Transient,
        scope: Scope::Mailbox,
        meaning: "the server does not know any more how far the folder was read",
        remedy: "nothing to do: the folder is read again, and what is recorded already is recognised",
        likely: &["the mailbox was moved or restored from a backup"],
    },
    Meaning {
        codes: &["ErrorInternalServerError", "ErrorServiceUnavailable", "HTTP 500"],
        key: "server-error",
        nature: Nature::Transient,
        scope: Scope::Mailbox,
        meaning: "the server has a problem of its own",
        remedy: "it is tried again by itself; if it stays so, look at the event log of the server at this time",
        likely: &["a mailbox database that is being moved or repaired", "a server under heavy load"],
    },
    Meaning {
        codes: &["ErrorTimeZone", "ErrorTimeZoneNotFound", "383"],
        key: "time-zone-unknown",
        nature: Nature::Transient,
        scope: Scope::Message,
        meaning: "the server does not know this time zone",
        remedy: "choose a time zone that Windows knows",
        likely: &["a time zone of recent years on an old server"],
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_code_has_one_meaning() {
        let codes: Vec<&str> = ALL.iter().flat_map(|meaning| meaning.codes).copied().collect();
        assert_eq!(codes.len(), codes.iter().collect::<BTreeSet<_>>().len());
        let keys: BTreeSet<&str> = ALL.iter().map(|meaning| meaning.key).collect();
        assert_eq!(keys.len(), ALL.len());
        assert_eq!(find("ErrorSomethingNew"), None);
    }
}
