//! What is due when, and which of it may begin now: the bookkeeping of `watch`. Nothing here waits or acts.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::permits::{Lane, Permits};
use crate::model::name::Name;
use crate::model::operation::Operation;
use crate::model::profile::Profile;

/// What is done for one mailbox at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Job {
    Test,
    /// The same without looking whether it is due: what it failed with has changed.
    Retest,
    Cycle(Operation),
}

/// Which places a mailbox's jobs take up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// Of each lane, how many mailboxes may be worked on at once.
    pub common: (Lane, usize),
    pub sending: (Lane, usize),
}

impl Places {
    pub fn of(profile: &Profile, permits: &Permits) -> Self {
        let places = |operation| (Lane::of(profile, operation), permits.places(profile, operation));
        Self { common: places(Operation::Incoming), sending: places(Operation::Outgoing) }
    }

    /// A test begins with reading.
    fn for_job(&self, job: Job) -> &(Lane, usize) {
        match job {
            Job::Cycle(Operation::Outgoing) => &self.sending,
            Job::Test | Job::Retest | Job::Cycle(Operation::Incoming | Operation::Act) => &self.common,
        }
    }
}

/// Jobs that wait and jobs that run. A mailbox has at most one running job, a lane at most its places, so that one slow
/// server cannot take the places of all others.
#[derive(Debug)]
pub struct Queue {
    at_once_max: usize,
    due: BTreeSet<(Timestamp, Name, Job)>,
    /// When each waiting job is due, so that it waits once.
    waiting: BTreeMap<(Name, Job), Timestamp>,
    running: BTreeMap<Name, (Job, Lane)>,
    /// Running jobs of each lane.
    taken: BTreeMap<Lane, usize>,
    places: BTreeMap<Name, Places>,
    /// Lanes whose server asked for patience: fewer places, and none before a moment.
    restricted: BTreeMap<Lane, Restriction>,
}

/// What is left of a lane's places for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restriction {
    pub places: usize,
    pub from: Timestamp,
}

impl Queue {
    pub fn new(at_once_max: usize) -> Self {
        Self {
            at_once_max,
            due: BTreeSet::new(),
            waiting: BTreeMap::new(),
            running: BTreeMap::new(),
            taken: BTreeMap::new(),
            places: BTreeMap::new(),
            restricted: BTreeMap::new(),
        }
    }

    /// `None` lifts a restriction.
    pub fn restrict(&mut self, lane: &Lane, restriction: Option<Restriction>) {
        match restriction {
            Some(restriction) => drop(self.restricted.insert(lane.clone(), restriction)),
            None => drop(self.restricted.remove(lane)),
        }
    }

    /// Forgets what waits; what runs goes on. Returns those that nothing in the store would tell of: who is to be tested again.
    pub fn clear(&mut self) -> BTreeSet<Name> {
        self.due.clear();
        self.places.clear();
        let waiting = std::mem::take(&mut self.waiting).into_keys();
        waiting.filter(|(_, job)| *job == Job::Retest).map(|(name, _)| name).collect()
    }

    pub fn set_places(&mut self, mailbox: Name, places: Places) {
        self.places.insert(mailbox, places);
    }

    /// Queues a job, at the earlier of two times when it waits already. A mailbox with a running job is left alone: when
    /// that ends, it is looked at anyway.
    pub fn push(&mut self, due: Timestamp, mailbox: Name, job: Job) {
        if self.running.contains_key(&mailbox) {
            return;
        }
        let key = (mailbox, job);
        if let Some(earlier) = self.waiting.get(&key) {
            if *earlier <= due {
                return;
            }
            self.due.remove(&(*earlier, key.0.clone(), job));
        }
        self.due.insert((due, key.0.clone(), job));
        self.waiting.insert(key, due);
    }

    /// Takes the jobs that are due and for which there is a place, longest due first.
    pub fn take_due(&mut self, now: Timestamp) -> Vec<(Name, Job)> {
        let mut begun: Vec<(Timestamp, Name, Job)> = Vec::new();
        for (at, mailbox, job) in self.due.iter().take_while(|(due, ..)| *due <= now) {
            if self.running.len() >= self.at_once_max {
                break;
            }
            let Some((lane, limit)) = self.places.get(mailbox).map(|places| places.for_job(*job)) else {
                continue;
            };
            let limit = match self.restricted.get(lane) {
                Some(restriction) if now < restriction.from => 0,
                Some(restriction) => restriction.places.min(*limit),
                None => *limit,
            };
            let taken = self.taken.entry(lane.clone()).or_default();
            if self.running.contains_key(mailbox) || *taken >= limit {
                continue;
            }
            *taken += 1;
            self.running.insert(mailbox.clone(), (*job, lane.clone()));
            begun.push((*at, mailbox.clone(), *job));
        }
        for (at, mailbox, job) in &begun {
            self.due.remove(&(*at, mailbox.clone(), *job));
            self.waiting.remove(&(mailbox.clone(), *job));
        }
        begun.into_iter().map(|(_, mailbox, job)| (mailbox, job)).collect()
    }

