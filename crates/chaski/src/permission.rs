//! `chaski permission`.

use clap::Subcommand;
use server::admin::{PermissionRow, Request, Response, TopicPermissionRow};

use crate::context::Context;
use crate::output;
use crate::status::{ask, change, unexpected};

/// Permissions.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
A pattern is a regular expression that is found anywhere in the name of an exchange or queue, so
that ^ and $ are needed where it is to be the beginning or the end. .* allows everything, the empty
pattern nothing. The default exchange is amq.default here.

Examples:
  chaski permission set anna --vhost /                             everything
  chaski permission set shop --configure='^shop[.]' --write='^shop[.]' --read='^shop[.]'
  chaski permission set-topic shop --exchange amq.topic --write='^orders[.]' --read='.*'
  chaski permission list --user shop")]
pub(crate) enum PermissionCommand {
    /// Set what an account may do in a virtual host
    Set {
        /// The account
        login: String,
        /// The virtual host
        #[arg(long, default_value = "/")]
        vhost: String,
        /// Names that it may declare and delete
        #[arg(long, value_name = "PATTERN", default_value = ".*")]
        configure: String,
        /// Names that it may publish to and bind
        #[arg(long, value_name = "PATTERN", default_value = ".*")]
        write: String,
        /// Names that it may consume, purge and bind from
        #[arg(long, value_name = "PATTERN", default_value = ".*")]
        read: String,
    },
    /// Set which routing keys an account may use with a topic exchange
    SetTopic {
        /// The account
        login: String,
        /// The virtual host
        #[arg(long, default_value = "/")]
        vhost: String,
        /// The topic exchange
        #[arg(long)]
        exchange: String,
        /// Routing keys that it may publish
        #[arg(long, value_name = "PATTERN", default_value = ".*")]
        write: String,
        /// Binding keys that it may bind
        #[arg(long, value_name = "PATTERN", default_value = ".*")]
        read: String,
    },
    /// Take all rights of an account in a virtual host
    Clear {
        /// The account
        login: String,
        /// The virtual host
        #[arg(long, default_value = "/")]
        vhost: String,
        /// Clear the topic permissions instead
        #[arg(long)]
        topic: bool,
        /// Only those of this exchange
        #[arg(long, requires = "topic")]
        exchange: Option<String>,
    },
    /// List permissions
    List {
        /// Only of this account
        #[arg(long, value_name = "LOGIN")]
        user: Option<String>,
        /// Only in this virtual host
        #[arg(long)]
        vhost: Option<String>,
    },
}

/// Carries out a command on permissions.
pub(crate) fn run(command: PermissionCommand, context: &Context) -> anyhow::Result<()> {
    let request = match command {
        PermissionCommand::Set {
            login,
            vhost,
            configure,
            write,
            read,
        } => Request::PermissionSet {
            login,
            vhost,
            configure,
            write,
            read,
        },
        PermissionCommand::SetTopic {
            login,
            vhost,
            exchange,
            write,
            read,
        } => Request::TopicPermissionSet {
            login,
            vhost,
            exchange,
            write,
            read,
        },
        PermissionCommand::Clear {
            login,
            vhost,
            topic: true,
            exchange,
        } => Request::TopicPermissionClear {
            login,
            vhost,
            exchange,
        },
        PermissionCommand::Clear {
            login,
            vhost,
            topic: false,
            ..
        } => Request::PermissionClear { login, vhost },
        PermissionCommand::List { user, vhost } => return list(user, vhost, context),
    };
    change(context, &request)
}

fn list(login: Option<String>, vhost: Option<String>, context: &Context) -> anyhow::Result<()> {
    let response = ask(context, &Request::PermissionList { login, vhost })?;
    let Response::Permissions {
        permissions,
        topic_permissions,
    } = response
    else {
        return Err(unexpected());
    };
    if context.json {
        return output::json(&serde_json::json!({
            "permissions": permissions,
            "topic_permissions": topic_permissions,
        }));
    }
    let heading = ["VHOST", "LOGIN", "CONFIGURE", "WRITE", "READ"];
    let rows: Vec<Vec<String>> = permissions.into_iter().map(permission_row).collect();
    output::table(&heading, &rows)?;
    if !topic_permissions.is_empty() {
        output::line("")?;
        let heading = ["VHOST", "LOGIN", "TOPIC EXCHANGE", "WRITE", "READ"];
        let rows: Vec<Vec<String>> = topic_permissions.into_iter().map(topic_row).collect();
        output::table(&heading, &rows)?;
    }
    Ok(())
}

fn permission_row(row: PermissionRow) -> Vec<String> {
    vec![row.vhost, row.login, row.configure, row.write, row.read]
}

fn topic_row(row: TopicPermissionRow) -> Vec<String> {
    vec![row.vhost, row.login, row.exchange, row.write, row.read]
}
