//! `chaski account` and `session`: people and programs, over the REST interface.

use clap::{Args, Subcommand};
use client::api::escape;
use serde_json::{Map, Value, json};

use crate::context::Context;
use crate::output;
use crate::password::{self, PasswordArgs};
use crate::remote::{Remote, RemoteArgs};

/// Accounts.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  chaski account add anna --first-names Anna --age 30
  chaski account list
  chaski account invite --uses 5                prints a code, once
  chaski account role anna administrator")]
pub(crate) enum AccountCommand {
    /// Make an account
    Add(AddArgs),
    /// List the accounts
    List,
    /// Show an account; without a login, your own
    Show {
        /// The account
        login: Option<String>,
    },
    /// Change an account's password
    Password {
        /// The account
        login: String,
        #[command(flatten)]
        password: PasswordArgs,
    },
    /// Give an account another role: administrator, member or service
    Role {
        /// The account
        login: String,
        /// The role
        role: String,
    },
    /// Delete an account; its queues stay, without an owner
    Delete {
        /// The account
        login: String,
    },
    /// Make a code by which strangers make accounts
    Invite {
        /// How many accounts
        #[arg(long, default_value_t = 1)]
        uses: u32,
    },
}

/// Make an account.
#[derive(Debug, Args)]
pub(crate) struct AddArgs {
    /// What it logs in with
    login: String,
    #[command(flatten)]
    password: PasswordArgs,
    /// First names
    #[arg(long, default_value = "")]
    first_names: String,
    /// Last names
    #[arg(long, default_value = "")]
    last_names: String,
    /// Age in years
    #[arg(long)]
    age: Option<u8>,
    /// Gender, in the person's own words
    #[arg(long, default_value = "")]
    gender: String,
    /// administrator, member or service
    #[arg(long)]
    role: Option<String>,
    /// The code of an invitation
    #[arg(long)]
    invitation: Option<String>,
}

/// Sessions.
#[derive(Debug, Subcommand)]
pub(crate) enum SessionCommand {
    /// List your sessions
    List {
        /// Those of another account
        #[arg(long, conflicts_with = "all")]
        login: Option<String>,
        /// Those of all accounts
        #[arg(long)]
        all: bool,
    },
    /// End a session: its connections close within a second
    End {
        /// Its id
        id: String,
    },
}

/// Carries out a command on accounts.
pub(crate) fn run(
    command: AccountCommand,
    remote: &RemoteArgs,
    context: &Context,
) -> anyhow::Result<()> {
    let remote = remote.open(context.json)?;
    let path = |login: &str| format!("/v1/accounts/{}", escape(login));
    match command {
        AccountCommand::Add(args) => add(args, &remote),
        AccountCommand::List => {
            let items = remote.list("/v1/accounts?limit=1000")?;
            let columns = [
                ("LOGIN", "login"),
                ("ROLE", "role"),
                ("FIRST NAMES", "first_names"),
                ("LAST NAMES", "last_names"),
                ("TAGS", "tags"),
            ];
            remote.print_list(&items, &columns)
        }
        AccountCommand::Show { login } => {
            let path = login.map_or_else(|| "/v1/me".to_owned(), |login| path(&login));
            remote.print_one(&remote.get(&path)?)
        }
        AccountCommand::Password { login, password } => {
            let own = remote.get("/v1/me")?["login"] == *login;
            let present = own
                .then(|| password::ask(&format!("Present password of {login}: ")))
                .transpose()?;
            let chosen = password::choose(&password, &login)?;
            let wish = json!({ "present": present, "new": chosen.password });
            remote.send("PUT", &format!("{}/password", path(&login)), &wish)?;
            print_password(&remote, &chosen)
        }
        AccountCommand::Role { login, role } => {
            let wish = json!({ "role": role });
            remote.send("PUT", &format!("{}/role", path(&login)), &wish)?;
            remote.print_done()
        }
        AccountCommand::Delete { login } => {
            remote.call("DELETE", &path(&login))?;
            remote.print_done()
        }
        AccountCommand::Invite { uses } => {
            let made = remote.send("POST", "/v1/invitations", &json!({ "uses": uses }))?;
            if remote.is_json() {
                return output::json(&made);
            }
            Ok(output::line(made["code"].as_str().unwrap_or_default())?)
        }
    }
}

fn add(args: AddArgs, remote: &Remote) -> anyhow::Result<()> {
    let chosen = password::choose(&args.password, &args.login)?;
    let mut wish = Map::new();
    wish.insert("login".into(), args.login.into());
    wish.insert("password".into(), chosen.password.clone().into());
    wish.insert("first_names".into(), args.first_names.into());
    wish.insert("last_names".into(), args.last_names.into());
    wish.insert("gender".into(), args.gender.into());
    let optional = [
        ("age", args.age.map(Value::from)),
        ("role", args.role.map(Value::from)),
        ("invitation", args.invitation.map(Value::from)),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            wish.insert(name.into(), value);
        }
    }
    remote.send("POST", "/v1/accounts", &Value::Object(wish))?;
    print_password(remote, &chosen)
}

/// Shows a password that was generated; its owner has yet to see it.
fn print_password(remote: &Remote, chosen: &password::Chosen) -> anyhow::Result<()> {
    match (remote.is_json(), chosen.generated) {
        (true, true) => output::json(&json!({ "password": chosen.password })),
        (false, true) => Ok(output::line(&chosen.password)?),
        (_, false) => remote.print_done(),
    }
}

/// Carries out a command on sessions.
pub(crate) fn run_session(
    command: SessionCommand,
    remote: &RemoteArgs,
    context: &Context,
) -> anyhow::Result<()> {
    let remote = remote.open(context.json)?;
    match command {
        SessionCommand::List { login, all } => {
            let whose = login.or_else(|| all.then(|| "*".to_owned()));
            let filter = whose.map(|whose| format!("&login={}", escape(&whose)));
            let path = format!("/v1/sessions?limit=1000{}", filter.unwrap_or_default());
            let items = remote.list(&path)?;
            let columns = [
                ("ID", "id"),
                ("LOGIN", "login"),
                ("DOOR", "door"),
                ("ADDRESS", "address"),
                ("CLIENT", "client"),
                ("KIND", "kind"),
            ];
            remote.print_list(&items, &columns)
        }
        SessionCommand::End { id } => {
            remote.call("DELETE", &format!("/v1/sessions/{}", escape(&id)))?;
            remote.print_done()
        }
    }
}
