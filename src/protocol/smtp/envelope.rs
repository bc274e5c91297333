//! MAIL, RCPT and DATA: up to the go-ahead for the message itself. Whatever happens here, nobody has the message.

use std::borrow::Cow;
use std::collections::VecDeque;

use bytes::BytesMut;

use super::content::{Alphabet, Content, Transfer};
use super::dsn;
use super::hello::{Capabilities, SizeLimit};
use super::reply::{Class, Replies, Reply};
use crate::model::failure::Cause;
use crate::model::limits;
use crate::model::name::Address;
use crate::model::outbox::{RecipientResult, Submitted};
use crate::protocol::{Conversation, Progress};

/// One transaction up to DATA. An error ends the session.
pub struct Envelope {
    mail: String,
    recipients: Vec<Address>,
    /// One for each recipient; `None`: not refused so far.
    results: Vec<Option<RecipientResult>>,
    unsaid: VecDeque<Command>,
    /// Said, and not yet answered.
    owed: VecDeque<Command>,
    window: usize,
    transfer: Transfer,
    /// Whether the server returns what it cannot deliver as we ask it to.
    offers_dsn: bool,
    standing: Standing,
    replies: Replies,
    /// Those replies so far.
    answers: usize,
}

#[derive(Debug, Clone, Copy)]
enum Command {
    Mail,
    /// The index of the recipient.
    Rcpt(usize),
    Data,
}

/// What the server has made of the transaction so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// No command was said.
    Untouched,
    /// No recipient has been accepted.
    NoRecipient,
    Recipients,
    SenderRefused,
    GoAhead,
    /// 354, and nobody to send to.
    UselessGoAhead,
    DataRefused,
}

/// What the server said to the envelope.
#[derive(Debug, PartialEq, Eq)]
pub struct Verdict {
    results: Vec<Option<RecipientResult>>,
    pub next: Next,
}

/// What has to follow the envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// [`super::Delivery`]
    Deliver,
    /// [`super::Abandon`]: the server awaits a message that nobody is to have.
    LoneDot,
    /// [`super::Abandon`]
    Reset,
    /// Nothing was said to the server.
    Nothing,
}

impl Verdict {
    /// The answer for all recipients, where those that the envelope did not refuse have this result.
    pub fn settle(self, rest: &RecipientResult) -> Submitted {
        let recipients = self.results.into_iter().map(|result| result.unwrap_or_else(|| rest.clone()));
        Submitted { recipients: recipients.collect() }
    }

    /// The answer for all recipients when there was no go-ahead.
    pub fn without_delivery(self) -> Submitted {
        self.settle(&RecipientResult::Deferred { said: "not sent: the server gave no go-ahead".to_owned() })
    }
}

impl Envelope {
    /// What the server cannot carry is refused in our words, before anything is said.
    pub fn new(from: &Address, recipients: &[Address], content: &Content, offered: &Capabilities) -> Self {
        let refuse = |words: String| RecipientResult::Refused { said: format!("not sent: {words}") };
        let whole = obstacle(from, content, offered).map(refuse);
        let results: Vec<Option<RecipientResult>> = recipients
            .iter()
            // What is wrong with an address is said of it, also when its message has it in the header.
            .map(|recipient| recipient_obstacle(recipient, offered).map(refuse).or_else(|| whole.clone()))
            .collect();
        let transfer = offered.transfer();
        let open = results.iter().enumerate().filter(|(_, result)| result.is_none());
        let mut unsaid: VecDeque<Command> = open.map(|(index, _)| Command::Rcpt(index)).collect();
        if !unsaid.is_empty() {
            unsaid.push_front(Command::Mail);
            match transfer {
                Transfer::Data => unsaid.push_back(Command::Data),
                Transfer::Chunk => {}
            }
        }
        Self {
            mail: mail_command(from, recipients, content, offered),
            recipients: recipients.to_vec(),
            results,
            unsaid,
            owed: VecDeque::new(),
            window: if offered.pipelining { limits::PIPELINED_COMMANDS_MAX } else { 1 },
            transfer,
            offers_dsn: offered.dsn,
            standing: Standing::Untouched,
            replies: Replies::default(),
            answers: 0,
        }
    }

    /// The next commands, as many as may be said before a reply is read.
    fn speak(&mut self) -> Option<Vec<u8>> {
        if let Standing::NoRecipient = self.standing
            && let Some(Command::Data) = self.unsaid.front()
        {
            self.unsaid.clear();
        }
        let count = self.window.min(self.unsaid.len());
        self.owed = self.unsaid.drain(..count).collect();
        if let Standing::Untouched = self.standing
            && count > 0
        {
            self.standing = Standing::NoRecipient;
        }
        let text: String = self.owed.iter().map(|command| self.line(*command)).collect();
        (count > 0).then(|| text.into_bytes())
    }

