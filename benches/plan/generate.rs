//! The fixed manifests of the benchmark: the same seed gives the same bytes on every machine.
//!
//! `N` mailboxes of about 160 bytes each over `N / 200` server profiles; every tenth mailbox logs in by itself, with a
//! secret in a bundle, the others by their profile's account. Bundles are declared, not encrypted: planning reads none.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

/// How the mailboxes are spread over files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    OneFile,
    /// A file for every hundred mailboxes.
    TeamFiles,
    FilePerMailbox,
}

impl Layout {
    pub const ALL: [Self; 3] = [Self::OneFile, Self::TeamFiles, Self::FilePerMailbox];

    pub fn key(self) -> &'static str {
        match self {
            Self::OneFile => "one-file",
            Self::TeamFiles => "team-files",
            Self::FilePerMailbox => "file-per-mailbox",
        }
    }

    fn mailboxes_per_file(self, mailboxes: usize) -> usize {
        match self {
            Self::OneFile => mailboxes,
            Self::TeamFiles => 100,
            Self::FilePerMailbox => 1,
        }
    }
}

/// Which of two versions of the manifest is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    First,
    /// One mailbox of a hundred has got a display name.
    OnePercentChanged,
}

const SEED: u64 = 0x006d_6169_6c70_6c62;
const FIRST_NAMES: [&str; 8] = ["Anna", "Ben", "Carla", "David", "Emma", "Finn", "Greta", "Hugo"];
const LAST_NAMES: [&str; 8] = ["Berg", "Falk", "Holm", "Jensen", "Krause", "Lund", "Meyer", "Schmidt"];

/// SplitMix64, <https://prng.di.unimi.it/splitmix64.c>.
fn mixed(number: usize) -> u64 {
    let mut z = (SEED ^ number as u64).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Writes the manifest. Files whose content is there already are left alone, so that their times stay as well.
pub fn write(folder: &Path, mailboxes: usize, layout: Layout, version: Version) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let behind = behind_mailboxes(mailboxes);
    for (name, _) in bundles(mailboxes) {
        put(&folder.join(format!("{name}.age")), "age-encryption.org/v1\n-> X25519 generated\n--- none\n")?;
    }
    if layout == Layout::OneFile {
        let all = documents(0..mailboxes, mailboxes, version);
        return put(&folder.join("mail.yaml"), &format!("{behind}{all}"));
    }
    put(&folder.join("organization.yaml"), &behind)?;
    let each = layout.mailboxes_per_file(mailboxes);
    for first in (0..mailboxes).step_by(each) {
        let text = documents(first..(first + each).min(mailboxes), mailboxes, version);
        let folder = folder.join("mailboxes").join(format!("{:03}", first / 1000));
        fs::create_dir_all(&folder)?;
        put(&folder.join(format!("m{first:05}.yaml")), &text)?;
    }
    Ok(())
}

fn put(path: &Path, text: &str) -> io::Result<()> {
    match fs::read(path) {
        Ok(bytes) if bytes == text.as_bytes() => Ok(()),
        Ok(_) | Err(_) => fs::write(path, text),
    }
}

fn profiles(mailboxes: usize) -> usize {
    (mailboxes / 200).max(2)
}

/// Of ten profiles, one takes the credentials of its mailboxes.
fn personal_profiles(mailboxes: usize) -> usize {
    (profiles(mailboxes) / 10).max(1)
}

fn is_personal(number: usize) -> bool {
    number.is_multiple_of(10)
}

fn profile_of(number: usize, mailboxes: usize) -> usize {
    let personal = personal_profiles(mailboxes);
    let random = mixed(number) as usize;
    if is_personal(number) { random % personal } else { personal + random % (profiles(mailboxes) - personal) }
}

/// Name and keys of each bundle: one for the profiles' accounts, one for each profile with logins of its own.
fn bundles(mailboxes: usize) -> Vec<(String, Vec<String>)> {
    let personal = personal_profiles(mailboxes);
    let mut bundles: Vec<(String, Vec<String>)> = Vec::new();
    let services = (personal..profiles(mailboxes)).map(profile_name).collect();
    bundles.push(("services".to_owned(), services));
    bundles.extend((0..personal).map(|profile| (profile_name(profile), Vec::new())));
    for number in (0..mailboxes).filter(|number| is_personal(*number)) {
        bundles[1 + profile_of(number, mailboxes)].1.push(mailbox_name(number));
    }
    bundles.retain(|(_, keys)| !keys.is_empty());
    bundles
}

fn profile_name(number: usize) -> String {
    format!("p{number:03}")
}

fn mailbox_name(number: usize) -> String {
    format!("u{number:05}")
}

/// Organization, profiles and secrets.
fn behind_mailboxes(mailboxes: usize) -> String {
    let mut text = String::from(
        "apiVersion: mailplumb/v1\nkind: Organization\nmetadata: { name: corp }\nspec:\n  \
         defaults: { incoming: server-side-sync, outgoing: server-side-sync }\n  \
         recipients: { ops: age1wlhj34yyy4rrum0u3r943f5r8xxf9aljrczdcke6qqdnn69f0fxq6m2qwz }\n",
    );
    for number in 0..profiles(mailboxes) {
        let name = profile_name(number);
        let credentials = if number < personal_profiles(mailboxes) {
            "{ mailbox: {} }".to_owned()
        } else {
            format!(
                "{{ oauth2: {{ tokenUrl: \"https://login.example/token\", clientId: {name}, clientSecret: {{ secret: services, key: {name} }}, scope: mail }} }}"
            )
        };
        let _ = write!(
            text,
            "---\napiVersion: mailplumb/v1\nkind: EmailServerProfile\nmetadata: {{ name: {name} }}\nspec:\n  \
             owner: mail-team@corp.example\n  imapSmtp:\n    \
             incoming: {{ host: {name}.imap.example, tls: implicit, credentials: {credentials} }}\n    \
             outgoing: {{ host: {name}.smtp.example, tls: starttls }}\n"
        );
    }
    for (name, keys) in bundles(mailboxes) {
        let _ = write!(
            text,
            "---\napiVersion: mailplumb/v1\nkind: Secret\nmetadata: {{ name: {name} }}\nspec:\n  \
             bundle: {{ file: {name}.age, sealedTo: [ops], keys: [{}] }}\n",
            keys.join(", ")
        );
    }
    text
}

fn documents(numbers: std::ops::Range<usize>, mailboxes: usize, version: Version) -> String {
    let mut text = String::new();
    for number in numbers {
        document(&mut text, number, mailboxes, version);
    }
    text
}

fn document(text: &mut String, number: usize, mailboxes: usize, version: Version) {
    let (name, profile) = (mailbox_name(number), profile_name(profile_of(number, mailboxes)));
    let changed = version == Version::OnePercentChanged && mixed(number ^ 0x5555_0000).is_multiple_of(100);
    let display_name = if changed {
        let random = mixed(number) as usize;
        format!(", displayName: {} {}", FIRST_NAMES[random % 8], LAST_NAMES[random / 8 % 8])
    } else {
        String::new()
    };
    let _ = write!(
        text,
        "---\napiVersion: mailplumb/v1\nkind: Mailbox\nmetadata: {{ name: {name} }}\nspec:\n  \
         user: {{ address: {name}@corp.example{display_name} }}\n  approved: {name}@corp.example\n  profile: {profile}\n"
    );
    if is_personal(number) {
        let _ = writeln!(text, "  credentials: {{ password: {{ secret: {profile} }} }}");
    }
}
