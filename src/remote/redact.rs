//! Takes the password out of what a server says.
//!
//! Some servers repeat the line that they did not understand, and that line may have been the login. Their words are
//! shown, stored with the state and put into alerts, so every connector is wrapped here, in one place: whatever comes
//! back from a server as words is searched for the password of that very connection, as it is and in the forms in which
//! logins send it. Messages themselves are not touched.

mod forms;
mod renewed;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{Arrivals, Connector, Receive, Rested, SetAside, Submit, Trace, Traced, Wake};
use crate::model::claim::{Claimed, Wish};
use crate::model::cursor::{Content, Cursor, Fetched, Listed, Listing, Part, RemoteId};
use crate::model::failure::{CUT, Cause, RemoteError};
use crate::model::forwarding::{RuleOutcome, RuleWish};
use crate::model::name::Address;
use crate::model::outbox::{Attempt, RecipientResult, Submitted};
use crate::model::record::{Categorised, Standing};
use crate::model::secret::Secret;
use crate::model::server::{Destination, Login, TokenClient, TokenProof};
use crate::protocol::{disguise, oauth2};
use forms::forms;

/// Stands where a password stood.
const MASK: &str = "[password]";
/// Shorter texts are found everywhere by chance; masking them would only show where they are.
const FORM_BYTES_MIN: usize = 4;

/// Access tokens of one session that are looked for: the last ones.
const TOKENS_MAX: usize = 3;

/// A connector whose words do not hold the password that it was given.
pub struct Redacting(pub Arc<dyn Connector>);

/// The password of one connection, in every form that a login gives it.
#[derive(Clone)]
pub(super) struct Password {
    /// Longest first, because a form may be part of another. Of an access token that took the place of another one, too.
    forms: Arc<Mutex<Vec<Forms>>>,
    /// As somebody types it.
    typed: Option<Arc<Secret<String>>>,
}

type Forms = Arc<[Secret<String>]>;

impl Password {
    fn of(login: &Login) -> Self {
        let forms = match login {
            Login::Anonymous | Login::Host => return Self::of_forms(Vec::new(), None),
            Login::Password { username, password } => forms(username, password.expose()),
            Login::Oauth2 { username: _, client } => return Self::of_client(client),
        };
        let typed = match login {
            Login::Password { username: _, password } => Some(password),
            Login::Anonymous | Login::Host | Login::Oauth2 { .. } => None,
        };
        Self::of_forms(forms, typed)
    }

    /// The secret of a client that asks for tokens, also as a form and an HTTP header hold it.
    pub(super) fn of_client(client: &TokenClient) -> Self {
        let secret = match &client.proof {
            TokenProof::Secret(secret) => secret,
            // A key never leaves this machine, so nobody can repeat it.
            TokenProof::Certificate { .. } => return Self::of_forms(Vec::new(), None),
        };
        let mut all = forms(&client.id, secret.expose());
        let encoded = Secret::new(oauth2::encoded(secret.expose()));
        all.extend(forms(&client.id, encoded.expose()));
        Self::of_forms(all, Some(secret))
    }

    fn of_forms(forms: Vec<Secret<String>>, typed: Option<&Secret<String>>) -> Self {
        let typed = typed.map(|secret| Arc::new(Secret::new(secret.expose().clone())));
        let password = Self { forms: Arc::default(), typed };
        password.learn(forms);
        password
    }

    /// From now on these are looked for as well.
    fn learn(&self, mut forms: Vec<Secret<String>>) {
        forms.retain(|form| form.expose().len() >= FORM_BYTES_MIN);
        forms.sort_by_key(|form| std::cmp::Reverse(form.expose().len()));
        let mut known = self.forms.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(0, forms.into());
        // What was good long ago is good for nobody any more.
        known.truncate(TOKENS_MAX);
    }

