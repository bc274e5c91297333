//! `docs/performance-plan.md` from what was measured.

use std::fmt::Write as _;

use crate::measure::Usage;
use crate::scenarios::{COLD, Case, EVENTS};

/// A peer's line.
pub struct PeerLine {
    pub name: String,
    pub mailboxes: usize,
    pub usage: Result<Usage, String>,
}

/// How it was measured.
pub struct Circumstances {
    pub command: String,
    pub runs: usize,
    pub cores: usize,
}

pub fn markdown(cases: &[Case], peers: &[PeerLine], how: &Circumstances) -> String {
    let runs = if how.runs == 1 { "1 run".to_owned() } else { format!("{} runs", how.runs) };
    let mut text = format!(
        "# Performance\n\nWritten by `{}`; do not edit. Version {}, {} cores, {runs} after one to warm up, the cases by turns.\n\
         CPU is user and system time of the whole process: median (least–most). Memory is the largest resident size.\n\
         The mailboxes are generated (about 160 bytes each, over N/200 profiles, every tenth with a secret in a bundle); nothing is\n\
         decrypted, and the store keeps waiting for the disk. `cold` means that nothing of an earlier reading is remembered.\n\n\
         | case | mailboxes | layout | CPU s | peak MiB | × floor |\n|---|---|---|---|---|---|\n",
        how.command,
        env!("CARGO_PKG_VERSION"),
        how.cores,
    );
    for case in cases {
        let ratio =
            floor_of(case, cases).map_or_else(String::new, |floor| format!("{:.2}", cpu(case).1 / floor));
        let (least, median, most) = cpu(case);
        let _ = writeln!(
            text,
            "| {} | {} | {} | {median:.3} ({least:.3}–{most:.3}) | {:.0} | {ratio} |",
            case.name,
            case.mailboxes,
            case.layout.key(),
            peak(case)
        );
    }
    text.push_str("\nThe floor is the parser alone over the same bytes, in the same run.\n");
    slope(&mut text, cases);
    peers_section(&mut text, cases, peers);
    text
}

/// Least, median, most.
fn cpu(case: &Case) -> (f64, f64, f64) {
    let mut seconds: Vec<f64> = case.runs.iter().map(|usage| usage.cpu_seconds).collect();
    seconds.sort_by(f64::total_cmp);
    let at = |nth: usize| seconds.get(nth).copied().unwrap_or(f64::NAN);
    (at(0), at(seconds.len() / 2), at(seconds.len().saturating_sub(1)))
}

fn peak(case: &Case) -> f64 {
    case.runs.iter().map(|usage| usage.peak_kib / 1024.0).fold(0.0, f64::max)
}

fn floor_of(case: &Case, cases: &[Case]) -> Option<f64> {
    let same = |other: &&Case| {
        other.name == EVENTS && other.mailboxes == case.mailboxes && other.layout == case.layout
    };
    cases.iter().find(same).filter(|floor| floor.name != case.name).map(|floor| cpu(floor).1)
}

fn slope(text: &mut String, cases: &[Case]) {
    text.push_str("\n## Growth\n\nFrom ten thousand to a hundred thousand mailboxes; 1.00 is linear.\n\n| case | growth |\n|---|---|\n");
    for small in cases.iter().filter(|case| case.mailboxes == 10_000) {
        let large = cases
            .iter()
            .find(|case| case.mailboxes == 100_000 && case.name == small.name && case.layout == small.layout);
        if let Some(large) = large {
            let _ = writeln!(
                text,
                "| {}, {} | {:.2} |",
                small.name,
                small.layout.key(),
                cpu(large).1 / cpu(small).1 / 10.0
            );
        }
    }
}

fn peers_section(text: &mut String, cases: &[Case], peers: &[PeerLine]) {
    text.push_str(
        "\n## Beside others\n\nThe same number of declarations with the same fields against an equal current state, nothing to do, no network. \
         octoDNS compares one zone in YAML with another; CFEngine looks at one small file for each mailbox. Neither keeps a history. \
         Each ran once.\n\n| tool | mailboxes | CPU s | peak MiB | × ours, cold | × ours, warm |\n|---|---|---|---|---|---|\n",
    );
    for PeerLine { name, mailboxes, usage } in peers {
        let ours = |wanted: &str| {
            cases
                .iter()
                .find(|case| case.name == wanted && case.mailboxes == *mailboxes)
                .map(|case| cpu(case).1)
        };
        match usage {
            Ok(usage) => {
                let ratio = |wanted| {
                    ours(wanted).map_or_else(String::new, |ours| format!("{:.0}", usage.cpu_seconds / ours))
                };
                let _ = writeln!(
                    text,
                    "| {name} | {mailboxes} | {:.1} | {:.0} | {} | {} |",
                    usage.cpu_seconds,
                    usage.peak_kib / 1024.0,
                    ratio(COLD),
                    ratio("plan, nothing changed, warm")
                );
            }
            Err(reason) => {
                let _ = writeln!(text, "| {name} | {mailboxes} | missing: {reason} | | | |");
            }
        }
    }
}
