//! What is known of this machine itself.

use crate::model::host::{HostSettings, is_full_host_name};

/// The host with a name for SMTP: the one of the host file, else the machine's own where that is a full one (RFC 5321 4.1.1.1).
pub fn named(host: HostSettings) -> HostSettings {
    let own = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let smtp_name = host.smtp_name.or_else(|| full(&own()?));
    HostSettings { smtp_name, ..host }
}

fn full(name: &str) -> Option<String> {
    let name = name.trim();
    is_full_host_name(name).then(|| name.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_files_name_goes_before_the_machines() {
        let given =
            HostSettings { smtp_name: Some("mx.contoso.example".to_owned()), ..HostSettings::default() };
        assert_eq!(named(given.clone()), given);
        assert_eq!(full("MX1.Contoso.example\n").as_deref(), Some("mx1.contoso.example"));
        assert_eq!(full("web1\n"), None);
    }
}