    fn known(&self) -> Vec<Forms> {
        self.forms.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn mask(&self, words: &mut String) {
        let known = self.known();
        for form in known.iter().flat_map(|forms| forms.iter()).map(Secret::expose) {
            if words.contains(form.as_str()) {
                *words = words.replace(form.as_str(), MASK);
            }
            if words.contains(CUT) {
                *words = without_cut_form(words, form);
            }
        }
        let Some(typed) = &self.typed else { return };
        for (from, to) in disguise::places(words, typed.expose(), FORM_BYTES_MIN).into_iter().rev() {
            words.replace_range(from..to, MASK);
        }
    }

    fn mask_answer(&self, fetched: &mut Fetched) {
        fetched.rebuilt.iter_mut().for_each(|words| self.mask(words));
        match &mut fetched.content {
            Content::Refused(said) | Content::Deferred(said) => self.mask(said),
            Content::Bytes(_) | Content::Streamed(_) | Content::Vanished | Content::TooLarge(_) => {}
        }
    }

    pub(super) fn error(&self, mut error: RemoteError) -> RemoteError {
        error.cause.words_mut().into_iter().for_each(|words| self.mask(words));
        error
    }
}

/// Where a server's words were cut, the cut may go through the password.
fn without_cut_form(words: &str, form: &str) -> String {
    let mut parts: Vec<String> = words.split(CUT).map(str::to_owned).collect();
    let before_cuts = parts.len() - 1;
    for part in parts.iter_mut().take(before_cuts) {
        let begins = |end: &usize| form.is_char_boundary(*end) && part.ends_with(&form[..*end]);
        if let Some(length) = (FORM_BYTES_MIN..form.len()).rev().find(begins) {
            part.truncate(part.len() - length);
            part.push_str(MASK);
        }
    }
    parts.join(&CUT.to_string())
}

#[async_trait]
impl Connector for Redacting {
    async fn receive(
        &self,
        destination: &Destination,
        trace: &mut Trace,
    ) -> Result<Box<dyn Receive>, RemoteError> {
        let password = Password::of(&destination.login);
        renewed::learn(&password, &destination.login, trace);
        let session = self.0.receive(destination, trace).await;
        trace.reword(|words| password.mask(words));
        match session {
            Ok(session) => Ok(Box::new(Receiving { session, password })),
            Err(error) => Err(password.error(error)),
        }
    }

    async fn submit(
        &self,
        destination: &Destination,
        trace: &mut Trace,
    ) -> Result<Box<dyn Submit>, RemoteError> {
        let password = Password::of(&destination.login);
        renewed::learn(&password, &destination.login, trace);
        let session = self.0.submit(destination, trace).await;
        trace.reword(|words| password.mask(words));
        match session {
            Ok(session) => Ok(Box::new(Submitting { session, password })),
            Err(error) => Err(password.error(error)),
        }
    }

    fn traces_sent(&self) -> bool {
        self.0.traces_sent()
    }
}

struct Receiving {
    session: Box<dyn Receive>,
    password: Password,
}

#[async_trait]
impl Receive for Receiving {
    fn wants_from(&mut self, from: Option<Timestamp>) {
        self.session.wants_from(from);
    }

    fn can_claim(&self) -> bool {
        self.session.can_claim()
    }

    async fn claim(&mut self, wish: &Wish) -> Result<Claimed, RemoteError> {
        self.session.claim(wish).await.map_err(|error| self.password.error(error))
    }

    async fn keep_rule(&mut self, wish: &RuleWish) -> Result<RuleOutcome, RemoteError> {
        self.session.keep_rule(wish).await.map_err(|error| self.password.error(error))
    }

    async fn look_for_rule(&mut self, wish: &RuleWish) -> Result<RuleOutcome, RemoteError> {
        self.session.look_for_rule(wish).await.map_err(|error| self.password.error(error))
    }

    async fn list(&mut self, cursor: &Cursor) -> Result<Listing, RemoteError> {
        self.session.list(cursor).await.map_err(|error| self.password.error(error))
    }

    fn tries_last(&mut self, messages: BTreeSet<RemoteId>) {
        self.session.tries_last(messages);
    }

    fn standing(&self, message: &RemoteId) -> Standing {
        self.session.standing(message)
    }

