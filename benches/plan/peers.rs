//! Two tools that people know, with the same amount of declarations and an equal current state. Neither is installed here:
//! what is not there is reported as missing.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use crate::measure::Work;

/// How many declarations each gets.
pub const SIZES: [usize; 3] = [1000, 10_000, 100_000];

/// A tool and its version, or why it could not be run.
pub struct Peer {
    pub name: String,
    pub work: Result<Work, String>,
}

/// octoDNS from the Python index, in an environment made here: a zone in YAML, one TXT record for each mailbox with the same
/// fields, against a target with the same records.
pub fn octodns(scratch: &Path, mailboxes: usize) -> Peer {
    let environment = scratch.join("venv");
    let work = octodns_work(scratch, &environment, mailboxes);
    let version = words(&environment.join("bin/pip"), &["show", "octodns"])
        .and_then(|text| text.lines().find_map(|line| line.strip_prefix("Version: ").map(str::to_owned)));
    Peer { name: format!("octoDNS {}", version.unwrap_or_default()).trim_end().to_owned(), work }
}

/// The target of an ordinary YAML provider always counts as empty; this one is compared with what it holds.
const PROVIDER: &str = "from octodns.provider.yaml import YamlProvider\n\n\nclass Known(YamlProvider):\n    \
    def populate(self, zone, target=False, lenient=False):\n        \
    return super().populate(zone, target=False, lenient=lenient)\n";

fn octodns_work(scratch: &Path, environment: &Path, mailboxes: usize) -> Result<Work, String> {
    if !environment.join("bin/octodns-sync").exists() {
        check(Command::new("python3").args(["-m", "venv"]).arg(environment), "python3 -m venv")?;
        let pip = environment.join("bin/pip");
        check(Command::new(pip).args(["install", "--quiet", "octodns"]), "pip install octodns")?;
    }
    let folder = scratch.join(format!("octodns-{mailboxes}"));
    let mut zone = String::from("---\n");
    for number in 0..mailboxes {
        let _ = writeln!(
            zone,
            "u{number:05}:\n  type: TXT\n  value: kind=user address=u{number:05}@corp.example approved=u{number:05}@corp.example profile=p{:03}",
            number % 500
        );
    }
    let config = "manager: {max_workers: 1}\nproviders:\n  \
        source: {class: octodns.provider.yaml.YamlProvider, directory: source, enforce_order: false}\n  \
        target: {class: known.Known, directory: target, enforce_order: false}\n\
        zones:\n  corp.example.: {sources: [source], targets: [target]}\n";
    let written = || -> io::Result<()> {
        for side in ["source", "target"] {
            fs::create_dir_all(folder.join(side))?;
            fs::write(folder.join(side).join("corp.example.yaml"), &zone)?;
        }
        fs::write(folder.join("config.yaml"), config)?;
        fs::write(folder.join("known.py"), PROVIDER)
    };
    written().map_err(|error| error.to_string())?;
    let python = environment.join("bin/python");
    let sync = "import sys; sys.path.insert(0, '.'); sys.argv = ['octodns-sync', '--config-file=config.yaml', '--quiet']; \
                from octodns.cmds.sync import main; main()";
    Ok(Work::new(python, &["-c", sync]).folder(&folder))
}

/// CFEngine from the distribution: one small file for each mailbox with the same fields, which is there already; dry run.
pub fn cfengine(scratch: &Path, mailboxes: usize) -> Peer {
    let version = words(Path::new("cf-agent"), &["--version"])
        .and_then(|text| text.lines().next().map(|line| line.replace("CFEngine Core ", "")));
    let Some(version) = version else {
        return Peer { name: "CFEngine".to_owned(), work: Err("cf-agent is not installed".to_owned()) };
    };
    Peer { name: format!("CFEngine {version}"), work: cfengine_work(scratch, mailboxes) }
}

fn cfengine_work(scratch: &Path, mailboxes: usize) -> Result<Work, String> {
    let folder = scratch.join(format!("cfengine-{mailboxes}"));
    let mut policy = String::from(
        "body common control { bundlesequence => { \"mailboxes\" }; }\nbundle agent mailboxes\n{\nfiles:\n",
    );
    let mut written = || -> io::Result<String> {
        fs::create_dir_all(folder.join("state"))?;
        for number in 0..mailboxes {
            let path = folder.join("state").join(format!("u{number:05}"));
            let text = format!(
                "kind=user address=u{number:05}@corp.example approved=u{number:05}@corp.example profile=p{:03}",
                number % 500
            );
            fs::write(&path, &text)?;
            let _ = writeln!(policy, "\"{}\" create => \"true\", content => \"{text}\";", path.display());
        }
        policy.push_str("}\n");
        let path = folder.join("policy.cf");
        fs::write(&path, &policy)?;
        Ok(path.display().to_string())
    };
    let policy = written().map_err(|error| error.to_string())?;
    check(Command::new("chmod").args(["600", &policy]), "chmod")?;
    Ok(Work::new("cf-agent", &["--no-lock", "--dry-run", "--file", &policy]))
}

fn check(command: &mut Command, what: &str) -> Result<(), String> {
    match command.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("{what}: {}", String::from_utf8_lossy(&output.stderr).trim())),
        Err(error) => Err(format!("{what}: {error}")),
    }
}

fn words(program: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}
