//! Addresses, ports and folders that no other test has.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

/// This process's own loopback address: 127.64.0.0/10 with as many bits as Linux has process numbers.
pub fn address() -> Ipv4Addr {
    let base = u32::from(Ipv4Addr::new(127, 64, 0, 0));
    Ipv4Addr::from(base | (std::process::id() & 0x003f_ffff))
}

/// A port of [`address`] on which nothing listens. It is below the range from which the kernel takes ports for
/// clients, so that it stays free while a server is down.
pub fn port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(20_000);
    loop {
        let port = NEXT.fetch_add(1, Ordering::Relaxed);
        assert!(port < 30_000, "no free port left on {}", address());
        if TcpListener::bind((address(), port)).is_ok() {
            return port;
        }
    }
}

/// A folder that other users can look into, because servers change their user. Its path is short: a Unix socket's
/// path has at most 107 bytes.
pub fn folder() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let usual = std::env::temp_dir();
    let base = if usual.as_os_str().len() > 40 { Path::new("/tmp") } else { usual.as_path() };
    let folder = tempfile::Builder::new().prefix("mailplumb-").tempdir_in(base).unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

/// Waits for something that another process does. What it is waited for with is shown if it does not come.
#[track_caller]
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool, evidence: impl Fn() -> String) {
    for _ in 0..1500 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("waited in vain for {what}:\n{}", evidence());
}
