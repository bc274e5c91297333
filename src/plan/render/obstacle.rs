//! What blocks a plan, with what is the same of several targets said once.

use std::collections::HashMap;

use crate::model::plan::{Blocked, Guard, Target};

/// How many of the others are named.
const NAMES_SHOWN: usize = 4;

/// One reason, and the others that read the same except for their target.
pub(super) struct Obstacle<'a> {
    pub first: &'a Blocked,
    others: Vec<&'a Target>,
}

impl Obstacle<'_> {
    /// For whom else it holds, in words.
    pub fn also(&self) -> Option<String> {
        let names: Vec<String> = self.others.iter().take(NAMES_SHOWN).map(ToString::to_string).collect();
        let rest = if self.others.len() > NAMES_SHOWN { ", …" } else { "" };
        (!names.is_empty()).then(|| format!("{} more: {}{rest}", self.others.len(), names.join(", ")))
    }
}

pub(super) fn obstacles(blocked: &[Blocked]) -> Vec<Obstacle<'_>> {
    let mut obstacles: Vec<Obstacle<'_>> = Vec::new();
    let mut known: HashMap<(Option<Guard>, String, String), usize> = HashMap::new();
    for one in blocked {
        let Some(target) = &one.target else {
            obstacles.push(Obstacle { first: one, others: Vec::new() });
            continue;
        };
        let likeness = (one.guard, without(target, &one.message), without(target, &one.remedy));
        match known.get(&likeness).and_then(|at| obstacles.get_mut(*at)) {
            Some(obstacle) => obstacle.others.push(target),
            None => {
                known.insert(likeness, obstacles.len());
                obstacles.push(Obstacle { first: one, others: Vec::new() });
            }
        }
    }
    obstacles
}

/// A text as it reads of every target: both ways to name one are left out.
fn without(target: &Target, text: &str) -> String {
    let name = match target {
        Target::Organization => return text.to_owned(),
        Target::Secret(secret) => secret.to_string(),
        Target::Profile(name) | Target::Mailbox(name) => name.to_string(),
    };
    text.replace(&target.to_string(), "…").replace(&format!("`{name}`"), "…")
}

/// Each reason with its remedy, in one line.
pub fn causes(blocked: &[Blocked]) -> Vec<String> {
    let line = |obstacle: &Obstacle<'_>| {
        let also = obstacle.also().map_or_else(String::new, |also| format!("; the same for {also}"));
        format!("{} ({}){also}", obstacle.first.message, obstacle.first.remedy)
    };
    obstacles(blocked).iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::name::Name;

    fn needs(mailbox: &str, profile: &str) -> Blocked {
        let target = Target::Mailbox(Name::parse(mailbox).unwrap());
        Blocked {
            guard: None,
            message: format!("{target} needs profile/{profile}"),
            remedy: format!("leave {target} out, too"),
            target: Some(target),
            origin: None,
        }
    }

    #[test]
    fn what_is_the_same_of_several_is_said_once() {
        let many: Vec<Blocked> = (0..10_000).map(|number| needs(&format!("u{number}"), "p")).collect();
        let said = causes(&[many, vec![needs("u0", "q")]].concat());
        assert_eq!(
            said,
            [
                "mailbox/u0 needs profile/p (leave mailbox/u0 out, too); the same for 9999 more: mailbox/u1, mailbox/u2, mailbox/u3, mailbox/u4, …",
                "mailbox/u0 needs profile/q (leave mailbox/u0 out, too)",
            ]
        );
    }
}