    fn line(&self, command: Command) -> String {
        match command {
            Command::Mail => self.mail.clone(),
            Command::Rcpt(index) => {
                let recipient = &self.recipients[index];
                let said = wire(recipient);
                let report = if self.offers_dsn { dsn::recipient(recipient) } else { String::new() };
                format!("RCPT TO:<{said}>{report}\r\n")
            }
            Command::Data => "DATA\r\n".to_owned(),
        }
    }

    fn hear(&mut self, command: Command, reply: &Reply) -> Result<(), Cause> {
        if reply.code == 421 {
            return Err(reply.refusal());
        }
        match command {
            Command::Mail => self.hear_mail(reply),
            Command::Rcpt(index) => self.hear_rcpt(index, reply),
            Command::Data => self.hear_data(reply),
        }
    }

    fn hear_mail(&mut self, reply: &Reply) -> Result<(), Cause> {
        match (reply.class, reply.code) {
            (Class::Success, _) => Ok(()),
            // RFC 4954 section 6, authentication required: the profile is at fault, not the message.
            (Class::Permanent, 530) => Err(Cause::LoginRefused { said: reply.said() }),
            (Class::Transient | Class::Permanent, _) => {
                self.standing = Standing::SenderRefused;
                self.unsaid.clear();
                self.settle_rest(reply);
                Ok(())
            }
            (Class::Intermediate, _) => Err(reply.out_of_place()),
        }
    }

    fn hear_rcpt(&mut self, index: usize, reply: &Reply) -> Result<(), Cause> {
        match (reply.class, self.standing) {
            (Class::Transient | Class::Permanent, Standing::SenderRefused) => Ok(()),
            (Class::Transient | Class::Permanent, _) => {
                self.results[index] = Some(refusal_of_recipient(reply));
                Ok(())
            }
            (Class::Success, Standing::NoRecipient | Standing::Recipients) => {
                self.standing = Standing::Recipients;
                Ok(())
            }
            (Class::Success | Class::Intermediate, _) => Err(reply.out_of_place()),
        }
    }

    fn hear_data(&mut self, reply: &Reply) -> Result<(), Cause> {
        match (reply.class, reply.code, self.standing) {
            (_, 354, Standing::Recipients) => self.standing = Standing::GoAhead,
            (_, 354, _) => self.standing = Standing::UselessGoAhead,
            (Class::Transient | Class::Permanent, _, _) => {
                self.settle_rest(reply);
                self.standing = Standing::DataRefused;
            }
            (Class::Success | Class::Intermediate, _, _) => return Err(reply.out_of_place()),
        }
        Ok(())
    }

    /// A refusal of MAIL or DATA holds for every recipient that has no answer of its own.
    fn settle_rest(&mut self, reply: &Reply) {
        for result in self.results.iter_mut().filter(|result| result.is_none()) {
            *result = Some(refusal(reply));
        }
    }

    fn verdict(&mut self) -> Verdict {
        let next = match (self.standing, self.transfer) {
            (Standing::Untouched, _) => Next::Nothing,
            // BDAT has no go-ahead of its own.
            (Standing::GoAhead, _) | (Standing::Recipients, Transfer::Chunk) => Next::Deliver,
            (Standing::UselessGoAhead, _) => Next::LoneDot,
            (Standing::NoRecipient | Standing::SenderRefused | Standing::DataRefused, _)
            | (Standing::Recipients, Transfer::Data) => Next::Reset,
        };
        Verdict { results: std::mem::take(&mut self.results), next }
    }
}

impl Conversation for Envelope {
    type Output = Verdict;

    fn advance(&mut self, input: &mut BytesMut) -> Result<Progress<Verdict>, Cause> {
        loop {
            let Some(command) = self.owed.front().copied() else {
                silence(&mut self.replies, input)?;
                return Ok(match self.speak() {
                    Some(bytes) => Progress::Send(bytes),
                    None => Progress::Done(self.verdict()),
                });
            };
            let Some(reply) = self.replies.next(input)? else { return Ok(Progress::NeedInput) };
            self.owed.pop_front();
            self.answers += 1;
            self.hear(command, &reply)?;
        }
    }

    /// A server may take its time over each recipient.
    fn answers(&self) -> usize {
        self.answers
    }
}