    fn categorised(&self) -> Vec<Categorised> {
        self.session.categorised()
    }

    fn holds(&self) -> u64 {
        self.session.holds()
    }

    async fn fetch(&mut self, messages: &[Listed], part: Part) -> Result<Vec<Fetched>, RemoteError> {
        let mut fetched =
            self.session.fetch(messages, part).await.map_err(|error| self.password.error(error))?;
        fetched.iter_mut().for_each(|one| self.password.mask_answer(one));
        Ok(fetched)
    }

    async fn fetch_each(
        &mut self,
        messages: &[Listed],
        arrivals: &mut dyn Arrivals,
    ) -> Result<(), RemoteError> {
        let mut masked = Masked { arrivals, password: &self.password };
        let fetched = self.session.fetch_each(messages, &mut masked).await;
        fetched.map_err(|error| self.password.error(error))
    }

    async fn set_aside(
        &mut self,
        messages: &[RemoteId],
        known: Option<&str>,
    ) -> Result<Option<SetAside>, RemoteError> {
        self.session.set_aside(messages, known).await.map_err(|error| self.password.error(error))
    }

    async fn delete_and_close(self: Box<Self>, messages: &[RemoteId]) -> Result<Vec<RemoteId>, RemoteError> {
        let Self { session, password } = *self;
        session.delete_and_close(messages).await.map_err(|error| password.error(error))
    }

    async fn delete_and_rest(self: Box<Self>, messages: &[RemoteId]) -> Result<Rested, RemoteError> {
        let Self { session, password } = *self;
        let rested = session.delete_and_rest(messages).await;
        let Rested { removed, session } = rested.map_err(|error| password.error(error))?;
        let session = session.map(|session| Box::new(Self { session, password }) as Box<dyn Receive>);
        Ok(Rested { removed, session })
    }

    fn can_wait(&self) -> bool {
        self.session.can_wait()
    }

    fn let_go(&mut self) {
        self.session.let_go();
    }

    fn waits_apart(&self) -> bool {
        self.session.waits_apart()
    }

    async fn wait_for_mail(
        &mut self,
        stop: &CancellationToken,
        limit: Duration,
    ) -> Result<Wake, RemoteError> {
        self.session.wait_for_mail(stop, limit).await.map_err(|error| self.password.error(error))
    }
}

/// Hands on what arrives, without the password in the server's words.
struct Masked<'a> {
    arrivals: &'a mut dyn Arrivals,
    password: &'a Password,
}

#[async_trait]
impl Arrivals for Masked<'_> {
    async fn piece(&mut self, octets: Bytes) -> Result<(), Cause> {
        self.arrivals.piece(octets).await
    }

    async fn message(&mut self, mut fetched: Fetched) -> Result<(), Cause> {
        self.password.mask_answer(&mut fetched);
        self.arrivals.message(fetched).await
    }
}

struct Submitting {
    session: Box<dyn Submit>,
    password: Password,
}

#[async_trait]
impl Submit for Submitting {
    fn begins(&mut self, attempt: Attempt) {
        self.session.begins(attempt);
    }

    async fn send(
        &mut self,
        from: &Address,
        recipients: &[Address],
        raw: &[u8],
    ) -> Result<Submitted, RemoteError> {
        let mut submitted =
            self.session.send(from, recipients, raw).await.map_err(|error| self.password.error(error))?;
        for result in &mut submitted.recipients {
            match result {
                RecipientResult::Accepted { said: words }
                | RecipientResult::Deferred { said: words }
                | RecipientResult::Refused { said: words }
                | RecipientResult::Unsure { detail: words } => self.password.mask(words),
            }
        }
        Ok(submitted)
    }

    async fn trace_sent(&mut self, raw: &[u8]) -> Result<Traced, RemoteError> {
        let traced = self.session.trace_sent(raw).await.map_err(|error| self.password.error(error))?;
        Ok(match traced {
            Traced::Sent { mut said } => {
                self.password.mask(&mut said);
                Traced::Sent { said }
            }
            Traced::NoTrace | Traced::Unknown => traced,
        })
    }

