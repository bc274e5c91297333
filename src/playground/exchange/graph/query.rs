//! What follows the question mark, and the parts before it.

use std::collections::BTreeMap;

/// A target taken apart and decoded.
pub(super) struct Target {
    /// Without the version.
    pub parts: Vec<String>,
    pub query: BTreeMap<String, String>,
}

impl Target {
    /// `None`: it is not below `/v1.0`.
    pub fn parse(target: &str) -> Option<Self> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let path = path.strip_prefix("/v1.0").unwrap_or(path);
        let parts = path.split('/').filter(|part| !part.is_empty()).map(|part| decoded(part, b'+')).collect();
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let query = pairs.map(|(key, value)| (decoded(key, b' '), decoded(value, b' '))).collect();
        target.starts_with('/').then_some(Self { parts, query })
    }

    pub fn get(&self, key: &str) -> Option<&str> {
        self.query.get(key).map(String::as_str)
    }

    pub fn number(&self, key: &str) -> Option<usize> {
        self.get(key)?.parse().ok()
    }

    /// The properties that are wanted; `None`: all.
    pub fn selected(&self) -> Option<Vec<&str>> {
        self.get("$select").map(|list| list.split(',').map(str::trim).collect())
    }
}

/// `plus`: what a plus sign stands for.
fn decoded(text: &str, plus: u8) -> String {
    let mut octets = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        octets.push(match byte {
            b'+' => plus,
            b'%' => {
                let digits: Vec<u8> = rest.by_ref().take(2).collect();
                u8::from_str_radix(&String::from_utf8_lossy(&digits), 16).unwrap_or(b'?')
            }
            byte => byte,
        });
    }
    String::from_utf8_lossy(&octets).into_owned()
}
