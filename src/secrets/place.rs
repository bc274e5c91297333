//! The places where an age identity may be, in the order in which they are looked at.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use super::environment::Environment;

/// Where an identity comes from. What it displays can be shown: it never holds the identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// `--identity`.
    Argument(PathBuf),
    /// A variable that holds identities.
    Variable(&'static str),
    /// A variable that names a file of identities.
    FileVariable(&'static str, PathBuf),
    /// A variable that holds a command which prints identities.
    CommandVariable(&'static str, String),
    /// A file that is looked at because it usually is there.
    UsualFile(PathBuf),
}

/// What a defect at a place means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    /// Somebody pointed mailplumb here: a defect is an error.
    Asked,
    /// It is there for other programs: a defect is a warning.
    Passing,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Argument(path) => write!(f, "identity file `{}`", path.display()),
            Self::Variable(name) => write!(f, "environment variable `{name}`"),
            Self::FileVariable(name, path) => {
                write!(f, "identity file `{}` (from `{name}`)", path.display())
            }
            Self::CommandVariable(name, _) => write!(f, "the command in `{name}`"),
            Self::UsualFile(path) => write!(f, "identity file `{}`", path.display()),
        }
    }
}

/// Every place to look at. Identities named by hand leave out all others, so that what is opened with
/// `--identity staging.key` is not opened by a production key that happens to lie around.
pub(super) fn places(named: &[PathBuf], environment: &Environment) -> Vec<(Place, Weight)> {
    if !named.is_empty() {
        return named.iter().map(|path| (Place::Argument(path.clone()), Weight::Asked)).collect();
    }
    let mut places = Vec::new();
    let own = ["MAILPLUMB_AGE_KEY", "MAILPLUMB_AGE_KEY_FILE", "MAILPLUMB_AGE_KEY_CMD"];
    places.extend(variables(own, environment).map(|place| (place, Weight::Asked)));
    if let Some(folder) = environment.variable("CREDENTIALS_DIRECTORY") {
        places.push((Place::UsualFile(PathBuf::from(folder).join("age.key")), Weight::Asked));
    }
    let sops = ["SOPS_AGE_KEY", "SOPS_AGE_KEY_FILE", "SOPS_AGE_KEY_CMD"];
    places.extend(variables(sops, environment).map(|place| (place, Weight::Passing)));
    if let Some(folder) = configuration_folder(environment) {
        places.push((Place::UsualFile(folder.join("mailplumb/age.key")), Weight::Asked));
        places.push((Place::UsualFile(folder.join("sops/age/keys.txt")), Weight::Passing));
    }
    places
}

/// The three variables of one program: `[holds identities, names a file, holds a command]`.
fn variables(names: [&'static str; 3], environment: &Environment) -> impl Iterator<Item = Place> {
    let [key, file, command] = names;
    let text = |value: OsString| value.to_string_lossy().into_owned();
    let key = environment.variable(key).map(|_| Place::Variable(key));
    let file = environment.variable(file).map(|path| Place::FileVariable(file, path.into()));
    let command = environment.variable(command).map(|value| Place::CommandVariable(command, text(value)));
    key.into_iter().chain(file).chain(command)
}

/// XDG Base Directory Specification: `$XDG_CONFIG_HOME`, else `$HOME/.config`; a relative value is ignored.
fn configuration_folder(environment: &Environment) -> Option<PathBuf> {
    let xdg = environment.variable("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    xdg.or_else(|| environment.variable("HOME").map(|home| PathBuf::from(home).join(".config")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(named: &[PathBuf], environment: &Environment) -> Vec<String> {
        places(named, environment).iter().map(|(place, weight)| format!("{place}: {weight:?}")).collect()
    }

    #[test]
    fn the_order_is_ours_then_the_service_managers_then_sops_then_the_usual_files() {
        let environment = Environment::fixed([
            ("HOME", "/home/ann"),
            ("SOPS_AGE_KEY_FILE", "/sops.txt"),
            ("CREDENTIALS_DIRECTORY", "/run/credentials/x"),
            ("MAILPLUMB_AGE_KEY_CMD", "pass show key"),
            ("MAILPLUMB_AGE_KEY_FILE", "/own.key"),
            ("MAILPLUMB_AGE_KEY", "AGE-SECRET-KEY-1"),
        ]);
        let expected = [
            "environment variable `MAILPLUMB_AGE_KEY`: Asked",
            "identity file `/own.key` (from `MAILPLUMB_AGE_KEY_FILE`): Asked",
            "the command in `MAILPLUMB_AGE_KEY_CMD`: Asked",
            "identity file `/run/credentials/x/age.key`: Asked",
            "identity file `/sops.txt` (from `SOPS_AGE_KEY_FILE`): Passing",
            "identity file `/home/ann/.config/mailplumb/age.key`: Asked",
            "identity file `/home/ann/.config/sops/age/keys.txt`: Passing",
        ];
        assert_eq!(shown(&[], &environment), expected);
    }

    #[test]
    fn a_named_identity_leaves_out_all_other_places() {
        let environment = Environment::fixed([("MAILPLUMB_AGE_KEY", "x"), ("HOME", "/home/ann")]);
        assert_eq!(shown(&["a.key".into()], &environment), ["identity file `a.key`: Asked"]);
    }

    #[test]
    fn the_configuration_folder_moves_with_xdg_config_home() {
        let environment = Environment::fixed([("HOME", "/home/ann"), ("XDG_CONFIG_HOME", "/etc/ann")]);
        assert_eq!(configuration_folder(&environment), Some("/etc/ann".into()));
        let relative = Environment::fixed([("HOME", "/home/ann"), ("XDG_CONFIG_HOME", "ann")]);
        assert_eq!(configuration_folder(&relative), Some("/home/ann/.config".into()));
    }
}
