//! `chaski chat`, `say` and `listen`: the chat at a terminal, in a pipe and for scripts.

mod shelf;

use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use client::api::{Api, Credentials, escape};
use client::chat::link::{Door, Fault};
use client::chat::memory::Shelf;
use client::chat::plain::{self, Ended};
use client::chat::run::{self, Start};
use client::chat::script::{self, ScriptError};
use client::chat::settings::Settings;
use client::chat::wire::Message;
use serde_json::{Map, Value, json};

use crate::contexts::{Contexts, Server, directory};
use crate::exit::{CommandError, Exit};
use crate::remote::{DEFAULT_URL, RemoteArgs, api};
use crate::{number, output, password};
use shelf::RoomsFile;

/// The longest text that is read from standard input, in bytes, somewhat more than the server takes.
const TEXT_BYTES_MAX: u64 = 64 << 10;
/// Lines that were read and not yet taken.
const LINES_MAX: usize = 64;

/// Talk with others.
#[derive(Debug, Args)]
#[command(after_help = "\
Speaks to the server of `chaski login`; with a URL, or when nobody is logged in, it asks for login and
password, and makes an account where the server allows it. F1 shows the keys, #help the commands.
It comes back to the rooms of the last time, which are kept in ~/.config/chaski/chat-rooms.json.
Settings and keys are read from ~/.config/chaski/chat.toml; --keys prints it with every default.

Examples:
  chaski chat
  chaski chat https://broker.example:8443 --login anna --room tea
  chaski chat --plain < lines.txt
  chaski chat --keys > ~/.config/chaski/chat.toml")]
pub(crate) struct ChatArgs {
    /// The server, as http://HOST:PORT [default: the context's]
    url: Option<String>,
    /// The account, if not the one that is logged in
    #[arg(long)]
    login: Option<String>,
    /// The room, or @LOGIN, to begin in
    #[arg(long, value_name = "ROOM")]
    room: Option<String>,
    /// Lines in, lines out: for pipes and screen readers
    #[arg(long)]
    plain: bool,
    /// Scroll and choose with the mouse
    #[arg(long)]
    mouse: bool,
    /// Print the settings with every key, commented
    #[arg(long)]
    keys: bool,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// Say something.
#[derive(Debug, Args)]
#[command(after_help = "\
Waits until the message is stored and prints its number in the room. A lost connection is made again
and the message sent again under the same id, so that it is there once.

Examples:
  chaski say lobby 'the build is done'
  uptime | chaski say @anna -
  chaski say lobby --action 'is away' --json")]
pub(crate) struct SayArgs {
    /// The room, or @LOGIN
    room: String,
    /// What to say; - reads it from standard input
    #[arg(required = true)]
    text: Vec<String>,
    /// Say it as something that you do
    #[arg(long)]
    action: bool,
    /// Give up after so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = number::within(1..=86_400_u64))]
    timeout: u64,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// Listen to a room.
#[derive(Debug, Args)]
#[command(after_help = "\
Prints messages as they come, a line each, until interrupted. A lost connection is made again, and
what was missed is printed before what is new: nothing twice, nothing left out.

Examples:
  chaski listen lobby
  chaski listen lobby --after 0 --json        from the beginning
  chaski listen @anna --count 1")]
pub(crate) struct ListenArgs {
    /// The room, or @LOGIN
    room: String,
    /// Begin behind the message with this number [default: with what comes]
    #[arg(long, value_name = "SEQ", value_parser = number::from_zero)]
    after: Option<u64>,
    /// End after so many messages
    #[arg(short = 'n', long, value_name = "N", value_parser = number::from_zero)]
    count: Option<u64>,
    #[command(flatten)]
    remote: RemoteArgs,
}

fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}

/// Talks.
pub(crate) fn run(mut args: ChatArgs) -> anyhow::Result<ExitCode> {
    if args.keys {
        output::raw(&Settings::commented())?;
        return Ok(Exit::Done.into());
    }
    let mut settings = settings()?;
    settings.mouse |= args.mouse;
    if let Some(url) = args.url.take() {
        args.remote.name_server(url)?;
    }
    let Entry { door, is_lent } = enter(&args)?;
    let lent = is_lent.then(|| door.clone());
    let place = args.room;
    let ended = if args.plain {
        talk_plainly(door, place)
    } else if io::stdin().is_terminal() && io::stdout().is_terminal() {
        let shelf: Option<Box<dyn Shelf>> = if settings.remember {
            Some(Box::new(RoomsFile::new()?))
        } else {
            None
        };
        let start = Start {
            door,
            settings,
            place,
            shelf,
        };
        runtime()?.block_on(run::run(start)).map_err(Into::into)
    } else {
        let message = "no terminal to draw on; --plain talks in lines";
        Err(CommandError::new(Exit::Usage, message).into())
    };
    if let Some(door) = lent {
        // A session that was opened for this alone. If it cannot be ended, it ends by itself.
        if let Ok(api) = api(&door.url, door.credentials, door.ca.as_ref()) {
            let _ = api.send("DELETE", "/v1/sessions/present", None);
        }
    }
    ended.map(|()| Exit::Done.into())
}

fn settings() -> anyhow::Result<Settings> {
    let path = directory()?.join("chat.toml");
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Settings::default()),
        Err(error) => {
            return Err(error).with_context(|| format!("cannot read {}", path.display()));
        }
    };
    Settings::parse(&text)
        .map_err(|why| CommandError::new(Exit::Usage, format!("{}: {why}", path.display())).into())
}

