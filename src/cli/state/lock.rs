//! `mailplumb state lock`, `mailplumb state unlock`

use clap::Args;
use jiff::{SignedDuration, Timestamp};

use crate::cli::context::read;
use crate::cli::exit::{DONE, Failure, LOCKED, Outcome};
use crate::cli::{Global, output, typed};
use crate::engine::clock::SystemClock;
use crate::model::clock::Clock;
use crate::model::lease::LeaseScope;
use crate::model::limits;
use crate::store::report::{LeaseRow, Report, Standing};
use crate::store::sqlite::{Open, person};
use crate::store::upkeep::Upkeep;

/// Keep applies away for maintenance
///
/// Until it is unlocked or its time is over, `apply` and the reconciling of `watch` are refused and say why. Mail keeps flowing.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mailplumb state lock --reason 'moving the server'\n  \
                        mailplumb state lock --reason 'change freeze' --for 3d")]
pub struct Lock {
    /// Why; it is shown to whoever is refused
    #[arg(long, value_name = "TEXT", value_parser = parse_reason)]
    reason: String,
    /// For how long: 90m, 2h, 3d
    #[arg(long = "for", value_name = "DURATION", default_value = "1h", value_parser = parse_duration)]
    duration: SignedDuration,
    /// Who; it is shown with the reason
    #[arg(long, value_name = "NAME", env = "USER", hide_env_values = true, default_value = "somebody", value_parser = parse_reason)]
    by: String,
}

/// Show who keeps applies away, and end it
///
/// Ending needs the nonce that it shows, so that nobody ends what somebody else began meanwhile. The lease of an apply that still
/// runs can be ended as well: its next write is refused.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mailplumb state unlock\n  \
                        mailplumb state unlock --force 6b1c0a94d2e84f2f9d7a3f5e6c81b024")]
pub struct Unlock {
    /// End the lease with this nonce
    #[arg(long, value_name = "NONCE")]
    force: Option<String>,
}

fn parse_reason(text: &str) -> Result<String, String> {
    let text = text.trim();
    let characters = text.chars().count();
    if characters == 0 {
        Err("say something, so that others know whom to ask".to_owned())
    } else if characters > limits::HOLD_REASON_CHARACTERS_MAX {
        Err(format!("at most {} characters", limits::HOLD_REASON_CHARACTERS_MAX))
    } else {
        Ok(output::shown(text))
    }
}

fn parse_duration(text: &str) -> Result<SignedDuration, String> {
    let units = [("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)];
    let seconds = units.iter().find_map(|(unit, seconds)| {
        let count: i64 = text.strip_suffix(unit)?.parse().ok()?;
        count.checked_mul(*seconds)
    });
    let longest = i64::try_from(limits::HOLD_MAX.as_secs()).unwrap_or(i64::MAX);
    match seconds {
        Some(seconds) if (1..=longest).contains(&seconds) => Ok(SignedDuration::from_secs(seconds)),
        Some(_) => Err(format!("between 1s and {}d", longest / 86_400)),
        None => Err("a whole number and a unit: 90m, 2h, 3d".to_owned()),
    }
}

impl Lock {
    pub fn run(self, global: &Global) -> Outcome {
        let store = global.existing_store(Open::Existing)?;
        let now = SystemClock::new().now();
        let until = now
            .checked_add(self.duration)
            .map_err(|error| Failure::new("the time is out of range").cause(error))?;
        let holder = person(&format!("{} for maintenance ({})", self.by, self.reason));
        let lease = read(async { Ok(store.hold(&LeaseScope::State, &holder, now, until).await?) })?;
        output::data(&format!(
            "Locked until {}. {} ends it before.",
            output::moment(lease.expires_at),
            typed::advice(&format!("`mailplumb state unlock --force {}`", lease.holder.nonce))
        ))?;
        Ok(DONE)
    }
}

impl Unlock {
    pub fn run(self, global: &Global) -> Outcome {
        let store = global.existing_store(Open::Existing)?;
        let now = SystemClock::new().now();
        let found = read(async { Ok(store.lease(&LeaseScope::State).await?) })?;
        let Some(lease) = found.filter(|lease| keeps_away(lease, now)) else {
            output::data("Nobody keeps applies away.")?;
            return Ok(DONE);
        };
        let holder = output::shown(&lease.holder.to_string());
        let Some(nonce) = &self.force else {
            return Err(Failure::new(format!(
                "the state is held by {holder}, until {}",
                output::moment(lease.expires_at)
            ))
            .code(LOCKED)
            .hint(format!(
                "ask them; or end it with `mailplumb state unlock --force {}`",
                lease.holder.nonce
            )));
        };
        if !read(async { Ok(store.end_lease(&LeaseScope::State, nonce).await?) })? {
            return Err(Failure::new(format!("the state is held by {holder}, with another nonce"))
                .code(LOCKED)
                .hint("look again with `mailplumb state unlock`: it changed hands"));
        }
        output::data(&format!("Unlocked: it was held by {holder}."))?;
        Ok(DONE)
    }
}

fn keeps_away(lease: &LeaseRow, now: Timestamp) -> bool {
    match lease.standing {
        Standing::Held => lease.expires_at > now,
        Standing::HolderDied | Standing::Released => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_whole_number_and_a_unit_up_to_a_month() {
        assert_eq!(parse_duration("90m"), Ok(SignedDuration::from_mins(90)));
        assert_eq!(parse_duration("30d"), Ok(SignedDuration::from_hours(720)));
        for bad in ["", "h", "0s", "31d", "-1h", "1.5h", "9223372036854775807d", "2w", "1h30m"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }
}
