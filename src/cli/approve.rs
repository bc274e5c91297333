//! `mailplumb approve`, `mailplumb reject`

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use super::context::{read, run};
use super::exit::{DONE, Failure, Outcome, USAGE};
use super::listing::FORMAT_VERSION;
use super::mailboxes::Selection;
use super::{Format, Global, output};
use crate::engine::Engine;
use crate::engine::lease::Held;
use crate::model::approval::{Decision, Verdict};
use crate::model::lease::LeaseScope;
use crate::model::limits;
use crate::model::mailbox::Mailbox;
use crate::model::name::{Address, Name};
use crate::model::operation::{OffReason, OperationState};
use crate::model::organization::{Approval, ApprovalSource};
use crate::model::stored::StoredMailbox;
use crate::store::sqlite::Open;
use crate::store::{MailboxRow, Store};

/// Approve the addresses of mailboxes, where the organization approves by command
///
/// An approval holds for this mailbox and the address that it has now. What is approved is tested and enabled by the next
/// `mailplumb apply`, or by a running `mailplumb watch`. Without a mailbox, lists those that wait for an approval.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mailplumb approve\n  mailplumb approve support --reason 'ticket 4711'\n  \
                        mailplumb approve profile/provider-pop"
)]
pub struct Approve {
    #[command(flatten)]
    deciding: Deciding,
    /// Print what was decided, and the mailboxes that wait, in this form
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,
}

/// `mailplumb approve --output json`: what waits for an approval.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Approve")]
pub struct Document {
    format_version: &'static str,
    /// What this command has decided; empty where it only lists. By name.
    decided: Vec<Decided>,
    /// What waits after it. By name.
    waiting: Vec<Waiting>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Decided {
    mailbox: Name,
    address: Address,
    /// approved
    verdict: &'static str,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Waiting {
    mailbox: Name,
    address: Address,
    profile: Option<Name>,
    owner: Option<Address>,
}

/// Take the approval of mailboxes away, where the organization approves by command
///
/// They are switched off at once: nothing is read or sent for them any more, and work that is under way on one of them ends. Queued
/// messages wait.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mailplumb reject support --reason 'left the company'")]
pub struct Reject {
    #[command(flatten)]
    deciding: Deciding,
}

#[derive(Debug, Args)]
struct Deciding {
    #[command(flatten)]
    selection: Selection,
    /// Why; it is kept with the decision
    #[arg(long, value_name = "TEXT", value_parser = parse_reason)]
    reason: Option<String>,
    /// Who; it is kept with the decision
    #[arg(long, value_name = "NAME", env = "USER", hide_env_values = true, default_value = "somebody", value_parser = parse_reason)]
    by: String,
}

fn parse_reason(text: &str) -> Result<String, String> {
    let text = text.trim();
    match text.chars().count() {
        0 => Err("say something".to_owned()),
        1..=limits::REASON_CHARACTERS_MAX => Ok(output::shown(text)),
        _ => Err(format!("at most {} characters", limits::REASON_CHARACTERS_MAX)),
    }
}

impl Approve {
    pub fn run(self, global: &Global) -> Outcome {
        if self.deciding.selection.is_empty() {
            let store = global.store_to_list()?;
            return read(list(&store, self.output));
        }
        self.deciding.run(global, (Verdict::Approved, self.output))
    }
}

impl Reject {
    pub fn run(self, global: &Global) -> Outcome {
        if self.deciding.selection.is_empty() {
            return Err(Failure::new("no mailbox was named")
                .code(USAGE)
                .hint("`mailplumb reject NAME`; `mailplumb get` lists the mailboxes"));
        }
        self.deciding.run(global, (Verdict::Rejected, Format::Text))
    }
}

impl Deciding {
    fn run(&self, global: &Global, (verdict, format): (Verdict, Format)) -> Outcome {
        let purpose = match verdict {
            Verdict::Approved => "approve",
            Verdict::Rejected => "reject",
        };
        let engine = global.engine(purpose, Open::Existing)?;
        run(engine.stopping.clone(), async {
            let approval = must_approve_by_command(engine.store.as_ref()).await?;
            let (decisions, off) = self.decisions(&engine, verdict, &approval).await?;
            let held = Held::acquire(&engine, &LeaseScope::State).await?;
            let noted = engine.store.decide(&held.lease, &decisions, &off).await;
            held.release(&engine).await;
            noted?;
            tell(engine.store.as_ref(), &decisions, (verdict, format)).await?;
            match verdict {
                Verdict::Approved if !decisions.is_empty() => {
                    output::hint("`mailplumb apply` acts on it, and so does a running `mailplumb watch`");
                }
                Verdict::Rejected if !off.is_empty() => {
                    let count = output::counted(off.len(), "mailbox is", "mailboxes are");
                    output::talk(&format!("{count} switched off: nothing is read or sent any more"));
                }
                Verdict::Approved | Verdict::Rejected => {}
            }
            Ok(DONE)
        })
    }