/// Nothing may be there when nothing was asked: a reply too many would be taken for the answer to the next command,
/// at worst for the acceptance of a message that was refused.
pub(super) fn silence(replies: &mut Replies, input: &mut BytesMut) -> Result<(), Cause> {
    if input.is_empty() {
        return Ok(());
    }
    match replies.next(input)? {
        Some(reply) if reply.code == 421 => Err(reply.refusal()),
        Some(reply) => Err(reply.out_of_place()),
        None => Err(Cause::Garbage { detail: "the server speaks before it is asked".to_owned() }),
    }
}

/// 4xx: deferred, 5xx: refused. Only for those two classes.
pub(super) fn refusal(reply: &Reply) -> RecipientResult {
    match reply.class {
        Class::Permanent => RecipientResult::Refused { said: reply.said() },
        Class::Transient | Class::Success | Class::Intermediate => {
            RecipientResult::Deferred { said: reply.said() }
        }
    }
}

/// 552 meant "too many recipients" to RFC 821, and still does without an enhanced code: the remaining ones are to be
/// tried later (RFC 5321 section 4.5.3.1.10). `5.2.2` is a full mailbox and final.
fn refusal_of_recipient(reply: &Reply) -> RecipientResult {
    match (reply.code, reply.enhanced()) {
        (552, None | Some("5.5.3")) => RecipientResult::Deferred { said: reply.said() },
        _ => refusal(reply),
    }
}

/// The address as it is said: with its domain in ASCII, which every server understands, unless the part before it needs
/// SMTPUTF8 in any case.
fn wire(address: &Address) -> Cow<'_, str> {
    address.in_ascii().unwrap_or(Cow::Borrowed(address.as_str()))
}

fn mail_command(from: &Address, recipients: &[Address], content: &Content, offered: &Capabilities) -> String {
    let mut line = format!("MAIL FROM:<{}>", wire(from));
    match offered.size {
        SizeLimit::Unknown | SizeLimit::Bytes(_) => line += &format!(" SIZE={}", content.bytes),
        SizeLimit::NotOffered => {}
    }
    let eight_bit = match content.alphabet {
        Alphabet::EightBit | Alphabet::InternationalHeader => true,
        Alphabet::Ascii => false,
    };
    if eight_bit && offered.eight_bit {
        line += " BODY=8BITMIME";
    }
    let international = content.alphabet == Alphabet::InternationalHeader
        || recipients.iter().chain([from]).any(|address| address.in_ascii().is_none());
    if international && offered.smtputf8 {
        line += " SMTPUTF8";
    }
    if offered.dsn {
        line += &dsn::message(content.message_id());
    }
    line + "\r\n"
}

/// Why this server cannot take the message for anybody.
fn obstacle(from: &Address, content: &Content, offered: &Capabilities) -> Option<String> {
    if let SizeLimit::Bytes(limit) = offered.size
        && content.bytes > limit
    {
        let bytes = content.bytes;
        return Some(format!("the message has {bytes} bytes, and the server takes at most {limit}"));
    }
    if !offered.smtputf8 && from.in_ascii().is_none() {
        return Some(format!("the sender's address is {FOREIGN_ADDRESS}"));
    }
    let why = content.obstacle.as_ref().map_or_else(String::new, |obstacle| format!(": {obstacle}"));
    match content.alphabet {
        Alphabet::InternationalHeader if !offered.smtputf8 => {
            let field =
                content.international_field().map_or_else(String::new, |name| format!(" field `{name}`"));
            Some(format!("the header{field} is written in UTF-8, and the server does not offer SMTPUTF8"))
        }
        Alphabet::EightBit | Alphabet::InternationalHeader if !offered.eight_bit => Some(format!(
            "the message holds 8-bit text, the server does not offer 8BITMIME, and it cannot be told in 7 bits{why}"
        )),
        Alphabet::Ascii | Alphabet::EightBit | Alphabet::InternationalHeader => overlong(content, &why),
    }
}

fn overlong(content: &Content, why: &str) -> Option<String> {
    let (bytes, max) = (content.longest_line, limits::TEXT_LINE_BYTES_MAX);
    let is_overlong = bytes > max;
    is_overlong.then(|| {
        format!("the message has a line of {bytes} octets, SMTP carries at most {max}, and it cannot be broken{why}")
    })
}

const FOREIGN_ADDRESS: &str =
    "not ASCII before its `@`, and the server does not offer SMTPUTF8, which that needs";

fn recipient_obstacle(recipient: &Address, offered: &Capabilities) -> Option<String> {
    let foreign = !offered.smtputf8 && recipient.in_ascii().is_none();
    foreign.then(|| format!("the address is {FOREIGN_ADDRESS}"))
}

#[cfg(test)]
mod tests;
