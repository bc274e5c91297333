//! Death inside the store: between the octets of messages and the transaction that names them, and in the midst of either.
//!
//! The kernel kills a process that writes a file beyond its limit (SIGXFSZ), in the very write that does. So a limit that
//! only the octets reach kills before the transaction, and one that only the write-ahead log reaches kills within it.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;

use super::child;
use super::outcome::work_until_quiet;
use super::scenario::Scenario;
use super::{nothing_is_lost, uninterrupted_in};
use crate::engine::world::{World, letter};

const SIGXFSZ: i32 = 25;

/// Limits in 512 bytes; `sh` of some systems counts 1024.
const LIMITS: [u64; 15] = [24, 60, 100, 120, 160, 200, 240, 280, 360, 440, 520, 600, 900, 1400, 2000];

/// Runs the scenario in a process whose files may have so many blocks.
fn run_limited(blocks: u64, world: &World) -> std::process::ExitStatus {
    let free = child(Scenario::Incoming, "-", &world.site);
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -f \"$1\" && shift && exec \"$@\"", "sh", &blocks.to_string()]);
    limited.arg(free.get_program()).args(free.get_args());
    limited.envs(free.get_envs().filter_map(|(name, value)| Some((name, value?))));
    limited.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).status().unwrap()
}

fn is_at_limit(path: &Path, blocks: u64) -> bool {
    let bytes = path.metadata().map_or(0, |metadata| metadata.len());
    bytes == blocks * 512 || bytes == blocks * 1024
}

/// So large that the octets, and nothing else, reach a limit.
fn large_letter() -> Vec<u8> {
    [letter("large"), b"0123456789abcdef\r\n".repeat(150_000)].concat()
}

#[tokio::test]
async fn a_process_that_dies_inside_the_store() {
    let template = Scenario::Incoming.template().await;
    let world_with_large = || {
        let world = template.open();
        world.deliver("anna", &large_letter());
        world
    };
    let (_, expected) = uninterrupted_in(Scenario::Incoming, &world_with_large()).await;
    let (mut in_octets, mut in_log) = (0, 0);
    for blocks in LIMITS {
        let world = world_with_large();
        let before = nothing_is_lost::inboxes(&world);
        let status = run_limited(blocks, &world);
        assert_eq!(status.signal(), Some(SIGXFSZ), "{blocks} blocks: {status}");
        in_octets += usize::from(is_at_limit(&world.site.path("state/blobs/000001.seg"), blocks));
        in_log += usize::from(is_at_limit(&world.site.path("state/state.db-wal"), blocks));
        nothing_is_lost::check(&world, &before).await;
        work_until_quiet(Scenario::Incoming, &world).await.judge(Scenario::Incoming, &expected, "a write");
    }
    assert!(in_octets >= 2 && in_log >= 4, "killed in octets {in_octets}, in the log {in_log}");
}
