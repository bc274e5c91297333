//! What the error codes of Microsoft Graph mean: their class, and what it takes to mend it. One table, for alerts and for
//! `doctor`; what it does not know keeps the service's words.
//!
//! Sources: <https://learn.microsoft.com/graph/errors>, <https://learn.microsoft.com/graph/throttling-limits>,
//! <https://learn.microsoft.com/exchange/permissions-exo/application-rbac>, and the response codes of Exchange, which Graph
//! hands on.

use super::exchange::Meaning;
use crate::model::failure::{Cause, GRAPH_PAGE, Nature, RemoteError, Scope, TestStep};

/// The row of a refusal at a step: of its code, or else of its status. What is not there is a folder, where no single message
/// was asked for; and rules of an inbox want a permission of their own.
pub fn find_at(step: TestStep, status: u16, code: &str) -> Option<&'static Meaning> {
    let row = find(status, code);
    if (step, status, row.is_none()) == (TestStep::ForwardRule, 400, true) {
        return Some(&RULE_NOT_TAKEN);
    }
    row.map(|row| match step {
        TestStep::ForwardRule if row.key == "application-not-permitted" => &RULES_NOT_PERMITTED,
        TestStep::ForwardRule if row.key == "invalid-recipients" => &RULE_NOT_TAKEN,
        TestStep::Open | TestStep::Read if row.key == "item-gone" => &FOLDER_GONE,
        TestStep::Open
        | TestStep::Read
        | TestStep::Secret
        | TestStep::Token
        | TestStep::Autodiscover
        | TestStep::Resolve
        | TestStep::Connect
        | TestStep::Tls
        | TestStep::Greet
        | TestStep::Authenticate
        | TestStep::ForwardRule
        | TestStep::Send
        | TestStep::ReceiveBack
        | TestStep::Delete
        | TestStep::Close => row,
    })
}

const FOLDER_GONE: Meaning = Meaning {
    codes: &[],
    says: &[],
    key: "folder-gone",
    nature: Nature::Transient,
    scope: Scope::Mailbox,
    meaning: "the service does not find the folder in this mailbox",
    remedy: "look whether the mailbox is still being set up, moved or restored, and whether it opens in Outlook on the web; then \
             `mailplumb test`",
    likely: &[
        "the mailbox was created or given a licence a short time ago and is not ready yet",
        "it is being moved or restored",
    ],
};

const RULES_NOT_PERMITTED: Meaning = Meaning {
    codes: &[],
    says: &[],
    key: "rules-not-permitted",
    nature: Nature::Permanent,
    scope: Scope::Mailbox,
    meaning: "the application may work in the mailbox, and may not look after its inbox rules",
    remedy: "in Exchange Online give it the role `Application MailboxSettings.ReadWrite` with a scope that contains the mailbox \
             (`New-ManagementRoleAssignment`), wait up to two hours until it takes effect, then `mailplumb test`; or leave \
             `forwardTo` out and have the rule made by hand",
    likely: &[
        "the role for inbox rules was never assigned: the ones for mail do not contain it",
        "it was given less than two hours ago and has not spread yet",
    ],
};

const RULE_NOT_TAKEN: Meaning = Meaning {
    codes: &[],
    says: &[],
    key: "rule-not-taken",
    nature: Nature::Permanent,
    scope: Scope::Mailbox,
    meaning: "the service does not take the inbox rule that forwards the mail",
    remedy: "correct what the message names: most often the address in `forwardTo`, which has to exist; a mailbox that is full of \
             rules needs room for one more",
    likely: &[
        "the forward mailbox is unknown to this tenant",
        "the person's rules take up all the room that a mailbox has for them (RulesQuota)",
    ],
};

/// The row of a refusal: of its code, or else of its status.
pub fn find(status: u16, code: &str) -> Option<&'static Meaning> {
    let row = |wanted: &str| {
        ALL.iter().find(|meaning| meaning.codes.iter().any(|it| it.eq_ignore_ascii_case(wanted)))
    };
    row(code).filter(|_| !code.is_empty()).or_else(|| row(&format!("HTTP {status}")))
}

/// The stable code, the nature and the scope of a known refusal.
pub fn class(step: TestStep, status: u16, code: &str) -> Option<(&'static str, Nature, Scope)> {
    find_at(step, status, code).map(|meaning| (meaning.key, meaning.nature, meaning.scope))
}

/// What a known refusal means, and what to do.
pub fn words(step: TestStep, status: u16, code: &str) -> Option<(String, String)> {
    find_at(step, status, code).map(|meaning| (meaning.meaning.to_owned(), meaning.remedy.to_owned()))
}

/// What mostly is behind a refusal of Graph; most likely first. `None`: it is another failure, or an unknown code.
#[expect(clippy::wildcard_enum_match_arm, reason = "all others are no answers of Graph")]
pub fn likely(error: &RemoteError) -> Option<&'static [&'static str]> {
    match &error.cause {
        Cause::Graph { status, code, .. } => find_at(error.step, *status, code).map(|meaning| meaning.likely),
        _ => None,
    }
}

