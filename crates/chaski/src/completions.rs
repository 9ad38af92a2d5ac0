//! `chaski completions`.

use clap::CommandFactory;

use crate::cli::Cli;
use crate::output;

/// Prints the completion script of a shell.
pub(crate) fn run(shell: clap_complete::Shell) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "chaski", &mut script);
    output::raw(&String::from_utf8(script)?)?;
    Ok(())
}
