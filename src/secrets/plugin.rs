//! What age and its plugins say when something goes wrong, and what that means. A plugin is a program of its own, so its words
//! are somebody else's.

use std::fmt;
use std::io::ErrorKind;

use age::{DecryptError, NoCallbacks, plugin};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::UnsealError;

/// More is not read by anybody.
const WORDS_SHOWN_MAX: usize = 300;

/// What it means that a plugin's identity did not open a ciphertext.
pub(super) fn fault(name: &str, error: &DecryptError) -> UnsealError {
    let unusable = |detail: String| UnsealError::IdentityUnusable { plugin: name.to_owned(), detail };
    match error {
        // age passes over a plugin that cannot be started, as if the ciphertext were for somebody else.
        DecryptError::NoMatchingKeys if !is_installed(name) => {
            unusable("it is not installed any more".to_owned())
        }
        DecryptError::NoMatchingKeys => UnsealError::NotForThisIdentity { sealed_to: Vec::new() },
        // A ciphertext that ends early.
        DecryptError::Io(error) if error.kind() == ErrorKind::UnexpectedEof => {
            UnsealError::Damaged(words(error))
        }
        DecryptError::Plugin(_)
        | DecryptError::PluginResolve(_)
        | DecryptError::Io(_)
        | DecryptError::DecryptionFailed
        | DecryptError::KeyDecryptionFailed => unusable(without_name(name, &words(error))),
        DecryptError::ExcessiveWork { .. }
        | DecryptError::InvalidHeader
        | DecryptError::InvalidMac
        | DecryptError::UnknownFormat
        | _ => UnsealError::Damaged(words(error)),
    }
}

/// age begins with the plugin's name, which is said already.
fn without_name(name: &str, words: &str) -> String {
    let begin = format!("'age-plugin-{name}' couldn't use an identity: ");
    words.strip_prefix(&begin).unwrap_or(words).to_owned()
}

fn is_installed(name: &str) -> bool {
    plugin::IdentityPluginV1::new(name, &[], NoCallbacks).is_ok()
}

/// Ends the plugins that this process has begun and that still run. age waits for one as long as it takes; whoever was
/// interrupted waits no more, and a plugin that hangs would go on without a parent. Linux tells the children; elsewhere they
/// end when they notice that nobody listens.
pub fn end_running() {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let listed = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    for child in listed.flat_map(|children| pids(&children)).filter(|pid| is_plugin(*pid)) {
        let _ = kill(Pid::from_raw(child), Signal::SIGTERM);
    }
}

fn pids(children: &str) -> Vec<i32> {
    children.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// Every plugin is begun with this argument, whatever interpreter it runs in.
fn is_plugin(pid: i32) -> bool {
    let begins = |argument: &[u8]| argument.starts_with(b"--age-plugin=");
    std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.split(|byte| *byte == 0).any(begins))
}

/// Words of age on one line: they may span several, be set between marks of writing direction, and end with a full stop. What
/// age advises its own developers to do is left out.
pub(super) fn words(error: &dyn fmt::Display) -> String {
    let text = error.to_string();
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    // Several errors are a list; anything else behind the first line is advice.
    let items: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix("- ")).collect();
    let line = if items.is_empty() {
        lines.first().copied().unwrap_or_default().to_owned()
    } else {
        items.join("; ")
    };
    let shown: String = line
        .chars()
        .filter(|c| !is_direction_mark(*c))
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(WORDS_SHOWN_MAX)
        .collect();
    let mut letters = shown.trim().trim_end_matches('.').chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// The invisible characters that change the direction of writing.
pub(super) fn is_direction_mark(c: char) -> bool {
    matches!(c, '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_one_line_without_marks_and_without_advice_for_developers() {
        let died = "'\u{2068}age-plugin-x\u{2069}' unexpectedly died.\nIf you are developing a plugin, run with AGEDEBUG\nWarning: …";
        assert_eq!(words(&died), "'age-plugin-x' unexpectedly died");
        assert_eq!(words(&"Plugin returned multiple errors:\n- one\n- two\u{1b}[31m\n"), "one; two [31m");
        assert_eq!(words(&"é".repeat(1000)).chars().count(), WORDS_SHOWN_MAX);
        assert_eq!(words(&""), "");
    }

    #[test]
    fn a_failing_plugin_says_nothing_of_the_ciphertext() {
        let aborted = DecryptError::Io(ErrorKind::ConnectionAborted.into());
        for error in [aborted, DecryptError::DecryptionFailed, DecryptError::NoMatchingKeys] {
            let fault = fault("no-such-plugin", &error);
            assert!(matches!(fault, UnsealError::IdentityUnusable { .. }), "{fault}");
        }
        let cut = DecryptError::Io(ErrorKind::UnexpectedEof.into());
        for error in [cut, DecryptError::InvalidMac] {
            let fault = fault("no-such-plugin", &error);
            assert!(matches!(fault, UnsealError::Damaged(_)), "{fault}");
        }
    }
}
