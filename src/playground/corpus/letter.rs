//! One message before it is encoded: who, when, about what, in answer to what.

use jiff::Timestamp;

use super::super::calendar;
use super::mime::{self, Part};
use super::people::{Language, Person};

#[derive(Debug, Clone)]
pub(super) struct Letter {
    pub(super) from: Person,
    pub(super) to: Vec<Person>,
    pub(super) sent: Timestamp,
    pub(super) subject: String,
    pub(super) language: Language,
    pub(super) sentences: Vec<&'static str>,
    /// With angle brackets.
    pub(super) message_id: String,
    /// The conversation so far, oldest first.
    pub(super) references: Vec<String>,
}

impl Letter {
    /// Greeting, sentences, closing, and what is answered, as a person would write it.
    pub(super) fn text(&self) -> String {
        let mut text = format!("{}\r\n\r\n", self.language.greeting);
        for sentence in &self.sentences {
            text.push_str(sentence);
            text.push_str("\r\n");
        }
        text.push_str(&format!("\r\n{}\r\n{}\r\n", self.language.closing, self.from.name));
        if !self.references.is_empty() {
            text.push_str(&format!("\r\n> {}\r\n> ...\r\n", self.language.greeting));
        }
        text
    }

    pub(super) fn html(&self) -> String {
        let sentences =
            self.sentences.iter().map(|sentence| format!("<p>{sentence}</p>\r\n")).collect::<String>();
        format!("<html><body>\r\n<p>{}</p>\r\n{sentences}</body></html>\r\n", self.language.greeting)
    }

    /// The whole message, header first.
    pub(super) fn write(&self, part: &Part) -> Vec<u8> {
        let to = self.to.iter().map(|person| mime::mailbox(person.name, person.address));
        let mut header = format!(
            "Date: {}\r\nFrom: {}\r\nTo: {}\r\nSubject: {}\r\nMessage-ID: {}\r\n",
            calendar::header_date(self.sent),
            mime::mailbox(self.from.name, self.from.address),
            to.collect::<Vec<_>>().join(",\r\n "),
            mime::header_text(&self.subject),
            self.message_id,
        );
        if let Some(answered) = self.references.last() {
            header.push_str(&format!("In-Reply-To: {answered}\r\n"));
            header.push_str(&format!("References: {}\r\n", self.references.join("\r\n ")));
        }
        header.push_str("MIME-Version: 1.0\r\n");
        header.push_str(&part.fields);
        header.push_str("\r\n");
        [header.as_bytes(), &part.body].concat()
    }
}
