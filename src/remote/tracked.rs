//! Folders below the inbox that are read like it: what was found of those that are declared.

/// `F`: how the protocol names a folder.
#[derive(Debug)]
pub(super) struct Tracked<F> {
    pub folders: Vec<F>,
    /// Paths that lead nowhere. They hold up nobody: people rename folders.
    pub missing: Vec<String>,
}

impl<F> Default for Tracked<F> {
    fn default() -> Self {
        Self { folders: Vec::new(), missing: Vec::new() }
    }
}

impl<F> Tracked<F> {
    /// For the step that looked for so many.
    pub fn words(&self, declared: usize) -> String {
        let found = format!("{} of {declared} tracked folders", self.folders.len());
        match self.missing.as_slice() {
            [] => found,
            missing => format!("{found}; not below the inbox: {}", missing.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named() {
        let mut tracked = Tracked { folders: vec![1, 2], missing: Vec::new() };
        assert_eq!(tracked.words(2), "2 of 2 tracked folders");
        tracked.missing = vec!["A/B".to_owned(), "C".to_owned()];
        assert_eq!(tracked.words(4), "2 of 4 tracked folders; not below the inbox: A/B, C");
    }
}
