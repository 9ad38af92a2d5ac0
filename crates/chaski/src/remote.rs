//! Commands that speak to a server over its REST interface: which one, as whom, and how answers are shown.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use client::api::{Api, Body, Credentials, Event};
use client::chat::link::Door;
use serde_json::Value;

use crate::contexts::{Contexts, Server};
use crate::exit::{CommandError, Exit};
use crate::output;

/// Where a server listens that was started without settings.
pub(crate) const DEFAULT_URL: &str = "http://127.0.0.1:8080";

/// Which server, and as whom.
#[derive(Debug, Clone, Args)]
pub(crate) struct RemoteArgs {
    /// The server, as http://HOST:PORT [default: the context's, else http://127.0.0.1:8080 as guest]
    #[arg(
        long,
        env = "CHASKI_SERVER",
        value_name = "URL",
        help_heading = "Server",
        display_order = 800
    )]
    pub(crate) server: Option<String>,

    /// A context of `chaski login` [default: the current one]
    #[arg(
        long,
        env = "CHASKI_CONTEXT",
        value_name = "NAME",
        help_heading = "Server",
        display_order = 800
    )]
    context: Option<String>,

    /// A token or a queue's key to show instead of the context's
    #[arg(
        long,
        env = "CHASKI_TOKEN",
        hide_env_values = true,
        value_name = "TOKEN",
        help_heading = "Server",
        display_order = 800
    )]
    token: Option<String>,

    /// A file of certificates (PEM) to trust instead of the usual ones
    #[arg(
        long,
        env = "CHASKI_CA",
        value_name = "FILE",
        help_heading = "Server",
        display_order = 800
    )]
    pub(crate) ca: Option<PathBuf>,
}

/// A server, and the form of what is printed.
pub(crate) struct Remote {
    api: Api,
    json: bool,
}

impl RemoteArgs {
    /// Prepares to speak to the server.
    pub(crate) fn open(&self, json: bool) -> anyhow::Result<Remote> {
        let door = self.door()?;
        Ok(Remote {
            api: api(&door.url, door.credentials, door.ca.as_ref())?,
            json,
        })
    }

    /// Names the server; one that was logged in to is spoken to as whoever logged in.
    pub(crate) fn name_server(&mut self, url: String) -> anyhow::Result<()> {
        let contexts = Contexts::load()?;
        let bare = url.trim_end_matches('/');
        let is_it = |server: &Server| server.url.trim_end_matches('/') == bare;
        let found = contexts.servers.iter().find(|(_, server)| is_it(server));
        match found {
            Some((name, _)) if self.context.is_none() => self.context = Some(name.clone()),
            Some(_) | None => self.server = Some(url),
        }
        Ok(())
    }

    /// The address of the server that was logged in to last, unless one is named.
    pub(crate) fn usual(&self) -> anyhow::Result<Option<String>> {
        let contexts = Contexts::load()?;
        let known = if self.is_named() {
            None
        } else {
            self.known(&contexts)?
        };
        Ok(known.map(|server| server.url.clone()))
    }

    /// Whether a server was named, by itself or by a context.
    pub(crate) const fn is_named(&self) -> bool {
        self.server.is_some() || self.context.is_some()
    }

    /// Whether there is a token to show.
    pub(crate) fn is_known(&self) -> anyhow::Result<bool> {
        let contexts = Contexts::load()?;
        Ok(self.token.is_some() || self.known(&contexts)?.is_some())
    }

    // A server that is named is asked as guest or with the token given, never with another server's token.
    fn known<'a>(&self, contexts: &'a Contexts) -> anyhow::Result<Option<&'a Server>> {
        match (&self.server, &self.context) {
            (Some(_), None) => Ok(None),
            _ => contexts.find(self.context.as_deref()),
        }
    }

    /// Says where the server is and as whom one comes.
    pub(crate) fn door(&self) -> anyhow::Result<Door> {
        let contexts = Contexts::load()?;
        let known = self.known(&contexts)?;
        let url = self
            .server
            .as_deref()
            .or_else(|| known.map(|known| &*known.url));
        let ca = self
            .ca
            .as_ref()
            .or_else(|| known.and_then(|known| known.ca.as_ref()));
        let token = self
            .token
            .as_ref()
            .or_else(|| known.map(|known| &known.token));
        let credentials = token.map_or_else(
            || Credentials::Password {
                login: "guest".to_owned(),
                password: "guest".to_owned(),
            },
            |token| Credentials::Token(token.clone()),
        );
        Ok(Door {
            url: url.unwrap_or(DEFAULT_URL).to_owned(),
            credentials,
            ca: ca.cloned(),
        })
    }
}

