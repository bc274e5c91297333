//! `mailplumb completions`

use clap::{Args, ValueEnum};
use clap_complete::{Generator, Shell, generate};

use super::exit::{DONE, Outcome};
use super::{Global, output};

/// Print a script that completes commands and options in a shell
///
/// Commands, options and the values that an option takes. Put it where the shell looks for completions, as in the examples.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mailplumb completions bash > ~/.local/share/bash-completion/completions/mailplumb\n  \
                        mailplumb completions zsh > ~/.zfunc/_mailplumb\n  \
                        mailplumb completions fish > ~/.config/fish/completions/mailplumb.fish"
)]
pub struct Completions {
    #[arg(value_name = "SHELL")]
    shell: Target,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Target {
    Bash,
    Zsh,
    Fish,
    #[value(name = "powershell")]
    PowerShell,
    Elvish,
    Nushell,
}

impl Completions {
    pub fn run(self, _global: &Global) -> Outcome {
        let script = match self.shell {
            Target::Bash => script(Shell::Bash),
            Target::Zsh => script(Shell::Zsh),
            Target::Fish => script(Shell::Fish),
            Target::PowerShell => script(Shell::PowerShell),
            Target::Elvish => script(Shell::Elvish),
            Target::Nushell => script(clap_complete_nushell::Nushell),
        };
        output::bytes(&script)?;
        Ok(DONE)
    }
}

fn script(generator: impl Generator) -> Vec<u8> {
    let mut script = Vec::new();
    generate(generator, &mut super::commands(), "mailplumb", &mut script);
    script
}
