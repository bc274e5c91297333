//! What a remedy promises of further attempts, where there are none.

/// What remedies of passing failures say, each in its own sentence.
const PROMISES: [&str; 2] = ["it is tried again by itself", "it is tried again"];

/// What is true of an operation that is disabled.
const BY_HAND: &str = "`mailplumb test` tries it anew, and `watch` does within the hour";

/// The remedy of a failure after which nothing is tried any more.
pub fn once_given_up(remedy: &str) -> String {
    let Some(promise) = PROMISES.iter().find(|promise| remedy.contains(**promise)) else {
        return remedy.to_owned();
    };
    let asks_nothing = ["nothing to do: ", "nothing at once: ", "nothing: "];
    let remedy = asks_nothing.iter().find_map(|start| remedy.strip_prefix(start)).unwrap_or(remedy);
    remedy.replacen(promise, BY_HAND, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_up_promises_nothing() {
        let cases = [
            ("renew the certificate", "renew the certificate".to_owned()),
            ("nothing to do: it is tried again by itself", BY_HAND.to_owned()),
            ("look at the log; it is tried again by itself", format!("look at the log; {BY_HAND}")),
            ("nothing at once: it is tried again; send less", format!("{BY_HAND}; send less")),
        ];
        for (remedy, given_up) in cases {
            assert_eq!(once_given_up(remedy), given_up);
        }
    }
}
