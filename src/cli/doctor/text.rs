//! What was found, for whoever was woken up by it: what does not work first and whole, what works in one line.

use super::super::exit::Failure;
use super::super::output::{self, BAD, DOUBTFUL, FAINT, GOOD};
use super::super::typed;
use super::Document;
use super::installation::{Checked, Judgement};
use super::told::{Certificate, Explained, Outcome, Step, Told};
use crate::model::failure::TestStep;

/// Mailboxes up to which those that work are told with all of their steps.
const TOLD_WHOLE_MAX: usize = 4;

pub fn print(document: &Document) -> Result<(), Failure> {
    let mut lines: Vec<String> = document.installation.iter().flat_map(checked_lines).collect();
    if !document.installation.is_empty() && !document.mailboxes.is_empty() {
        lines.push(String::new());
    }
    let is_short = document.mailboxes.len() <= TOLD_WHOLE_MAX;
    for told in &document.mailboxes {
        lines.extend(if is_short || !told.works() { told_lines(told) } else { vec![head(told)] });
    }
    lines.push(String::new());
    lines.push(conclusion(document));
    output::data(&lines.join("\n"))
}

fn checked_lines(checked: &Checked) -> Vec<String> {
    let (style, mark) = match checked.judgement {
        Judgement::Good => (GOOD, "ok"),
        Judgement::Note => (FAINT, "note"),
        Judgement::Warning => (DOUBTFUL, "warning"),
        Judgement::Failed => (BAD, "failed"),
    };
    let mut lines =
        vec![format!("{style}{mark:<8}{style:#} {:<13} {}", checked.check, output::shown(&checked.what))];
    if let Some(remedy) = &checked.remedy {
        lines.push(format!("         do: {}", typed::remedy(remedy)));
    }
    lines
}

fn head(told: &Told) -> String {
    let (style, words) = match told.result {
        Outcome::Works => (GOOD, "works"),
        Outcome::Failed => (BAD, "does not work"),
        Outcome::NotTried => (DOUBTFUL, "not tried"),
        Outcome::Off => (DOUBTFUL, "off"),
    };
    let server = told.server.as_deref().unwrap_or("-");
    let remarks =
        match told.remarks.iter().filter(|remark| !remark.what.starts_with("nothing was sent")).count() {
            0 => String::new(),
            count => format!(", {}", output::counted(count, "remark", "remarks")),
        };
    format!(
        "mailbox/{} {}: {style}{words}{style:#} {FAINT}({}, profile/{}{remarks}){FAINT:#}",
        told.mailbox,
        told.operation,
        output::shown(server),
        told.profile
    )
}

fn told_lines(told: &Told) -> Vec<String> {
    let mut lines = vec![head(told)];
    let has_found = told.failure.as_ref().is_none_or(|failure| failure.step != TestStep::Autodiscover);
    let last_asked = told.steps.iter().rposition(|step| step.step == TestStep::Autodiscover);
    for (at, step) in told.steps.iter().enumerate() {
        // Of all places that were asked, only the last one can be the one that knew.
        let has_done_it = step.step != TestStep::Autodiscover || (has_found && Some(at) == last_asked);
        let mark =
            if has_done_it { format!("{GOOD}ok{GOOD:#}") } else { format!("{DOUBTFUL}--{DOUBTFUL:#}") };
        lines.push(step_line(&mark, step));
    }
    if let Some(failure) = &told.failure {
        lines.extend(failure_lines(failure, told));
    }
    if let Some(reason) = &told.reason {
        lines.push(format!("  {}", output::shown(reason)));
    }
    lines.extend(told.certificates.iter().enumerate().map(|(depth, one)| certificate_line(depth, one)));
    if !told.capabilities.is_empty() {
        lines.push(format!("  offers: {}", output::shown(&told.capabilities.join(" "))));
    }
    for login in &told.logins {
        let outcome = match (&login.said, login.accepted) {
            (_, true) => format!("{GOOD}accepted{GOOD:#}"),
            (Some(said), false) => output::shown(said),
            (None, false) => "refused".to_owned(),
        };
        lines.push(format!("  login by {}: {outcome}", output::shown(&login.mechanism)));
    }
    for remark in &told.remarks {
        lines.push(format!("  {DOUBTFUL}remark{DOUBTFUL:#}: {}", output::shown(&remark.what)));
        lines.push(format!("    do: {}", typed::remedy(&remark.remedy)));
    }
    lines
}

