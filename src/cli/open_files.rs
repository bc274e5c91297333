//! How many connections the operating system lets this process keep.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::model::host::{Connections, HostSettings, KeptSessions};
use crate::model::limits;

/// Asks for as many open files as this process may have, and keeps no more sessions than fit beside everything else.
pub fn raised(host: HostSettings) -> HostSettings {
    let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return host };
    // Refused or not: what counts is what there is afterwards.
    let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    let Ok((open_max, _)) = getrlimit(Resource::RLIMIT_NOFILE) else { return host };
    let connections = fitted(host.connections, usize::try_from(open_max).unwrap_or(usize::MAX));
    HostSettings { connections, ..host }
}

fn fitted(connections: Connections, open_max: usize) -> Connections {
    let room = open_max.saturating_sub(limits::OPEN_FILES_RESERVED);
    let at_once_max = connections.at_once_max.min(room).max(1);
    let count_max = connections.kept.count_max.min(room - at_once_max.min(room));
    Connections { at_once_max, kept: KeptSessions { count_max, ..connections.kept }, ..connections }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_kept_only_as_far_as_there_are_files_for_them() {
        let asked = Connections { at_once_max: 400, ..Connections::default() };
        let kept = |open_max| {
            let fitted = fitted(asked, open_max);
            (fitted.at_once_max, fitted.kept.count_max)
        };
        assert_eq!(kept(1_000_000), (400, limits::KEPT_SESSIONS_DEFAULT));
        assert_eq!(kept(1024), (400, 368));
        assert_eq!(kept(300), (44, 0));
        assert_eq!(kept(10), (1, 0));
    }
}
