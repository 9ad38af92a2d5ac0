//! `chaski user`.

use clap::{Args, Subcommand};
use server::admin::{Password, Request, Response};

use crate::context::Context;
use crate::output;
use crate::password::{self, PasswordArgs};
use crate::status::{ask, change, unexpected};

/// Accounts.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
These commands work whether a server runs on the data directory or not.

Examples:
  chaski user add anna --full-access /          asks for the password
  chaski user add shop --generate               prints a generated password once
  printf '%s\\n' \"$SECRET\" | chaski user add worker --password-stdin
  chaski user tags anna administrator")]
pub(crate) enum UserCommand {
    /// Make an account
    Add(AddArgs),
    /// List the accounts
    List,
    /// Set the password of an account
    Password {
        /// The account
        login: String,
        #[command(flatten)]
        password: PasswordArgs,
    },
    /// Replace the tags of an account; none takes all away
    Tags {
        /// The account
        login: String,
        /// administrator, monitoring, policymaker, management, impersonator, or your own
        tags: Vec<String>,
    },
    /// Delete an account; its connections are closed
    Delete {
        /// The account
        login: String,
    },
}

/// Make an account.
#[derive(Debug, Args)]
#[command(after_help = "\
Without --generate or --password-stdin it asks for the password. Without --full-access the account
may do nothing yet; `chaski permission set` says what it may.")]
pub(crate) struct AddArgs {
    /// Its name
    login: String,
    #[command(flatten)]
    password: PasswordArgs,
    /// A tag, such as administrator; may be repeated
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// Let it do everything in this virtual host; may be repeated
    #[arg(long, value_name = "VHOST")]
    full_access: Vec<String>,
}

/// Carries out a command on accounts.
pub(crate) fn run(command: UserCommand, context: &Context) -> anyhow::Result<()> {
    match command {
        UserCommand::Add(args) => add(args, context),
        UserCommand::List => list(context),
        UserCommand::Password { login, password } => {
            let request = |password| Request::UserPassword {
                login: login.clone(),
                password,
            };
            with_password(&password, &login, context, request)
        }
        UserCommand::Tags { login, tags } => change(context, &Request::UserTags { login, tags }),
        UserCommand::Delete { login } => change(context, &Request::UserDelete { login }),
    }
}

fn add(args: AddArgs, context: &Context) -> anyhow::Result<()> {
    let request = |password| Request::UserAdd {
        login: args.login.clone(),
        password,
        tags: args.tags.clone(),
        full_access: args.full_access.clone(),
    };
    with_password(&args.password, &args.login, context, request)
}

/// Gets a password, sends the request with it, and shows it if it was generated.
fn with_password(
    args: &PasswordArgs,
    login: &str,
    context: &Context,
    request: impl FnOnce(Password) -> Request,
) -> anyhow::Result<()> {
    let chosen = password::choose(args, login)?;
    let request = request(Password::new(chosen.password.clone()));
    let Response::Done = ask(context, &request)? else {
        return Err(unexpected());
    };
    match (context.json, chosen.generated) {
        (true, true) => output::json(&serde_json::json!({
            "login": login,
            "password": chosen.password,
        })),
        (true, false) => output::json(&serde_json::json!({ "done": true })),
        (false, true) => Ok(output::line(&chosen.password)?),
        (false, false) => Ok(()),
    }
}

fn list(context: &Context) -> anyhow::Result<()> {
    let Response::Users(rows) = ask(context, &Request::UserList)? else {
        return Err(unexpected());
    };
    if context.json {
        return output::json(&rows);
    }
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .map(|row| vec![row.login, row.tags.join(", ")])
        .collect();
    output::table(&["LOGIN", "TAGS"], &rows)?;
    Ok(())
}
