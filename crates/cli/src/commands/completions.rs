//! `bulkhead completions`: the whole command line, as a shell completes it.

use clap::Args;
use clap_complete::Shell;

use crate::{Error, Exit, Screen};

/// The end of its help.
pub const HELP: &str = "\
Examples:
  bulkhead completions bash > ~/.local/share/bash-completion/completions/bulkhead
  bulkhead completions zsh > ~/.zfunc/_bulkhead
  bulkhead completions fish > ~/.config/fish/completions/bulkhead.fish

Exit codes: 0 done; 2 wrong usage.";

/// The arguments of `bulkhead completions`.
#[derive(Debug, Clone, Args)]
pub struct Completions {
    /// For which shell.
    #[arg(value_enum)]
    pub shell: Shell,
}

impl Completions {
    /// Writes them to stdout, for the command line `whole`.
    ///
    /// # Errors
    /// Never; the signature is that of every command.
    pub fn run(self, mut whole: clap::Command, screen: &mut Screen) -> Result<Exit, Error> {
        let name = whole.get_name().to_owned();
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut whole, name, &mut script);
        screen.data(&String::from_utf8_lossy(&script));
        Ok(Exit::Done)
    }
}
