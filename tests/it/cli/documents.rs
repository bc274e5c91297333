//! What documents and `--help` say is so: commands and flags exist, and every YAML block is valid.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::person::Person;

/// The README and everything in `docs`, by file name.
fn documents() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let pages = std::fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages = pages.filter(|path| path.extension().is_some_and(|ending| ending == "md"));
    let named = |path: std::path::PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        (name, std::fs::read_to_string(path).unwrap())
    };
    let pages = pages.filter(|path| !path.ends_with("README.md"));
    pages.chain([root.join("README.md")]).map(named).collect()
}

/// The blocks of one language in a page.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    let parts = page.split(&fence).skip(1);
    parts.map(|part| part.split("```").next().unwrap_or_default().to_owned()).collect()
}

/// Every command with its help text: `outbox add` → ….
fn commands(person: &Person) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![String::new()];
    while let Some(command) = waiting.pop() {
        let help = person.types(format!("{command} --help").trim()).ends(0).stdout;
        if let Some((_, listed)) = help.split_once("Commands:\n") {
            let names = listed.lines().take_while(|line| line.starts_with("  "));
            let names = names
                .filter(|line| !line.starts_with("   "))
                .filter_map(|line| line.split_whitespace().next());
            waiting.extend(
                names
                    .filter(|name| *name != "help")
                    .map(|name| format!("{command} {name}").trim().to_owned()),
            );
        }
        found.insert(command, help);
    }
    found
}

/// The long flags in a text.
fn flags(text: &str) -> BTreeSet<String> {
    let word = |part: &str| {
        let end = part.find(|c: char| !c.is_ascii_lowercase() && c != '-').unwrap_or(part.len());
        format!("--{}", part[..end].trim_end_matches('-'))
    };
    let mut found: BTreeSet<String> = text.split("--").skip(1).map(word).collect();
    found.remove("--");
    found
}

#[test]
fn every_command_explains_itself_with_an_example() {
    let commands = commands(&Person::new());
    assert!(commands.len() >= 20, "{:?}", commands.keys());
    for (command, help) in &commands {
        let example = if command.is_empty() { "mailplumb demo" } else { "Example" };
        assert!(help.contains(example), "`{command} --help` has no example:\n{help}");
        let longest = help.lines().map(|line| line.chars().count()).max();
        assert!(longest <= Some(120), "{command}: {longest:?}");
        // The examples themselves use flags that there are.
        let (options, examples) = help.split_once("Example").unwrap_or((help, ""));
        let options = flags(options);
        for flag in flags(examples) {
            let is_known = options.contains(&flag)
                || commands
                    .values()
                    .any(|other| flags(other.split("Example").next().unwrap_or("")).contains(&flag));
            assert!(is_known, "{flag} in the example of `{command}`");
        }
    }
}

#[test]
fn every_flag_that_is_documented_exists() {
    let commands = commands(&Person::new());
    let known: BTreeSet<String> =
        commands.values().flat_map(|help| flags(help.split("Example").next().unwrap_or(""))).collect();
    let mut seen = 0;
    for (name, page) in documents() {
        // Of commands of others, and of `mailplumb` in code: only what stands in code.
        let quoted = page.split('`').skip(1).step_by(2).filter(|text| text.starts_with("--"));
        let typed = blocks(&page, "sh").join("\n").replace("\\\n", " ");
        let typed: Vec<&str> = typed.lines().filter(|line| line.contains("mailplumb ")).collect();
        for flag in quoted.chain(typed).flat_map(flags) {
            assert!(known.contains(&flag), "{name} mentions {flag}");
            seen += 1;
        }
    }
    assert!(seen > 20, "only {seen} flags were found");
}

#[test]
fn every_command_that_is_documented_exists() {
    let commands = commands(&Person::new());
    let mut seen = 0;
    for (name, page) in documents() {
        for (at, word) in page.match_indices("mailplumb ") {
            // In code: behind a back quote, or at the beginning of a line of a block.
            if !page[..at].ends_with(['`', '\n', '|']) && !page[..at].ends_with("| ") {
                continue;
            }
            let rest = &page[at + word.len()..];
            let command = rest.split(|c: char| !c.is_ascii_lowercase()).next().unwrap_or_default();
            assert!(command.is_empty() || commands.contains_key(command), "{name}: mailplumb {command}");
            seen += usize::from(!command.is_empty());
        }
    }
    assert!(seen > 15, "only {seen} commands were found");
}

#[test]
fn the_manifest_of_the_guide_is_valid_and_can_be_planned() {
    let pages = documents();
    let person = Person::new();
    let manifest = blocks(&pages["manifest.md"], "yaml");
    assert!(manifest.len() >= 6);
    for (number, block) in manifest.iter().enumerate() {
        person.write(&format!("guide/{number}.yaml"), block);
    }
    let valid =
        person.types("--file guide validate").ends(0).says("Valid: 4 profiles, 5 mailboxes; 0 errors");
    for warning in valid.stderr.lines().filter(|line| line.starts_with("warning")) {
        assert!(
            warning.contains("there is no connector yet") || warning.contains("Active Directory"),
            "{valid}"
        );
    }
    person.types("--file guide plan").ends(0).says("mailbox/support").says("mailbox/anna");

    for (number, block) in blocks(&pages["secrets.md"], "yaml").iter().enumerate() {
        person.write(&format!("secrets/{number}.yaml"), block);
    }
    person.types("--file secrets validate").ends(0).says("0 errors, 0 warnings");
}