    fn may_have_taken(&self) -> bool {
        self.session.may_have_taken()
    }

    fn is_open(&self) -> bool {
        self.session.is_open()
    }

    async fn close(self: Box<Self>) {
        self.session.close().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::failure::{TestStep, server_words};

    fn password(text: &str) -> Password {
        let password = Secret::new(text.to_owned());
        Password::of(&Login::Password { username: "anna".to_owned(), password })
    }

    fn masked(secret: &str, words: &str) -> String {
        let mut words = words.to_owned();
        password(secret).mask(&mut words);
        words
    }

    #[test]
    fn a_login_that_is_repeated_loses_its_password_in_every_form() {
        assert_eq!(masked("hunter2", "bad PASS hunter2, hunter2"), "bad PASS [password], [password]");
        assert_eq!(masked("a\"b\\c", r#"BAD LOGIN anna "a\"b\\c""#), r#"BAD LOGIN anna "[password]""#);
        assert_eq!(masked("hunter2", "AUTH PLAIN AGFubmEAaHVudGVyMg=="), "AUTH PLAIN [password]");
        assert_eq!(masked("hunter2", "535 aHVudGVyMg=="), "535 [password]");
        assert_eq!(masked("hunter2", "AUTH PLAIN AGJlbgBodW50ZXIy"), "AUTH PLAIN AGJlbgB[password]");
        assert_eq!(masked("tab\there", "said tab here"), "said [password]");
        assert_eq!(masked("a b/c+ü", "p=a%20b%2Fc%2B%C3%BC"), "p=[password]");
        assert_eq!(masked("a b/c+ü", "p=a%20b%2fc%2b%c3%bc&"), "p=[password]&");
        assert_eq!(masked("a b/c+ü", "p=a+b%2Fc%2B%C3%BC"), "p=[password]");
        assert_eq!(masked("a-b~c.d", "p=a%2Db%7Ec%2Ed&"), "p=[password]&");
        assert_eq!(masked("hunter2", "0x68756e74657232 or 68756E74657232"), "0x[password] or [password]");
    }

    #[test]
    fn a_password_in_disguise_is_masked_too() {
        assert_eq!(masked("hunter2!", "you said &#104;UNTER2&excl; there"), "you said [password] there");
        assert_eq!(masked("hunter2!", r#"{"pass":"\u0068unter2!"}"#), r#"{"pass":"[password]"}"#);
        assert_eq!(masked("hunter2!", "68 75 6e 74 65 72 32 21"), "[password]");
        assert_eq!(masked("gr\u{fc}n!Tee", "no gru\u{308}n!Tee"), "no [password]", "decomposed");
        assert_eq!(masked("gr\u{fc}n!Tee", "no GR\u{dc}N!TEE"), "no [password]", "in capitals");
        assert_eq!(masked("gru\u{308}n!Tee", "no gr%C3%BCn!Tee"), "no [password]", "composed, and escaped");
    }

    #[test]
    fn words_that_were_cut_in_the_password_do_not_show_its_beginning() {
        let said = server_words(&format!("{}correct horse battery", "x".repeat(480)));
        let shown = masked("correct horse battery", &said);
        assert!(!shown.contains("corr") && shown.contains(MASK), "{shown}");
    }

    #[test]
    fn a_very_short_password_is_not_searched_for() {
        assert_eq!(masked("ok", "+OK looks ok"), "+OK looks ok");
    }

    #[test]
    fn every_error_with_words_is_searched() {
        let said = || "hunter2".to_owned();
        for cause in [
            Cause::LoginRefused { said: said() },
            Cause::Garbage { detail: said() },
            Cause::NoMechanism { wanted: "plain".to_owned(), offered: vec![said()] },
            Cause::WrongProtocol { protocol: "POP3".to_owned(), said: said() },
        ] {
            let error = password("hunter2").error(RemoteError::new(TestStep::Authenticate, cause));
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }
}
