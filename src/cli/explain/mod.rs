//! `mailplumb explain`

mod text;
mod view;

use clap::Args;

pub use self::view::Document;
use self::view::View;
use super::exit::{DONE, ERROR, Failure, Outcome};
use super::{Format, Global, output, problems};
use crate::manifest::explain::{self, Explaining, Unexplained};
use crate::model::explanation::Subject;
use crate::model::problem::Severity;
use crate::source::Source;

/// Show where each effective value comes from
///
/// For each field: its value, the file and line it was written at, and why it is the one that counts: the thing's own, that
/// of a list, of an assignment, the organization's default, or computed. What it wins over is shown below it. Of secrets only
/// the reference is shown. Needs neither a key nor a store nor a network.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mailplumb explain mailbox/anna\n  mailplumb explain anna@contoso.example profile/provider\n  \
                        mailplumb explain organization --file base --file overlays/prod\n  mailplumb explain MP0043   # what the code of a problem means"
)]
pub struct Explain {
    /// What to explain: mailbox/NAME, profile/NAME, organization, a name, an address, or the code of a problem
    #[arg(value_name = "SUBJECT", required = true)]
    subjects: Vec<String>,
    /// Print the explanation in this form
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,
}

impl Explain {
    pub fn run(self, global: &Global) -> Outcome {
        let (codes, words): (Vec<&String>, Vec<&String>) =
            self.subjects.iter().partition(|word| is_code(word));
        let meanings = codes.into_iter().map(|code| meaning(code)).collect::<Result<Vec<_>, _>>()?;
        if words.is_empty() {
            return self.print(&meanings, &[]).map(|()| DONE);
        }
        let subjects = words.iter().map(|word| subject(word)).collect::<Result<Vec<_>, _>>()?;
        let files = global.source().load()?;
        let Explaining { answers, problems: found } = explain::explain(&files, &global.host()?, &subjects);
        let errors: Vec<_> =
            found.into_iter().filter(|problem| problem.severity == Severity::Error).collect();
        problems::print(&errors, &files);
        let views: Vec<View> = answers.iter().flatten().map(View::new).collect();
        self.print(&meanings, &views)?;
        let failures = words.iter().zip(answers).filter_map(|(word, answer)| Some((word, answer.err()?)));
        if let Some(failure) = failures.map(|(word, why)| unexplained(word, why)).next() {
            return Err(failure);
        }
        if !errors.is_empty() {
            let noun = output::counted(errors.len(), "error", "errors");
            output::warning(&format!("the manifest has {noun}; what they concern may come out differently"));
            return Ok(ERROR);
        }
        Ok(DONE)
    }

    fn print(&self, meanings: &[view::Meaning], views: &[View]) -> Result<(), Failure> {
        match self.output {
            Format::Json => output::json(&view::document(meanings, views)),
            Format::Text => {
                let codes = meanings.iter().map(|it| format!("{}: {}\n", it.code, it.meaning));
                let all: Vec<String> = codes.chain(views.iter().map(text::render)).collect();
                output::data(&all.join("\n"))
            }
        }
    }
}

fn is_code(word: &str) -> bool {
    let digits = word.strip_prefix("MP").or_else(|| word.strip_prefix("mp"));
    digits.is_some_and(|digits| digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

fn meaning(code: &str) -> Result<view::Meaning, Failure> {
    let meaning = explain::meaning(code).ok_or_else(|| {
        Failure::new(format!("no problem has the code `{code}`"))
            .hint("the code stands in brackets in the output of `mailplumb validate`: error[MP0043]")
    })?;
    Ok(view::Meaning { code: code.to_uppercase(), meaning })
}

fn subject(word: &str) -> Result<Subject, Failure> {
    match word.split_once('/') {
        None if word == "organization" => Ok(Subject::Organization),
        None => Ok(Subject::Any(word.to_owned())),
        Some(("mailbox", name)) => Ok(Subject::Mailbox(name.to_owned())),
        Some(("profile", name)) => Ok(Subject::Profile(name.to_owned())),
        Some(("organization", _)) => Ok(Subject::Organization),
        Some((kind, _)) => Err(Failure::new(format!("`{kind}` is nothing that can be explained"))
            .hint("name mailbox/NAME, profile/NAME or organization")),
    }
}

fn unexplained(word: &str, why: Unexplained) -> Failure {
    match why {
        Unexplained::Missing { hint } => {
            let failure = Failure::new(format!("the manifest has nothing named `{word}`"));
            let hint = hint.unwrap_or_else(|| "`mailplumb plan` shows what the manifest declares".to_owned());
            failure.hint(hint)
        }
        Unexplained::Ambiguous(several) => {
            Failure::new(format!("`{word}` names several things: {}", several.join(", ")))
                .hint("write the kind too")
        }
        Unexplained::Broken => Failure::new(format!("`{word}` has errors and cannot be explained"))
            .hint("correct what `mailplumb validate` says first"),
    }
}