fn talk_plainly(door: Door, place: Option<String>) -> anyhow::Result<()> {
    let (sender, lines) = tokio::sync::mpsc::channel(LINES_MAX);
    // Ends with the process: a read from a terminal cannot be called off.
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            let Ok(line) = line else { break };
            if sender.blocking_send(line).is_err() {
                break;
            }
        }
    });
    // Whoever reads no more may still have something to say.
    let mut print = |text: &str| drop(output::line(text));
    let mut note = |text: &str| output::note(&format!("-- {}", text.replace('\n', "\n-- ")));
    let ended = runtime()?.block_on(plain::run(door, place, lines, &mut print, &mut note));
    match ended {
        Ended::Well => Ok(()),
        Ended::Fault(fault) => Err(of_fault(&fault).into()),
        Ended::Unsaid(count) => {
            let message = format!("{count} lines were not taken");
            Err(CommandError::new(Exit::Refused, message).into())
        }
    }
}

/// Says something.
pub(crate) fn say(args: &SayArgs, json: bool) -> anyhow::Result<ExitCode> {
    let text = match &args.text[..] {
        [dash] if dash == "-" => {
            let mut text = String::new();
            io::stdin()
                .take(TEXT_BYTES_MAX)
                .read_to_string(&mut text)
                .context("cannot read the message from standard input")?;
            text.trim_end_matches(['\n', '\r']).to_owned()
        }
        words => words.join(" "),
    };
    let wait = Duration::from_secs(args.timeout);
    let said = script::say(args.remote.door()?, &args.room, &text, args.action, wait);
    let stored = runtime()?
        .block_on(said)
        .map_err(|error| of_script(&error))?;
    if json {
        output::json(&stored)?;
    } else {
        output::line(&stored.seq.to_string())?;
    }
    Ok(Exit::Done.into())
}

/// Listens.
pub(crate) fn listen(args: &ListenArgs, json: bool) -> anyhow::Result<ExitCode> {
    let mut left = args.count.unwrap_or(u64::MAX);
    if left == 0 {
        return Ok(Exit::Done.into());
    }
    let take = |message: &Message| -> anyhow::Result<bool> {
        if json {
            output::line(&serde_json::to_string(message)?)?;
        } else {
            let sign = if message.action { "* " } else { "" };
            let colon = if message.action { "" } else { ":" };
            let text = message.text.replace('\n', "\n  ");
            output::line(&format!("{sign}{}{colon} {text}", message.from))?;
        }
        io::stdout().flush()?;
        left -= 1;
        Ok(left > 0)
    };
    let heard = script::listen(args.remote.door()?, &args.room, args.after, take);
    runtime()?
        .block_on(heard)
        .map_err(|error| of_script(&error))??;
    Ok(Exit::Done.into())
}

fn of_script(error: &ScriptError) -> CommandError {
    let exit = match error {
        ScriptError::Fault(fault) => return of_fault(fault),
        ScriptError::Refused(refused) => match &*refused.code {
            "no_room" | "no_user" | "no_conversation" => Exit::NotFound,
            "invalid" | "empty_text" | "long_text" | "room_name" => Exit::Usage,
            _ => Exit::Refused,
        },
        ScriptError::Timeout(_) => Exit::Unreachable,
    };
    CommandError::new(exit, error.to_string())
}

