//! This process as a holder of leases, and whether another holder still lives.
//!
//! Only a dead process of this very host is recognised as dead; everybody else's lease has to expire.

use std::fs;
use std::sync::OnceLock;

use crate::model::lease::Holder;

/// The inode of the first process id namespace of every Linux system (`PROC_PID_INIT_INO`).
const FIRST_PID_NAMESPACE: &str = "pid:[4026531836]";

/// This process. The nonce is drawn once, so that all leases of one process belong to the same holder.
pub fn holder(purpose: &str) -> Holder {
    static NONCE: OnceLock<String> = OnceLock::new();
    let host = host();
    let pid = std::process::id();
    let process_started = started("self").unwrap_or_default();
    let nonce = NONCE.get_or_init(|| {
        // Without randomness, host, process id and start time still tell two processes apart.
        random_hex().unwrap_or_else(|| format!("{host}/{pid}/{process_started}"))
    });
    Holder { purpose: purpose.to_owned(), host, pid, process_started, nonce: nonce.clone() }
}

/// A person at this host. A hold of its own each time, so that ending one never ends another.
pub fn person(purpose: &str) -> Holder {
    let process = holder(purpose);
    let nonce = random_hex().unwrap_or_else(|| format!("{}/{}", process.nonce, process.pid));
    Holder { pid: 0, process_started: 0, nonce, ..process }
}

/// Whether the holder was a process of this host and is gone. `false` when that cannot be known.
pub(super) fn is_dead(holder: &Holder) -> bool {
    if holder.is_person() {
        return false;
    }
    // Without a `/proc` that shows ourselves, the absence of somebody else in it says nothing.
    if holder.host != host() || started("self").is_none() {
        return false;
    }
    started(&holder.pid.to_string()) != Some(holder.process_started)
}

/// 32 hex digits; `None` when the system has no randomness to give.
pub(super) fn random_hex() -> Option<String> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).ok()?;
    Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The host's name. In a container that numbers its processes apart from its host, the name says so: two such
/// containers may share a host name, and neither can tell whether a process of the other one lives.
fn host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = match name.trim() {
        "" => "localhost",
        name => name,
    };
    match fs::read_link("/proc/self/ns/pid") {
        Ok(namespace) if namespace.as_os_str() != FIRST_PID_NAMESPACE => {
            format!("{name} {}", namespace.display())
        }
        Ok(_) | Err(_) => name.to_owned(),
    }
}

/// When a process began, in clock ticks since boot: field 22 of `/proc/<pid>/stat`, proc_pid_stat(5).
fn started(pid: &str) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    start_field(&stat)
}

/// The second field is the command's name in parentheses and may itself hold spaces and parentheses.
fn start_field(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace();
    // A zombie has ended; it only waits for its parent to notice.
    match fields.next()? {
        "Z" | "X" => None,
        _alive => fields.nth(18)?.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_name_with_parentheses_does_not_shift_the_fields() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4242 100 1";
        assert_eq!(start_field(stat), Some(4242));
    }

    #[test]
    fn a_zombie_is_dead() {
        assert_eq!(start_field("7 (x) Z 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4242 0 0"), None);
    }

    #[test]
    fn this_process_lives_and_is_always_the_same_holder() {
        let one = holder("apply");
        assert!(!is_dead(&one));
        assert_eq!(one.nonce, holder("watch").nonce);
    }

    #[test]
    fn a_process_id_that_was_given_to_somebody_else_is_a_dead_holder() {
        let mut former = holder("apply");
        former.process_started += 1;
        assert!(is_dead(&former));
    }

    #[test]
    fn a_process_of_another_host_is_never_known_to_be_dead() {
        let mut other = holder("apply");
        other.host = "elsewhere".to_owned();
        other.process_started += 1;
        assert!(!is_dead(&other));
    }
}
