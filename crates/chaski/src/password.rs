//! Where a command gets a password from; never from its arguments, which everybody can see.

use std::io::{self, BufRead, IsTerminal};

use anyhow::Context as _;
use clap::Args;

use crate::exit::{CommandError, Exit};

/// The greatest password, as the server takes it.
const PASSWORD_BYTES_MAX: u64 = 1024;

/// The ways to give a password.
#[derive(Debug, Args)]
pub(crate) struct PasswordArgs {
    /// Read the password from the first line of standard input
    #[arg(long, conflicts_with = "generate")]
    password_stdin: bool,

    /// Generate a password and print it once
    #[arg(long)]
    generate: bool,
}

impl PasswordArgs {
    /// Asked for at the terminal.
    pub(crate) const fn asked() -> Self {
        Self {
            password_stdin: false,
            generate: false,
        }
    }
}

/// A password and whether its owner has yet to see it.
pub(crate) struct Chosen {
    /// The password.
    pub(crate) password: String,
    /// Whether it was generated, so that it must be shown.
    pub(crate) generated: bool,
}

/// Gets a password: generated, from standard input, or typed twice without echo.
pub(crate) fn choose(args: &PasswordArgs, login: &str) -> anyhow::Result<Chosen> {
    let given = |password: String| {
        if password.is_empty() {
            return Err(CommandError::new(Exit::Usage, "the password must not be empty").into());
        }
        Ok(Chosen {
            password,
            generated: false,
        })
    };
    if args.generate {
        return Ok(Chosen {
            password: server::admin::generate_password()?,
            generated: true,
        });
    }
    if args.password_stdin {
        return given(first_line(io::stdin().lock())?);
    }
    if !io::stdin().is_terminal() {
        return Err(CommandError::new(
            Exit::Usage,
            "no terminal to ask for the password at; use --password-stdin or --generate",
        )
        .into());
    }
    let password = rpassword::prompt_password(format!("Password for {login}: "))
        .context("cannot read the password")?;
    let repeated =
        rpassword::prompt_password("The same again: ").context("cannot read the password")?;
    if password != repeated {
        return Err(CommandError::new(Exit::Usage, "the two passwords differ").into());
    }
    given(password)
}

/// Asks for a password that is there already.
pub(crate) fn ask(prompt: &str) -> anyhow::Result<String> {
    if !io::stdin().is_terminal() {
        let message =
            "no terminal to ask for the password at; use --password-stdin if the command has it";
        return Err(CommandError::new(Exit::Usage, message).into());
    }
    rpassword::prompt_password(prompt).context("cannot read the password")
}

/// Reads a password from the first line of an input.
pub(crate) fn first_line(input: impl BufRead) -> anyhow::Result<String> {
    let mut line = String::new();
    input
        .take(PASSWORD_BYTES_MAX + 2)
        .read_line(&mut line)
        .context("cannot read the password from standard input")?;
    let without_feed = line.strip_suffix('\n').unwrap_or(&line);
    let password = without_feed.strip_suffix('\r').unwrap_or(without_feed);
    Ok(password.to_owned())
}

#[cfg(test)]
mod tests;