    /// What is decided, and which mailboxes may not be worked on any more.
    async fn decisions(
        &self,
        engine: &Engine,
        verdict: Verdict,
        approval: &Approval,
    ) -> Result<(Vec<Decision>, Vec<Name>), Failure> {
        let chosen = self.selection.choose(engine.store.as_ref()).await?.into_iter().collect();
        let stored = engine.store.stored_among(chosen).await?;
        let at = engine.clock.now();
        let given = |mailbox: &Mailbox| match verdict {
            Verdict::Approved => Some(mailbox.address.clone()),
            Verdict::Rejected => None,
        };
        let is_held_back = |stored: &&StoredMailbox| {
            !crate::plan::approves(approval, &stored.declared, given(&stored.declared).as_ref())
        };
        let off = stored.values().filter(is_held_back).map(|stored| stored.declared.name.clone()).collect();
        let decision = |mailbox: StoredMailbox| Decision {
            mailbox: mailbox.declared.name,
            address: mailbox.declared.address,
            verdict,
            at,
            by: self.by.clone(),
            reason: self.reason.clone(),
        };
        Ok((stored.into_values().map(decision).collect(), off))
    }
}

async fn tell(
    store: &dyn Store,
    decisions: &[Decision],
    (verdict, format): (Verdict, Format),
) -> Result<(), Failure> {
    match format {
        Format::Text => {
            for Decision { mailbox, address, .. } in decisions {
                output::data(&format!("{} {address}  mailbox/{mailbox}", verdict.key()))?;
            }
            Ok(())
        }
        Format::Json => {
            let decided = |decision: &Decision| Decided {
                mailbox: decision.mailbox.clone(),
                address: decision.address.clone(),
                verdict: verdict.key(),
            };
            let decided: Vec<Decided> = decisions.iter().map(decided).collect();
            // They stay off until the next apply.
            let is_decided = |it: &Waiting| decided.iter().any(|one| one.mailbox == it.mailbox);
            let mut waiting = waiting(store).await?;
            waiting.retain(|it| !is_decided(it));
            output::json(&Document { format_version: FORMAT_VERSION, decided, waiting })
        }
    }
}

async fn must_approve_by_command(store: &dyn Store) -> Result<Approval, Failure> {
    match store.organization().await?.map(|organization| organization.approval) {
        Some(approval @ Approval { source: ApprovalSource::Command, .. }) => Ok(approval),
        Some(Approval { source: ApprovalSource::Manifest, .. }) => Err(Failure::new("this organization approves in its manifest")
            .hint("write `approved: ADDRESS` at the mailbox, or `approval: { source: command }` in the organization")),
        None => Err(Failure::new("nothing was applied yet").hint("`mailplumb apply` stores the mailboxes first")),
    }
}

/// Those that are off because nobody approved them.
async fn waiting(store: &dyn Store) -> Result<Vec<Waiting>, Failure> {
    let waits = |row: &MailboxRow| {
        let mut states = row.stored.operations.values().map(|operation| &operation.state);
        states.any(|state| *state == OperationState::Off(OffReason::NotApproved))
    };
    let told = |row: MailboxRow| {
        let Mailbox { name: mailbox, address, profile, owner, .. } = row.stored.declared;
        Waiting { mailbox, address, profile, owner }
    };
    Ok(store.mailboxes().await?.into_iter().filter(waits).map(told).collect())
}

async fn list(store: &dyn Store, format: Format) -> Outcome {
    must_approve_by_command(store).await?;
    let waiting = waiting(store).await?;
    let count = output::counted(waiting.len(), "mailbox is", "mailboxes are");
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let cells = |it: &Waiting| {
        let (profile, owner) = (it.profile.as_ref(), it.owner.as_ref());
        let (profile, owner) = (profile.map(ToString::to_string), owner.map(ToString::to_string));
        vec![it.mailbox.to_string(), it.address.to_string(), or_dash(profile), or_dash(owner)]
    };
    match format {
        Format::Json => {
            output::json(&Document { format_version: FORMAT_VERSION, decided: Vec::new(), waiting })?
        }
        Format::Text if waiting.is_empty() => {}
        Format::Text => {
            let header = ["mailbox", "address", "profile", "owner"];
            output::data(&output::table(&header, waiting.iter().map(cells).collect()))?;
        }
    }
    output::talk(&format!("{count} not approved in the stored state"));
    Ok(DONE)
}
