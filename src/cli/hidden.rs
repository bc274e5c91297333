//! Asking for what nobody may read over a shoulder.

use std::io::{self, stdin};
use std::os::fd::AsFd;

use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use super::output;
use crate::model::secret::Secret;

/// A terminal that shows nothing of what is typed, until this is dropped. It is made before the question is asked: whoever
/// answers at once, a program for example, would be shown otherwise, or not be heard.
pub struct Unseen {
    before: Termios,
}

impl Unseen {
    /// What was typed before is no answer, and is forgotten.
    pub fn begin() -> io::Result<Self> {
        let before = tcgetattr(stdin().as_fd())?;
        let mut unseen = before.clone();
        unseen.local_flags.remove(LocalFlags::ECHO);
        tcsetattr(stdin().as_fd(), SetArg::TCSAFLUSH, &unseen)?;
        Ok(Self { before })
    }

    /// One line, without its end. Nothing at all is asked for again.
    pub fn ask(&self, question: &str) -> io::Result<Secret<String>> {
        loop {
            output::fragment(&format!("{}: ", output::shown(question)));
            let mut line = Zeroizing::new(String::new());
            let count = stdin().read_line(&mut line)?;
            output::fragment("\n");
            if count == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "nothing was typed"));
            }
            let answer = line.trim_end_matches(['\r', '\n']);
            if !answer.is_empty() {
                return Ok(Secret::new(answer.to_owned()));
            }
        }
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        // Nothing that was typed meanwhile is thrown away. A terminal that is gone needs nothing.
        let _ = tcsetattr(stdin().as_fd(), SetArg::TCSADRAIN, &self.before);
    }
}

/// Asks one question of the person at the terminal.
pub fn ask(question: &str) -> io::Result<Secret<String>> {
    Unseen::begin()?.ask(question)
}

/// The same twice, until both answers are the same.
pub fn ask_twice(question: &str) -> io::Result<Secret<String>> {
    let unseen = Unseen::begin()?;
    loop {
        let (one, other) = (unseen.ask(question)?, unseen.ask("Once more")?);
        if one.expose() == other.expose() {
            return Ok(one);
        }
        output::talk("the two differ");
    }
}