/// Every row.
pub const ALL: &[Meaning] = &[
    Meaning {
        codes: &["ErrorAccessDenied", "Authorization_RequestDenied", "AccessDenied", "HTTP 403"],
        says: &[],
        key: "application-not-permitted",
        nature: Nature::Permanent,
        scope: Scope::Mailbox,
        meaning: "the application signed in, and may not do this in this mailbox",
        remedy: "in Exchange Online give it the roles `Application Mail.ReadWrite` and `Application Mail.Send` with a scope \
                 that contains the mailbox (`New-ManagementRoleAssignment`), look with `Test-ServicePrincipalAuthorization`, \
                 wait up to two hours until it takes effect, then `mailplumb test`",
        likely: &[
            "the role assignment (RBAC for Applications) is missing, or its scope does not contain this mailbox",
            "it was given less than two hours ago and has not spread yet",
            "a consent to the permissions in Entra is missing, where no role is assigned",
            "an application access policy (the former way) keeps the application out of this mailbox",
        ],
    },
    Meaning {
        codes: &["ErrorSendAsDenied"],
        says: &[],
        key: "send-as-denied",
        nature: Nature::Permanent,
        scope: Scope::Message,
        meaning: "the message names a sender as whom this mailbox may not send",
        remedy: "send it from the mailbox whose address stands in From, or give this mailbox the right Send As",
        likely: &["the From of the message is another address than the mailbox's"],
    },
    Meaning {
        codes: &[
            "MailboxNotEnabledForRESTAPI",
            "ErrorMailboxNotEnabledForRESTAPI",
            "ErrorInvalidLicense",
            "MailboxNotSupportedForRESTAPI",
        ],
        says: &[],
        key: "no-cloud-mailbox",
        nature: Nature::Permanent,
        scope: Scope::Mailbox,
        meaning: "the user has no mailbox in Exchange Online that can be used",
        remedy: "assign an Exchange Online licence or make it a shared mailbox; a mailbox on premises needs a profile of the \
                 type `exchange`",
        likely: &[
            "the licence was taken away, or was given a short time ago",
            "the mailbox lives on an Exchange Server on premises",
        ],
    },
    Meaning {
        codes: &[
            "ErrorInvalidUser",
            "Request_ResourceNotFound",
            "ResourceNotFound",
            "ErrorNonExistentMailbox",
            "ErrorInvalidUserPrincipalName",
        ],
        says: &[],
        key: "no-such-user",
        nature: Nature::Permanent,
        scope: Scope::Mailbox,
        meaning: "the tenant has no user with this address",
        remedy: "declare the user's principal name or primary SMTP address, or the tenant to which it belongs",
        likely: &["a typing error in the address", "an alias, which Graph does not find", "another tenant"],
    },
    Meaning {
        codes: &["ErrorItemNotFound", "ErrorFolderNotFound", "ErrorInvalidIdMalformed", "HTTP 404"],
        says: &[],
        key: "item-gone",
        nature: Nature::Transient,
        scope: Scope::Message,
        meaning: "what was asked for is not in the mailbox any more",
        remedy: "nothing to do: the next reading sees what is there",
        likely: &["a person or another program removed or archived it meanwhile"],
    },
    Meaning {
        codes: &[
            "ErrorMessageSizeExceeded",
            "ErrorAttachmentSizeLimitExceeded",
            "RequestBodyTooLarge",
            "HTTP 413",
        ],
        says: &[],
        key: "message-too-large",
        nature: Nature::Permanent,
        scope: Scope::Message,
        meaning: "the message is larger than the mailbox may send (35 MB, unless the tenant says otherwise), or cannot be sent in pieces",
        remedy: "send a link instead of the attachment, or raise `MaxSendSize` of the mailbox (`Set-Mailbox`)",
        likely: &[
            "attachments beyond the limit of the mailbox",
            "a large message that is signed or encrypted as a whole, which nobody can take apart",
        ],
    },
    Meaning {
        codes: &["ErrorQuotaExceeded", "HTTP 507"],
        says: &[],
        key: "mailbox-full",
        nature: Nature::Permanent,
        scope: Scope::Mailbox,
        meaning: "the mailbox is full, and sends nothing before there is room",
        remedy: "free some space in the mailbox or raise its quota, then `mailplumb test`",
        likely: &["the mailbox has reached its quota"],
    },
    Meaning {
        codes: &[
            "ErrorSubmissionQuotaExceeded",
            "ErrorExceededMessageLimit",
            "ErrorMessageSubmissionBlocked",
            "ErrorRecipientQuotaExceeded",
        ],
        says: &[],
        key: "sending-limit",
        nature: Nature::Transient,
        scope: Scope::Mailbox,
        meaning: "the mailbox has reached its limit (10,000 recipients a day, 30 messages a minute), or is blocked from sending",
        remedy: "it is tried again by itself; spread large mailings over several mailboxes, and look under restricted \
                 entities in the Defender portal",
        likely: &["a large mailing", "the account was blocked because it seemed to send spam"],
    },
    Meaning {
        codes: &["ErrorInvalidRecipients", "ErrorInvalidSmtpAddress", "ErrorMissingRecipients"],
        says: &[],
        key: "invalid-recipients",
        nature: Nature::Permanent,
        scope: Scope::Message,
        meaning: "the service does not accept a recipient of the message",
        remedy: "correct the recipients and send the message anew",
        likely: &["a typing error in an address"],
    },
    Meaning {
        codes: &[
            "ErrorMimeContentInvalid",
            "ErrorMimeContentInvalidBase64String",
            "ErrorMimeContentConversionFailed",
        ],
        says: &[],
        key: "message-not-understood",
        nature: Nature::Permanent,
        scope: Scope::Message,
        meaning: "the service cannot make a message out of what was sent",
        remedy: "look at the message with `mailplumb outbox show`; its headers or parts break the rules of mail",
        likely: &["a message that another program handed in"],
    },
    Meaning {
        codes: &[
            "ErrorIrresolvableConflict",
            "ErrorStaleObject",
            "ErrorChangeKeyRequired",
            "HTTP 409",
            "HTTP 412",
        ],
        says: &[],
        key: "changed-meanwhile",
        nature: Nature::Transient,
        scope: Scope::Message,
        meaning: "somebody else changed the item at the same time",
        remedy: "nothing to do: it is read again and tried again by itself",
        likely: &["a person or another program works in the same mailbox"],
    },
    Meaning {
        codes: &[
            "syncStateNotFound",
            "syncStateInvalid",
            "resyncRequired",
            "ErrorInvalidSyncStateData",
            "HTTP 410",
        ],
        says: &[],
        key: "delta-link-forgotten",
        nature: Nature::Transient,
        scope: Scope::Mailbox,
        meaning: "the service does not know any more how far the folder was read",
        remedy: "nothing to do: the folder is read again, and what is recorded already is recognised",
        likely: &["the mailbox was moved between servers, or was not read for a long time"],
    },
    Meaning {
        codes: &[
            "ErrorMailboxStoreUnavailable",
            "ErrorMailboxMoveInProgress",
            "ErrorInternalServerTransientError",
        ],
        says: &[],
        key: "mailbox-away",
        nature: Nature::Transient,
        scope: Scope::Mailbox,
        meaning: "the mailbox is not available at present, for example because it is being moved",
        remedy: "nothing to do: it is tried again by itself",
        likely: &["the mailbox is being moved between servers"],
    },
    Meaning {
        codes: &[
            "ErrorInternalServerError",
            "InternalServerError",
            "generalException",
            "UnknownError",
            "HTTP 500",
        ],
        says: &[],
        key: "service-error",
        nature: Nature::Transient,
        scope: Scope::Mailbox,
        meaning: "the service has a problem of its own",
        remedy: "it is tried again by itself; if it stays so, look at the service health of Microsoft 365",
        likely: &["an incident of the service"],
    },
    Meaning {
        codes: &[GRAPH_PAGE],
        says: &[],
        key: "proxy-page",
        nature: Nature::Transient,
        scope: Scope::Profile,
        meaning: "a page for people came in the place of the answer: of a proxy, a gateway or a login in between",
        remedy: "ask whoever runs the proxy why it refuses this machine",
        likely: &["a proxy of the own network that wants a login or forbids the address", "a web filter"],
    },
    Meaning {
        codes: &["HTTP 301", "HTTP 302", "HTTP 307", "HTTP 308", "HTTP 405"],
        says: &[],
        key: "not-graph",
        nature: Nature::Permanent,
        scope: Scope::Profile,
        meaning: "what answers there is not Microsoft Graph",
        remedy: "look for a proxy or a login page between this machine and the service; redirects are never followed, because \
                 the token would go along",
        likely: &["a proxy of the own network", "an entry of the host file that leads elsewhere"],
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
    }

    #[test]
    fn what_is_said_of_a_rule_is_about_the_rule() {
        let key = |step, status, code| find_at(step, status, code).map(|row| row.key);
        assert_eq!(key(TestStep::ForwardRule, 403, "ErrorAccessDenied"), Some("rules-not-permitted"));
        assert_eq!(key(TestStep::Open, 403, "ErrorAccessDenied"), Some("application-not-permitted"));
        assert_eq!(key(TestStep::ForwardRule, 400, "ErrorInvalidRecipients"), Some("rule-not-taken"));
        assert_eq!(key(TestStep::ForwardRule, 400, "ErrorInboxRulesValidationError"), Some("rule-not-taken"));
        assert_eq!(key(TestStep::Open, 400, "ErrorInboxRulesValidationError"), None);
        assert_eq!(key(TestStep::ForwardRule, 507, ""), Some("mailbox-full"));
    }

    #[test]
    fn the_code_says_more_than_the_status() {
        assert_eq!(find(403, "ErrorSendAsDenied").map(|row| row.key), Some("send-as-denied"));
        assert_eq!(find(403, "ErrorSomethingNew").map(|row| row.key), Some("application-not-permitted"));
        assert_eq!(find(403, "").map(|row| row.key), Some("application-not-permitted"));
        assert_eq!(find(418, "ErrorSomethingNew"), None);
        assert!(find(403, "ErrorAccessDenied").unwrap().remedy.contains("two hours"));
    }
}
