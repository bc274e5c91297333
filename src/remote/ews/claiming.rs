//! The mark of the installation that synchronises a mailbox: a small dictionary in its inbox, which its owner does not see.

use std::collections::BTreeMap;

use crate::model::claim::{Claim, Claimed, Verdict, Wish};
use crate::model::failure::{Cause, server_words};
use crate::protocol::ews::{
    CreateUserConfiguration, GetUserConfiguration, UpdateUserConfiguration, UserConfiguration, WellKnown,
};

use super::session::{EwsFailure, Session};

const NAME: &str = "Mailplumb.Claim";
/// How `sync::exchange` knows it.
const CODE: &str = "ClaimedByAnother";

/// Where the mark cannot be read or written, mail flows without it; it is never waited for.
pub(super) async fn claim(session: &mut Session, wish: &Wish) -> Result<Claimed, Cause> {
    match mark(session, wish).await {
        Ok(claimed) => Ok(claimed),
        Err(failure) if failure.is_busy() => Ok(Claimed::Unknown),
        Err(EwsFailure::Answer(_)) => Ok(Claimed::NoMark),
        Err(EwsFailure::Conversation(cause)) => Err(cause),
    }
}

async fn mark(session: &mut Session, wish: &Wish) -> Result<Claimed, EwsFailure> {
    let folder = session.folder(WellKnown::Inbox);
    let empty = UserConfiguration { folder, name: NAME.to_owned(), entries: BTreeMap::new() };
    let found = session.call_once(&GetUserConfiguration(empty.clone())).await?;
    let known = found.as_ref().and_then(|found| read(&found.entries));
    match wish.judge(known.as_ref()) {
        Verdict::Keep => return Ok(Claimed::Ours),
        Verdict::Refuse => return Err(refused(known.as_ref()).into()),
        Verdict::Mark => {}
    }
    let ours = UserConfiguration { entries: written(&wish.claim), ..empty };
    match found {
        None => session.call_once(&CreateUserConfiguration(ours)).await?,
        Some(_) => session.call_once(&UpdateUserConfiguration(ours)).await?,
    }
    Ok(Claimed::Ours)
}

fn refused(found: Option<&Claim>) -> Cause {
    let said = found.map_or_else(String::new, |found| {
        let (holder, host) = (server_words(&found.holder), server_words(&found.host));
        format!("installation {holder} on {host} has synchronised this mailbox since {:.0}", found.since)
    });
    Cause::Exchange { code: CODE.to_owned(), said }
}

fn written(claim: &Claim) -> BTreeMap<String, String> {
    let entries =
        [("holder", claim.holder.clone()), ("host", claim.host.clone()), ("since", claim.since.to_string())];
    entries.map(|(key, value)| (key.to_owned(), value)).into()
}

/// `None`: it is no mark of ours, or not whole.
fn read(entries: &BTreeMap<String, String>) -> Option<Claim> {
    let holder = entries.get("holder").filter(|holder| !holder.is_empty())?.clone();
    let host = entries.get("host").cloned().unwrap_or_default();
    let since = entries.get("since").and_then(|text| text.parse().ok()).unwrap_or_default();
    Some(Claim { holder, host, since })
}