fn of_fault(fault: &Fault) -> CommandError {
    let exit = match fault {
        Fault::Address(_) => Exit::Usage,
        Fault::Login(_) | Fault::Refused { .. } => Exit::Refused,
        Fault::Unreachable { .. }
        | Fault::NotTrusted { .. }
        | Fault::Lost(_)
        | Fault::Silent
        | Fault::Bye { .. } => Exit::Unreachable,
    };
    CommandError::new(exit, fault.to_string())
}

/// Where one enters, and whether the session is for this alone.
struct Entry {
    door: Door,
    is_lent: bool,
}

/// Finds out where and as whom, by asking if it must.
fn enter(args: &ChatArgs) -> anyhow::Result<Entry> {
    let remote = &args.remote;
    if args.login.is_none() && remote.is_known()? {
        let door = remote.door()?;
        return Ok(Entry {
            door,
            is_lent: false,
        });
    }
    if !io::stdin().is_terminal() {
        let message = "nobody is logged in and there is no terminal to ask at; `chaski login` does it, or --token";
        return Err(CommandError::new(Exit::Usage, message).into());
    }
    let url = remote
        .server
        .clone()
        .unwrap_or_else(|| DEFAULT_URL.to_owned());
    let ca = remote.ca.clone().map(std::path::absolute).transpose()?;
    let nobody = api(&url, Credentials::None, ca.as_ref())?;
    output::note(&format!("{url}: nobody is logged in there"));
    let login = match &args.login {
        Some(login) => login.clone(),
        None => ask("Login (nothing makes an account): ")?,
    };
    let (login, secret) = if login.is_empty() {
        make_account(&nobody)?
    } else {
        let secret = password::ask(&format!("Password for {login}: "))?;
        (login, secret)
    };
    let wish = json!({ "login": login, "password": secret, "client": "chaski chat" });
    let opened = nobody.send("POST", "/v1/sessions", Some(&wish))?;
    let Some(token) = opened["token"].as_str().map(str::to_owned) else {
        let message = "the server answered without a token";
        return Err(CommandError::new(Exit::Failed, message).into());
    };
    let is_kept = matches!(
        &*ask("Stay logged in on this machine? [y/N] ")?,
        "y" | "Y" | "yes"
    );
    if is_kept {
        keep(&url, &login, &token, ca.clone())?;
    }
    let credentials = Credentials::Token(token);
    let door = Door {
        url,
        credentials,
        ca,
    };
    Ok(Entry {
        door,
        is_lent: !is_kept,
    })
}

fn keep(url: &str, login: &str, token: &str, ca: Option<PathBuf>) -> anyhow::Result<()> {
    let mut contexts = Contexts::load()?;
    let name = "default".to_owned();
    let server = Server {
        url: url.to_owned(),
        login: login.to_owned(),
        token: token.to_owned(),
        ca,
    };
    contexts.servers.insert(name.clone(), server);
    contexts.current = Some(name);
    contexts.save()
}

/// Asks for everything that an account has, and makes it.
fn make_account(nobody: &Api) -> anyhow::Result<(String, String)> {
    let login = ask("New login: ")?;
    let secret = password::choose(&password::PasswordArgs::asked(), &login)?.password;
    let mut wish = Map::new();
    for (field, question) in [
        ("first_names", "First names: "),
        ("last_names", "Last names: "),
        ("gender", "Gender, in your own words: "),
        ("invitation", "Code of your invitation, if you have one: "),
    ] {
        let answer = ask(question)?;
        if field != "invitation" || !answer.is_empty() {
            wish.insert(field.to_owned(), answer.into());
        }
    }
    let age = ask("Age in years: ")?;
    if let Ok(age) = age.parse::<u8>() {
        wish.insert("age".to_owned(), age.into());
    }
    wish.insert("login".to_owned(), login.clone().into());
    wish.insert("password".to_owned(), secret.clone().into());
    nobody.send("POST", "/v1/accounts", Some(&Value::Object(wish)))?;
    output::note(&format!("the account {} is made", escape(&login)));
    Ok((login, secret))
}

fn ask(question: &str) -> anyhow::Result<String> {
    let mut out = io::stderr().lock();
    write!(out, "{question}")?;
    out.flush()?;
    let mut answer = String::new();
    let read = io::stdin()
        .lock()
        .take(TEXT_BYTES_MAX)
        .read_line(&mut answer)
        .context("cannot read the answer")?;
    if read == 0 {
        return Err(CommandError::new(Exit::Usage, "the input ended").into());
    }
    Ok(answer.trim().to_owned())
}
