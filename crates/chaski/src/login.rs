//! `chaski login`, `logout` and `context`.

use std::io;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use client::api::{Credentials, escape};
use serde_json::{Value, json};

use crate::context::Context;
use crate::contexts::{Contexts, Server};
use crate::exit::{CommandError, Exit};
use crate::output;
use crate::password::{ask, first_line};
use crate::remote::{DEFAULT_URL, api};

/// Log in to a server.
#[derive(Debug, Args)]
#[command(after_help = "\
The session's token is kept in ~/.config/chaski/contexts.json, which only you may read. Commands
such as account, topic and request speak to the server that was logged in to last, or to the one
that `chaski context use` chose.

Examples:
  chaski login http://127.0.0.1:8080 --login anna
  printf '%s\\n' \"$SECRET\" | chaski login https://broker.example:8443 --login worker --password-stdin")]
pub(crate) struct LoginArgs {
    /// The server
    #[arg(default_value = DEFAULT_URL)]
    url: String,
    /// The account
    #[arg(long)]
    login: String,
    /// Read the password from the first line of standard input
    #[arg(long)]
    password_stdin: bool,
    /// What to call the server
    #[arg(long, default_value = "default", value_name = "NAME")]
    name: String,
    /// A file of certificates (PEM) to trust instead of the usual ones
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

/// Log out.
#[derive(Debug, Args)]
pub(crate) struct LogoutArgs {
    /// The context to leave [default: the current one]
    name: Option<String>,
}

/// Servers that were logged in to.
#[derive(Debug, Subcommand)]
pub(crate) enum ContextCommand {
    /// List them
    List,
    /// Choose the one that commands speak to
    Use {
        /// Its name
        name: String,
    },
}

/// Logs in and keeps the token.
pub(crate) fn log_in(args: LoginArgs, context: &Context) -> anyhow::Result<()> {
    let password = if args.password_stdin {
        first_line(io::stdin().lock())?
    } else {
        ask(&format!("Password for {}: ", args.login))?
    };
    let ca = args.ca.map(std::path::absolute).transpose()?;
    let api = api(&args.url, Credentials::None, ca.as_ref())?;
    let wish = json!({ "login": args.login, "password": password, "client": "chaski" });
    let opened = api.send("POST", "/v1/sessions", Some(&wish))?;
    let Some(token) = opened["token"].as_str() else {
        let message = "the server answered without a token";
        return Err(CommandError::new(Exit::Failed, message).into());
    };
    let mut contexts = Contexts::load()?;
    let server = Server {
        url: args.url.clone(),
        login: args.login.clone(),
        token: token.to_owned(),
        ca,
    };
    contexts.servers.insert(args.name.clone(), server);
    contexts.current = Some(args.name.clone());
    contexts.save()?;
    if context.json {
        return output::json(&opened["session"]);
    }
    Ok(output::line(&format!(
        "logged in to {} as {}; context '{}'",
        args.url, args.login, args.name
    ))?)
}

/// Ends the session and forgets its token.
pub(crate) fn log_out(args: LogoutArgs, context: &Context) -> anyhow::Result<()> {
    let mut contexts = Contexts::load()?;
    let name = args.name.or_else(|| contexts.current.clone());
    let known = contexts.find(name.as_deref())?.cloned();
    let (Some(name), Some(server)) = (name, known) else {
        let message = "nobody is logged in; `chaski login` does it";
        return Err(CommandError::new(Exit::NotFound, message).into());
    };
    let credentials = Credentials::Token(server.token.clone());
    let api = api(&server.url, credentials, server.ca.as_ref())?;
    let ended = api.send(
        "DELETE",
        &format!("/v1/sessions/{}", escape("present")),
        None,
    );
    contexts.servers.remove(&name);
    contexts.current = contexts.current.filter(|current| *current != name);
    contexts.save()?;
    match ended {
        // The session had ended already.
        Ok(_) | Err(client::api::ApiError::Refused { status: 401, .. }) => {}
        Err(error) => output::note(&format!(
            "the token is forgotten here, but the session was not ended: {error}"
        )),
    }
    if context.json {
        return output::json(&json!({ "done": true }));
    }
    Ok(())
}

/// Lists or chooses contexts.
pub(crate) fn run(command: ContextCommand, context: &Context) -> anyhow::Result<()> {
    let mut contexts = Contexts::load()?;
    match command {
        ContextCommand::Use { name } => {
            contexts.find(Some(&name))?;
            contexts.current = Some(name);
            contexts.save()
        }
        ContextCommand::List => {
            let current = contexts.current.as_deref();
            let rows = contexts.servers.iter().map(|(name, server)| {
                json!({
                    "name": name,
                    "url": server.url,
                    "login": server.login,
                    "current": current == Some(name),
                })
            });
            let rows: Vec<Value> = rows.collect();
            if context.json {
                return output::json(&rows);
            }
            let row = |row: &Value| {
                let mark = if row["current"] == true { "*" } else { "" };
                let cells =
                    ["name", "url", "login"].map(|field| crate::remote::text_of(&row[field]));
                [vec![mark.to_owned()], cells.to_vec()].concat()
            };
            let rows: Vec<_> = rows.iter().map(row).collect();
            Ok(output::table(&["", "NAME", "URL", "LOGIN"], &rows)?)
        }
    }
}
