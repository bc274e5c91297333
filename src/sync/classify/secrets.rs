//! What it means when this machine cannot open a secret, and what to do.

use super::said;

pub(super) fn identity_unusable() -> (String, String) {
    said(
        "the age plugin that has this machine's key did not open the secret; the secret itself is not to blame",
        "connect its token, run the command on a terminal where it can ask, or give another identity with --identity",
    )
}

pub(super) fn no_identity() -> (String, String) {
    said(
        "this machine holds no key for the secret",
        "give one with --identity, MAILPLUMB_AGE_KEY_FILE or $CREDENTIALS_DIRECTORY/age.key",
    )
}