/// Prepares to speak to a server.
pub(crate) fn api(
    url: &str,
    credentials: Credentials,
    ca: Option<&PathBuf>,
) -> anyhow::Result<Api> {
    if !url.starts_with("http://") && !url.starts_with("https://") {
        let message = format!("'{url}' is no address of a server: write http://HOST:PORT");
        return Err(CommandError::new(Exit::Usage, message).into());
    }
    let pem = ca
        .map(|path| std::fs::read(path).with_context(|| format!("cannot read {}", path.display())))
        .transpose()?;
    let api = Api::new(url, credentials, pem.as_deref())?;
    Ok(api.with_ca(ca.cloned()))
}

impl Remote {
    /// Whether to print JSON.
    pub(crate) const fn is_json(&self) -> bool {
        self.json
    }

    /// The interface itself, for what others look up in it.
    pub(crate) const fn api(&self) -> &Api {
        &self.api
    }

    /// Reads something.
    pub(crate) fn get(&self, path: &str) -> anyhow::Result<Value> {
        Ok(self.api.get(path)?)
    }

    /// Sends a request with a JSON body.
    pub(crate) fn send(&self, method: &str, path: &str, body: &Value) -> anyhow::Result<Value> {
        Ok(self.api.send(method, path, Some(body))?)
    }

    /// Sends a request without a body.
    pub(crate) fn call(&self, method: &str, path: &str) -> anyhow::Result<Value> {
        Ok(self.api.send(method, path, None)?)
    }

    /// Sends a message's body.
    pub(crate) fn send_bytes(
        &self,
        path: &str,
        content_type: &str,
        body: &[u8],
    ) -> anyhow::Result<Body> {
        Ok(self
            .api
            .send_bytes("POST", path, Some(content_type), body)?)
    }

    /// Reads a whole list, page by page.
    pub(crate) fn list(&self, path: &str) -> anyhow::Result<Vec<Value>> {
        let mut items = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let sign = if path.contains('?') { '&' } else { '?' };
            let page = match &cursor {
                None => self.get(path)?,
                Some(cursor) => self.get(&format!("{path}{sign}cursor={cursor}"))?,
            };
            items.extend(page["items"].as_array().into_iter().flatten().cloned());
            cursor = page["next_cursor"].as_str().map(str::to_owned);
            if cursor.is_none() {
                return Ok(items);
            }
        }
    }

    /// Prints rows, or the items themselves as JSON.
    pub(crate) fn print_list(
        &self,
        items: &[Value],
        columns: &[(&str, &str)],
    ) -> anyhow::Result<()> {
        if self.json {
            return output::json(items);
        }
        let headings: Vec<_> = columns.iter().map(|(heading, _)| *heading).collect();
        let row = |item: &Value| {
            let cells = columns.iter().map(|(_, field)| text_of(&item[*field]));
            cells.collect::<Vec<_>>()
        };
        let rows: Vec<_> = items.iter().map(row).collect();
        Ok(output::table(&headings, &rows)?)
    }

    /// Prints one thing, a line for each field.
    pub(crate) fn print_one(&self, item: &Value) -> anyhow::Result<()> {
        if self.json {
            return output::json(item);
        }
        for (field, value) in item.as_object().into_iter().flatten() {
            output::line(&format!("{field}: {}", text_of(value)))?;
        }
        Ok(())
    }

    /// Says that something is done, to scripts only.
    pub(crate) fn print_done(&self) -> anyhow::Result<()> {
        if self.json {
            output::json(&serde_json::json!({ "done": true }))?;
        }
        Ok(())
    }

    /// Follows events; comes back with the last id when the connection is lost. Ends when `take` says so or the server ends it.
    pub(crate) fn follow(
        &self,
        path: &str,
        mut take: impl FnMut(&Event) -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let mut last: Option<String> = None;
        loop {
            let mut events = self.api.events(path, last.as_deref())?;
            // An error means that the connection is lost: what follows is asked for anew.
            while let Ok(Some(event)) = events.next_event() {
                if event.kind == "end" {
                    return Ok(());
                }
                last.clone_from(&event.id);
                if !take(&event)? {
                    return Ok(());
                }
            }
            if last.is_none() {
                return Ok(());
            }
        }
    }
}

/// Shows a value in one cell.
pub(crate) fn text_of(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(text_of).collect::<Vec<_>>().join(", "),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}
