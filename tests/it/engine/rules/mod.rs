//! What the engine does and never does, rule by rule.

mod declared;
mod failing;
mod incoming;
mod kept;
pub mod outgoing;
mod panicking;
mod refusing;
mod switching;
mod telling;
mod together;

use mailplumb::engine::drive::Driven;
use mailplumb::model::event::Cycle;
use mailplumb::store::MessageQuery;

use super::site::Desk;

/// The figures of a cycle that has to succeed.
#[track_caller]
pub fn done(driven: Driven) -> Cycle {
    match driven {
        Driven::Done(cycle) => cycle,
        Driven::Failed(failure, _) => panic!("{}: {}", failure.code, failure.error),
        Driven::Skipped(reason) => panic!("skipped: {reason}"),
    }
}

/// The code of a cycle that has to fail.
#[track_caller]
fn failed(driven: Driven) -> String {
    match driven {
        Driven::Failed(failure, _) => failure.code,
        Driven::Done(_) | Driven::Skipped(_) => panic!("{driven:?}"),
    }
}

/// The subjects of all records, quarantined ones as `(quarantined)`, in the order of recording.
pub async fn subjects(desk: &Desk) -> Vec<String> {
    let all = MessageQuery { limit: Some(u64::MAX), ..MessageQuery::default() };
    let mut records = desk.engine.store.messages(&all).await.unwrap();
    records.sort_by_key(|record| record.id);
    let subject = |record: mailplumb::model::record::MessageRecord| match record.quarantine {
        Some(_) => "(quarantined)".to_owned(),
        None => record.facts.subject.unwrap_or_default(),
    };
    records.into_iter().map(subject).collect()
}