#[test]
fn the_host_file_of_the_guide_is_valid_and_has_every_key() {
    let pages = documents();
    let page = &pages["host-file.md"];
    let host_files = blocks(page, "yaml");
    assert_eq!(host_files.len(), 1);
    let person = Person::new();
    person.write("host.yaml", &host_files[0]);
    let manifest = blocks(&pages["manifest.md"], "yaml").join("---\n");
    person.write("mail.yaml", &manifest);
    person.types("--file mail.yaml --host-config host.yaml validate").ends(0);
    // A key more, and the error lists the keys that there are.
    person.write("host.yaml", &(host_files[0].clone() + "noSuchKey: 1\n"));
    let refused = person.types("--file mail.yaml --host-config host.yaml validate").ends(1).says("noSuchKey");
    let expected = refused.stderr.lines().find(|line| line.contains("expected")).unwrap();
    let keys: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
    assert!(keys.len() >= 7, "{refused}");
    for key in keys {
        assert!(host_files[0].contains(&format!("{key}:")), "the guide lacks `{key}`");
    }
}

#[test]
fn the_exit_codes_of_the_guide_are_those_of_the_program() {
    let page = documents().remove("exit-codes.md").unwrap();
    let code = |line: &str| line.strip_prefix("| ")?.split(' ').next()?.parse::<u8>().ok();
    let documented: Vec<u8> = page.lines().filter_map(code).collect();
    assert_eq!(documented, [0, 1, 2, 10, 11, 12, 14, 15, 16, 64, 130]);
}

/// All texts below a key of this name, wherever it stands.
fn texts(node: &serde_yaml::Value, key: &str, found: &mut Vec<String>) {
    let text = |value: &serde_yaml::Value| value.as_str().map(str::to_owned);
    for (name, value) in node.as_mapping().into_iter().flatten() {
        if name.as_str() == Some(key) {
            found.extend(text(value));
            found.extend(value.as_sequence().into_iter().flatten().filter_map(text));
        }
        texts(value, key, found);
    }
    node.as_sequence().into_iter().flatten().for_each(|item| texts(item, key, found));
}

/// The commands of each pipeline, in their order, as its runner would run them.
#[test]
fn the_pipelines_of_the_guide_are_yaml_and_their_commands_work() {
    let page = documents().remove("pipelines.md").unwrap();
    let pipelines = blocks(&page, "yaml");
    let office = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/office/mailplumb.yaml");
    let manifest = std::fs::read_to_string(office).unwrap();
    let mut commands = 0;
    for pipeline in pipelines.iter().chain(&[blocks(&page, "sh").join("\n")]) {
        let mut person = Person::new();
        person.export("GITHUB_STEP_SUMMARY", "summary.md");
        person.write("mail/mailplumb.yaml", &manifest);
        let mut scripts = Vec::new();
        match pipeline.starts_with("#!") {
            true => scripts.extend(pipeline.lines().map(|line| line.trim_start_matches("exec ").to_owned())),
            false => {
                let parsed: serde_yaml::Value = serde_yaml::from_str(pipeline).unwrap();
                for key in ["run", "script", "entry"] {
                    texts(&parsed, key, &mut scripts);
                }
            }
        }
        for script in scripts.iter().filter(|script| script.contains("mailplumb")) {
            let heard = person.shell(&format!("set -e\n{script}"));
            let is_fine =
                heard.code == Some(0) || script.contains("--detailed-exitcode") && heard.code == Some(2);
            // The last lines ask for the state, which only the pipelines have applied.
            assert!(is_fine || script.contains("mailplumb status"), "{heard}");
            commands += 1;
        }
    }
    assert_eq!((pipelines.len(), commands), (3, 11));
}

/// Headings as GitHub turns them into anchors.
fn anchors(page: &str) -> BTreeSet<String> {
    let headings =
        page.lines().filter_map(|line| line.strip_prefix('#')).map(|line| line.trim_start_matches('#'));
    let kept = |c: char| c.is_alphanumeric() || c == '-' || c == '_' || c == ' ';
    headings
        .map(|text| {
            text.trim().to_lowercase().chars().filter(|c| kept(*c)).collect::<String>().replace(' ', "-")
        })
        .collect()
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages: Vec<_> = documents()
        .into_keys()
        .filter(|name| name != "README.md")
        .map(|name| root.join("docs").join(name))
        .collect();
    pages.extend([
        root.join("README.md"),
        root.join("docs/README.md"),
        root.join("examples/README.md"),
        root.join("CONTRIBUTING.md"),
    ]);
    let mut seen = 0;
    for page in pages {
        let text = std::fs::read_to_string(&page).unwrap();
        let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.contains("://")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            assert!(target.exists(), "{}: {link}", page.display());
            if !anchor.is_empty() {
                let headings = anchors(&std::fs::read_to_string(&target).unwrap());
                assert!(headings.contains(anchor), "{}: {link}", page.display());
            }
            seen += 1;
        }
    }
    assert!(seen > 60, "{seen}");
}

#[test]
fn every_page_and_every_example_is_in_its_index() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in ["docs", "examples"] {
        let index = std::fs::read_to_string(root.join(folder).join("README.md")).unwrap();
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let link = |end: &str| index.contains(&format!("]({name}{end}"));
            assert!(
                name == "README.md" || link(")") || link("/"),
                "{folder}/README.md does not mention {name}"
            );
        }
    }
}