    /// Whether any job could begin if there were a place for it.
    pub fn is_any_due(&self, now: Timestamp) -> bool {
        self.due.first().is_some_and(|(due, ..)| *due <= now)
    }

    pub fn is_running(&self, mailbox: &Name) -> bool {
        self.running.contains_key(mailbox)
    }

    /// Gives back the place of a mailbox's job, and says which one that was.
    pub fn ended(&mut self, mailbox: &Name) -> Option<Job> {
        let (job, lane) = self.running.remove(mailbox)?;
        if let Some(taken) = self.taken.get_mut(&lane) {
            *taken = taken.saturating_sub(1);
        }
        Some(job)
    }
}

#[cfg(test)]
mod tests {
    use super::super::permits::Course;
    use super::*;

    const READ: Job = Job::Cycle(Operation::Incoming);

    fn name(text: &str) -> Name {
        Name::parse(text).unwrap()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn lane(profile: &str, course: Course) -> Lane {
        Lane { profile: name(profile), course }
    }

    fn places(profile: &str, limit: usize) -> Places {
        let both = (lane(profile, Course::Common), limit);
        Places { common: both.clone(), sending: both }
    }

    fn queue(mailboxes: &[(&str, &str, usize)]) -> Queue {
        let mut queue = Queue::new(64);
        for (mailbox, profile, limit) in mailboxes {
            queue.set_places(name(mailbox), places(profile, *limit));
        }
        queue
    }

    #[test]
    fn whoever_waits_for_a_place_to_send_keeps_nobody_from_reading() {
        const SEND: Job = Job::Cycle(Operation::Outgoing);
        let mut queue = Queue::new(64);
        let shared_relay =
            Places { common: (lane("p", Course::Common), 9), sending: (lane("p", Course::Outgoing), 1) };
        for mailbox in ["a", "b", "c"] {
            queue.set_places(name(mailbox), shared_relay.clone());
        }
        for (mailbox, job) in [("a", SEND), ("b", SEND), ("b", READ), ("c", READ)] {
            queue.push(at(0), name(mailbox), job);
        }
        assert_eq!(queue.take_due(at(1)), [(name("a"), SEND), (name("b"), READ), (name("c"), READ)]);
        queue.ended(&name("a"));
        queue.ended(&name("b"));
        assert_eq!(queue.take_due(at(1)), [(name("b"), SEND)]);
    }

    #[test]
    fn a_slow_profile_leaves_the_places_of_others_alone() {
        let mut queue = queue(&[("s1", "slow", 2), ("s2", "slow", 2), ("s3", "slow", 2), ("f1", "fast", 2)]);
        for (second, mailbox) in ["s1", "s2", "s3", "f1"].into_iter().enumerate() {
            queue.push(at(i64::try_from(second).unwrap()), name(mailbox), READ);
        }
        let begun = queue.take_due(at(10));
        assert_eq!(begun, [(name("s1"), READ), (name("s2"), READ), (name("f1"), READ)]);
        assert!(queue.take_due(at(10)).is_empty(), "no place for s3 yet");
        assert_eq!(queue.ended(&name("s1")), Some(READ));
        assert_eq!(queue.take_due(at(10)), [(name("s3"), READ)]);
    }

    #[test]
    fn a_mailbox_has_one_job_at_a_time_and_each_waits_once() {
        let mut queue = queue(&[("a", "p", 9)]);
        queue.push(at(5), name("a"), READ);
        queue.push(at(3), name("a"), READ);
        queue.push(at(4), name("a"), Job::Test);
        assert!(queue.take_due(at(2)).is_empty());
        assert_eq!(queue.take_due(at(9)), [(name("a"), READ)], "the earlier time counts");
        queue.push(at(1), name("a"), READ);
        assert!(queue.take_due(at(9)).is_empty(), "not while it runs");
        queue.ended(&name("a"));
        assert_eq!(queue.take_due(at(9)), [(name("a"), Job::Test)], "and the reading was not queued again");
    }

    #[test]
    fn a_server_that_asks_for_patience_gets_it_and_others_do_not_wait_with_it() {
        let mut queue = queue(&[("s1", "slow", 9), ("s2", "slow", 9), ("s3", "slow", 9), ("f1", "fast", 9)]);
        for mailbox in ["s1", "s2", "s3", "f1"] {
            queue.push(at(0), name(mailbox), READ);
        }
        queue.restrict(&lane("slow", Course::Common), Some(Restriction { places: 2, from: at(5) }));
        assert_eq!(queue.take_due(at(4)), [(name("f1"), READ)]);
        assert_eq!(queue.take_due(at(5)), [(name("s1"), READ), (name("s2"), READ)]);
        queue.restrict(&lane("slow", Course::Common), None);
        assert_eq!(queue.take_due(at(5)), [(name("s3"), READ)]);
    }

    #[test]
    fn all_together_take_no_more_than_all_places() {
        let mut queue = Queue::new(64);
        for index in 0..200 {
            let mailbox = name(&format!("m{index}"));
            queue.set_places(mailbox.clone(), places(&format!("p{index}"), 300));
            queue.push(at(0), mailbox, READ);
        }
        assert_eq!(queue.take_due(at(1)).len(), 64);
    }
}
