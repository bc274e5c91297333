//! The line at the foot of a terminal that shows how far a run is: a bar, the share, what went how, and how long the rest may take.

use std::time::Duration;

/// Columns of the bar itself.
const BAR_COLUMNS: usize = 24;
/// Before this long nothing can be said about the rest.
const RATE_KNOWN_AFTER: Duration = Duration::from_secs(1);

/// How far a run is.
#[derive(Debug, Clone, Copy)]
pub struct Stand<'a> {
    /// `testing`
    pub doing: &'a str,
    /// `tests`
    pub units: &'a str,
    pub done: u64,
    pub total: u64,
    /// `2 failed`; empty: nothing to say.
    pub remark: &'a str,
    pub elapsed: Duration,
}

/// The line, no longer than `columns`: one that is broken by the terminal could not be written over.
pub fn render(stand: Stand<'_>, columns: usize) -> String {
    let Stand { doing, units, done, total, remark, elapsed } = stand;
    let total = total.max(done).max(1);
    let share = |of: u64| usize::try_from(done.saturating_mul(of) / total).unwrap_or(0);
    let full = share(BAR_COLUMNS as u64);
    let bar = format!("{}{}", "#".repeat(full), "-".repeat(BAR_COLUMNS - full));
    let remark = if remark.is_empty() { String::new() } else { format!(", {remark}") };
    let words = format!("{:>3} %  {done} of {total} {units}{remark}, {}", share(100), seconds(elapsed));
    let rest =
        rest(done, total, elapsed).map_or_else(String::new, |rest| format!(", about {} left", seconds(rest)));
    // What matters less goes first where there is little room.
    let forms = [
        format!("{doing}  [{bar}] {words}{rest}"),
        format!("[{bar}] {words}{rest}"),
        format!("{words}{rest}"),
        words,
    ];
    let fits = |form: &&String| form.chars().count() < columns;
    let line = forms.iter().find(fits).unwrap_or(&forms[3]);
    line.trim_start().chars().take(columns.saturating_sub(1)).collect()
}

/// How long the rest takes at the pace so far. `None`: not known yet.
fn rest(done: u64, total: u64, elapsed: Duration) -> Option<Duration> {
    if done == 0 || done >= total || elapsed < RATE_KNOWN_AFTER {
        return None;
    }
    let left = u128::from(total - done);
    let millis = elapsed.as_millis().checked_mul(left)? / u128::from(done);
    Some(Duration::from_millis(u64::try_from(millis).ok()?))
}

fn seconds(time: Duration) -> String {
    match time.as_secs() {
        seconds if seconds < 120 => format!("{seconds} s"),
        seconds if seconds < 7200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stand(done: u64, total: u64, seconds: u64) -> Stand<'static> {
        let elapsed = Duration::from_secs(seconds);
        Stand { doing: "testing", units: "tests", done, total, remark: "2 failed", elapsed }
    }

    #[test]
    fn a_bar_shows_the_share_and_the_rest() {
        assert_eq!(
            render(stand(10, 40, 12), 100),
            "testing  [######------------------]  25 %  10 of 40 tests, 2 failed, 12 s, about 36 s left"
        );
        assert_eq!(
            render(Stand { remark: "", ..stand(40, 40, 130) }, 100),
            "testing  [########################] 100 %  40 of 40 tests, 2 min"
        );
    }

    #[test]
    fn it_never_fills_a_line() {
        for columns in 0..120 {
            for (done, total) in [(0, 0), (0, 7), (u64::MAX, u64::MAX), (3, 2), (9_999, 10_000)] {
                let line = render(stand(done, total, 3), columns);
                assert!(line.chars().count() <= columns.saturating_sub(1), "{columns}: {line}");
            }
        }
        assert!(render(stand(1, 4, 2), 50).contains("25 %"));
    }
}
