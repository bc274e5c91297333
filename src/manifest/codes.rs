//! Every code a problem of a manifest can have. A code is never used again for something else.

/// `MP0001`: what scripts and people look up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code(pub &'static str);

macro_rules! codes {
    ($($name:ident = $code:literal $meaning:literal;)*) => {
        $(#[doc = $meaning] pub const $name: Code = Code($code);)*
        /// Every code with its meaning in one line.
        pub const ALL: &[(Code, &str)] = &[$((Code($code), $meaning)),*];
    };
}

codes! {
    // the file and its YAML
    NOT_UTF8 = "MP0001" "a file is not UTF-8 text";
    CONTROL_CHARACTER = "MP0002" "a control or invisible character";
    SYNTAX = "MP0003" "a document is not YAML";
    SECRET_SYNTAX = "MP0004" "a Secret document is not YAML; its text is not shown";
    ANCHOR = "MP0005" "anchors, aliases and merge keys are not read";
    TAG = "MP0006" "tags are not read";
    DUPLICATE_KEY = "MP0007" "a key stands twice in one map";
    KEY_NOT_TEXT = "MP0008" "a key is not a text";
    TOO_DEEP = "MP0009" "a document is nested too deeply";
    TOO_MANY_PROBLEMS = "MP0012" "more problems than are kept";
    UNREADABLE = "MP0011" "a file that cannot be read";
    TOO_LARGE = "MP0010" "a file, a document or the number of its nodes exceeds a limit";
    // the shape of a document
    NOT_A_MAP = "MP0020" "a document is not a map";
    API_VERSION = "MP0021" "`apiVersion` is missing or unknown";
    KIND = "MP0022" "`kind` is missing or unknown";
    UNKNOWN_KEY = "MP0023" "a key that does not exist at this place";
    UNKNOWN_VALUE = "MP0024" "a value that is none of the possible ones";
    MISSING_KEY = "MP0025" "a required key is missing";
    WRONG_TYPE = "MP0026" "a value of another type is expected";
    EMPTY_VALUE = "MP0027" "a key without a value";
    INVALID_VALUE = "MP0028" "a value that cannot be read";
    CHOICE = "MP0029" "a choice needs exactly one key";
    PLAINTEXT = "MP0030" "a secret value in plain text";
    SECRET_SHAPE = "MP0031" "something in a secret has another shape than expected; its line is not shown";
    SHAPE = "MP0032" "a text stands where a map is expected, or the other way round; as it may be a secret, it is not shown";
    UNKNOWN_KEY_HIDDEN = "MP0033" "a key that does not exist at this place; as its value may be a secret, it is not shown";
    // names and references
    ORGANIZATION = "MP0040" "a manifest has exactly one Organization";
    DUPLICATE_NAME = "MP0041" "two documents of one kind have the same name";
    DUPLICATE_ADDRESS = "MP0042" "two mailboxes have the same address";
    UNKNOWN_PROFILE = "MP0043" "a profile that does not exist";
    UNKNOWN_SECRET = "MP0044" "a secret or a key of a secret that does not exist";
    UNKNOWN_RECIPIENT = "MP0045" "a recipient that the organization does not name";
    UNKNOWN_FILE = "MP0046" "a file that is not part of the manifest";
    UNKNOWN_TRUST = "MP0047" "a CA bundle that the host file does not name";
    PREVIOUS_NAME = "MP0048" "a previous name that is in use";
    // secrets and recipients
    NOT_ARMOURED = "MP0050" "a value under `age` is not an armoured age ciphertext";
    RECIPIENT = "MP0051" "a recipient that is no age recipient";
    PRIVATE_KEY = "MP0052" "a private age identity in the manifest";
    EMPTY_SECRET = "MP0053" "a Secret without values";
    SEALED_TO_NOBODY = "MP0054" "a ciphertext that no recipient of the organization can read, or that names none";
    BUNDLE_NOT_AGE = "MP0055" "a bundle's file is not an age file";
    SEALED_TO_DIFFERS = "MP0056" "a ciphertext for fewer recipients than `sealedTo` names";
    EXPIRES = "MP0057" "a secret, or the certificate of an application, that expires soon, or has expired";
    SSH_RECIPIENT = "MP0058" "an SSH key as recipient, which this build does not read";
    // profiles (P-01 to P-17)
    LOCATION = "MP0060" "P-01, P-02: a location is a host name, or for Exchange the URL of its web service";
    CREDENTIALS_OVER_HTTP = "MP0062" "P-04: a secret would travel over HTTP, and the host forbids it";
    NO_TLS = "MP0063" "P-05: mail without TLS, and the host forbids it";
    PLAINTEXT_LOGIN = "MP0064" "P-05: a password would travel without TLS, and the host forbids it";
    WINDOWS_INTEGRATED = "MP0065" "P-06: Windows integrated authentication exists for Exchange and SMTP only";
    ANONYMOUS = "MP0066" "P-07: anonymous exists for SMTP only";
    SERVER_TO_SERVER = "MP0067" "P-08, P-17: what proves the application to the tenant";
    ACCESS = "MP0068" "P-09: impersonation or delegation, where it is needed and where it is not possible";
    OUT_OF_RANGE = "MP0069" "P-13, P-14: a number outside its range";
    AD_AUTHENTICATION = "MP0070" "P-15: Negotiate, NTLM and Kerberos, and the host forbids them";
    AUTHENTICATION = "MP0071" "an authentication protocol that does not fit the credentials";
    SHARED_INBOX = "MP0073" "a profile's own login for reading POP3 or IMAP: every mailbox would read the same inbox";
    HOST_DEPENDENT = "MP0072" "P-04, P-05, P-15: whether this is allowed depends on the host file";
    // mailboxes
    ACT_IMPOSSIBLE = "MP0080" "P-11, P-16: appointments, contacts and tasks need an Exchange type";
    FOLDERS_IMPOSSIBLE = "MP0081" "P-12: tracked folders exist for Exchange only";
    OUTGOING_IMPOSSIBLE = "MP0082" "P-16: this mailbox or profile cannot send";
    INCOMING_IMPOSSIBLE = "MP0083" "a forward mailbox cannot be served by a forward mailbox";
    NO_PROFILE = "MP0084" "a method other than `none` without a profile";
    NO_CREDENTIALS = "MP0085" "the profile takes each mailbox's credentials, and this one has none";
    UNUSED_CREDENTIALS = "MP0086" "credentials of a mailbox that its profile does not use";
    APPROVED_OTHER_ADDRESS = "MP0087" "an approval of another address";
    APPROVAL_SOURCE = "MP0088" "an approval at a place that the organization does not use";
    APPROVAL_UNUSED = "MP0089" "an approved address that no mailbox has";
    ASSIGNMENTS_DISAGREE = "MP0090" "two assignments give one mailbox different values";
    SELECTS_NOTHING = "MP0091" "an assignment that selects no mailbox";
    FORWARD_TO = "MP0093" "a rule that forwards mail where none can be made, or to no forward mailbox";
    FOLDER_PATH = "MP0098" "P-12: a tracked folder that no folder can be";
    EMPTY_SELECTOR = "MP0099" "a selector that names nothing to select by";
    DELETE_AFTER_PROCESSING = "MP0092" "mail of users is never deleted after processing";
    // layers
    LAYER_DUPLICATE = "MP0095" "a layer has two documents or two mailboxes of a list with one name";
    NOTHING_TO_REMOVE = "MP0096" "a layer removes what no earlier layer has";
    REMOVAL_WITH_CONTENT = "MP0097" "something that is removed has a content beside its name";
    // CSV
    CSV = "MP0100" "a CSV file that cannot be read";
    // the rest
    NOT_YET = "MP0110" "a setting that this version does not act on";
    RETIRING = "MP0150" "something that a provider switches off on a date";
    RETIRED = "MP0151" "something that a provider has switched off; a plan refuses new and changed profiles that need it";
    HOST_FILE = "MP0120" "a host file that cannot be read";
    FORMAT = "MP0140" "a file that cannot be formatted without changing what it says";
    EDIT = "MP0130" "a file in which a secret cannot be set";
}

/// How much of the source may be shown beside a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Showing {
    Source,
    /// The marked bytes hold, or may hold, a secret value.
    MaskSpan,
    /// The marked bytes are a key that is misspelt or stands in the wrong place: what follows on its line may be a secret.
    MaskValue,
    /// Anything on the line may be a secret value.
    MaskLine,
}

/// What a renderer may show of the place of a problem with this code.
pub fn showing(code: &str) -> Showing {
    let is_one_of = |codes: &[Code]| codes.iter().any(|known| known.0 == code);
    // Values are edited in Secrets only, so what stands in the way may be one.
    if is_one_of(&[SECRET_SYNTAX, SECRET_SHAPE, EDIT]) {
        Showing::MaskLine
    } else if is_one_of(&[PLAINTEXT, NOT_ARMOURED, PRIVATE_KEY, RECIPIENT, SHAPE]) {
        Showing::MaskSpan
    } else if is_one_of(&[UNKNOWN_KEY_HIDDEN, DUPLICATE_KEY]) {
        Showing::MaskValue
    } else {
        Showing::Source
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_are_unique() {
        let codes: BTreeSet<_> = ALL.iter().map(|(code, _)| code.0).collect();
        assert_eq!(codes.len(), ALL.len());
    }

    #[test]
    fn a_plaintext_secret_is_never_shown() {
        assert_eq!(showing(PLAINTEXT.0), Showing::MaskSpan);
    }
}