fn step_line(mark: &str, step: &Step) -> String {
    let detail =
        step.detail.as_deref().map(|detail| format!("  {}", output::shown(detail))).unwrap_or_default();
    format!("  {mark} {:<13} {:>9.1} ms{FAINT}{detail}{FAINT:#}", step.step.key(), step.milliseconds)
}

fn failure_lines(failure: &Explained, told: &Told) -> Vec<String> {
    let mut lines = vec![
        format!("  {BAD}failed at {}{BAD:#}: {}", failure.step, output::shown(&failure.cause)),
        format!("    meaning: {}", failure.meaning),
    ];
    if !failure.likely.is_empty() {
        lines.push(format!("    likely:  {}", failure.likely.join("; or ")));
    }
    lines.push(format!("    do:      {}", failure.remedy));
    lines.push(format!("    then:    mailplumb doctor mailbox/{}", told.mailbox));
    lines
}

fn certificate_line(depth: usize, Certificate { facts, days_left, expired }: &Certificate) -> String {
    let until = facts.valid_until.strftime("%Y-%m-%d");
    let days = match days_left.unsigned_abs() {
        0 => "less than a day".to_owned(),
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    };
    let validity = match *expired {
        true => format!("{BAD}expired on {until}, {days} ago{BAD:#}"),
        false => format!("valid until {until}, {days} left"),
    };
    let names =
        if facts.names.is_empty() { String::new() } else { format!(", for {}", facts.names.join(" ")) };
    let words = format!("`{}` signed by `{}`{names}", facts.subject, facts.issuer);
    let which = if depth == 0 { "certificate" } else { "chain" };
    format!("  {which}: {}, {validity}", output::shown(&words))
}

fn conclusion(document: &Document) -> String {
    let failed = document.installation.iter().filter(|checked| checked.is_failed()).count();
    let broken = document.mailboxes.iter().filter(|told| !told.works()).count();
    match (failed, broken) {
        (0, 0) if document.mailboxes.is_empty() && document.installation.is_empty() => {
            "Nothing was examined: no mail is read or sent there.".to_owned()
        }
        (0, 0) if document.mailboxes.is_empty() => "This installation is in order.".to_owned(),
        (0, 0) => {
            let off = document.mailboxes.iter().filter(|told| told.result == Outcome::Off).count();
            match (document.mailboxes.len() - off, off) {
                (works, 0) => format!("All of it works: {}.", counted_directions(works)),
                (0, off) => format!("Nothing was tried: {} switched off.", counted_off(off)),
                (works, off) => {
                    format!(
                        "All that is on works: {}; {} switched off.",
                        counted_directions(works),
                        counted_off(off)
                    )
                }
            }
        }
        (failed, broken) => {
            let mut words = Vec::new();
            if failed > 0 {
                words.push(format!("{} of this installation", output::counted(failed, "check", "checks")));
            }
            if broken > 0 {
                words.push(format!("{broken} of {}", counted_directions(document.mailboxes.len())));
            }
            format!("Not in order: {}.", words.join(", "))
        }
    }
}

fn counted_off(count: usize) -> String {
    let verb = if count == 1 { "is" } else { "are" };
    format!("{} {verb}", counted_directions(count))
}

fn counted_directions(count: usize) -> String {
    output::counted(count, "direction of mail", "directions of mail")
}
