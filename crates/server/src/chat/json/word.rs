//! What a client says.

use chat::{Command, Language, PageOf, RoomSettings, Sanction, Target};
use directory::chat::Cursor;
use serde::{Deserialize, Serialize};

/// Messages of a page when nothing else was asked for.
const LIMIT_DEFAULT: u32 = 50;
/// The longest name that a client gives what it says, in bytes: it is sent back as it came.
const REF_BYTES_MAX: usize = 64;

/// What a client calls something that it says, so that it finds the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "`ref` is a string or a number")]
pub(crate) enum Ref {
    /// A string.
    Text(String),
    /// A number.
    Number(serde_json::Number),
}

/// What a client says, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Word {
    /// Something for the chat.
    Command(Command),
    /// It wants to know the time, for which nobody is to wait.
    Time {
        /// When it asked, by its own clock.
        t1_us: i64,
    },
}

/// What a client said that is not understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    /// What the client called it.
    pub(crate) reference: Option<Ref>,
    /// What is wrong.
    pub(crate) detail: String,
}

/// Every field that any word has; each word takes its own and ignores the others.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Fields {
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(rename = "ref")]
    reference: Option<Ref>,
    room: Option<String>,
    text: Option<String>,
    sent_id: Option<String>,
    reply_to: Option<u64>,
    action: Option<bool>,
    before: Option<u64>,
    after: Option<u64>,
    only: Option<bool>,
    keep: Option<bool>,
    topic: Option<String>,
    slow_s: Option<u32>,
    limit: Option<u32>,
    words: Option<String>,
    seq: Option<u64>,
    emoji: Option<String>,
    off: Option<bool>,
    level: Option<String>,
    note: Option<String>,
    login: Option<String>,
    minutes: Option<u32>,
    reason: Option<String>,
    code: Option<String>,
    t1_us: Option<i64>,
}

/// The one field that is looked for in what is not understood.
#[derive(Debug, Deserialize)]
struct Envelope {
    #[serde(rename = "ref")]
    reference: Option<Ref>,
}

/// Reads one object of a client.
///
/// # Errors
/// What is wrong with it, with the name that the client gave it if that can be read.
pub(crate) fn parse(text: &str) -> Result<(Option<Ref>, Word), Refused> {
    let refused = |reference, detail| Refused { reference, detail };
    // Serde would read an array as an object's fields in their order.
    if !text.trim_ascii_start().starts_with('{') {
        return Err(refused(None, "send a JSON object".to_owned()));
    }
    let mut fields: Fields = match serde_json::from_str(text) {
        Ok(fields) => fields,
        Err(error) => {
            let envelope = serde_json::from_str(text).ok();
            let reference = envelope.and_then(|envelope: Envelope| envelope.reference);
            let reference = reference.filter(Ref::is_short);
            return Err(refused(reference, format!("not understood: {error}")));
        }
    };
    let reference = fields.reference.take();
    if reference.as_ref().is_some_and(|name| !name.is_short()) {
        let detail = format!("`ref` has at most {REF_BYTES_MAX} bytes");
        return Err(refused(None, detail));
    }
    match fields.word() {
        Ok(word) => Ok((reference, word)),
        Err(detail) => Err(refused(reference, detail)),
    }
}

/// Finds where a client means: a room by its name, a private conversation by `@` and a login.
pub(crate) fn target(room: &str) -> Target {
    match room.strip_prefix('@') {
        Some(login) => Target::User(login.to_owned()),
        None => Target::Room(room.to_owned()),
    }
}

/// The part of a history that a client means.
pub(crate) fn page_of(
    before: Option<u64>,
    after: Option<u64>,
    limit: Option<u32>,
) -> Result<PageOf, String> {
    let cursor = match (before, after) {
        (None, None) => Cursor::Before(u64::MAX),
        (Some(before), None) => Cursor::Before(before),
        (None, Some(after)) => Cursor::After(after),
        (Some(_), Some(_)) => return Err("give `before` or `after`, not both".to_owned()),
    };
    let limit = limit.unwrap_or(LIMIT_DEFAULT);
    if limit == 0 {
        return Err("`limit` is at least 1".to_owned());
    }
    Ok(PageOf { cursor, limit })
}

impl Ref {
    fn is_short(&self) -> bool {
        match self {
            Self::Text(text) => text.len() <= REF_BYTES_MAX,
            Self::Number(_) => true,
        }
    }
}

impl Fields {
    fn word(mut self) -> Result<Word, String> {
        let Some(kind) = self.kind.take() else {
            return Err("say what it is by `type`".to_owned());
        };
        let command = match kind.as_str() {
            "say" => self.say()?,
            "time" => {
                let t1_us = needed(self.t1_us, "t1_us")?;
                return Ok(Word::Time { t1_us });
            }
            "history" | "search" | "edit" | "delete" | "react" | "read" | "notify" | "typing" => {
                self.of_messages(&kind)?
            }
            "join" | "leave" | "create" | "set" | "delete_room" | "members" | "kick" | "ban"
            | "unban" | "mute" | "unmute" => self.of_room(&kind)?,
            "rooms" => Command::Rooms,
            "conversations" => Command::Conversations,
            "users" => Command::Users,
            "blocked" => Command::Blocked,
            "away" | "back" => Command::Away {
                is_away: kind == "away",
                note: self.note.unwrap_or_default(),
            },
            "block" | "unblock" => Command::Block {
                login: needed(self.login, "login")?,
                is_on: kind == "block",
            },
            "lang" => Command::Speak {
                language: Language::of(&needed(self.code, "code")?)
                    .ok_or("`code` is `en` or `es`")?,
            },
            _ => {
                let shown: String = kind.chars().take(32).collect();
                return Err(format!("there is no `type` {shown:?}; see docs/chat.md"));
            }
        };
        Ok(Word::Command(command))
    }

    fn say(self) -> Result<Command, String> {
        Ok(Command::Say {
            to: target(&needed(self.room, "room")?),
            text: needed(self.text, "text")?,
            is_action: self.action.unwrap_or_default(),
            sent_id: self.sent_id,
            reply_to: self.reply_to,
        })
    }

    fn of_messages(self, kind: &str) -> Result<Command, String> {
        if kind == "search" {
            let page = page_of(self.before, None, self.limit)?;
            return Ok(Command::Search {
                words: needed(self.words, "words")?,
                of: self.room.as_deref().map(target),
                before: self.before,
                limit: page.limit,
            });
        }
        let of = target(&needed(self.room, "room")?);
        Ok(match kind {
            "history" => Command::History {
                of,
                page: page_of(self.before, self.after, self.limit)?,
            },
            "typing" => Command::Typing { of },
            "notify" => Command::Notify {
                of,
                level: level_of(needed(self.level, "level")?)?,
            },
            "edit" => Command::Edit {
                of,
                seq: needed(self.seq, "seq")?,
                text: needed(self.text, "text")?,
            },
            "delete" => Command::Delete {
                of,
                seq: needed(self.seq, "seq")?,
            },
            "react" => Command::React {
                of,
                seq: needed(self.seq, "seq")?,
                emoji: needed(self.emoji, "emoji")?,
                is_on: !self.off.unwrap_or_default(),
            },
            _ => Command::Read {
                of,
                seq: needed(self.seq, "seq")?,
            },
        })
    }

    fn of_room(self, kind: &str) -> Result<Command, String> {
        let room = needed(self.room, "room")?;
        Ok(match kind {
            "join" => Command::Join {
                room,
                after: self.after,
                is_only: self.only.unwrap_or_default(),
            },
            "leave" => Command::Leave {
                room,
                to_default: false,
            },
            "create" => Command::Create {
                room,
                keep: self.keep.unwrap_or_default(),
                is_only: self.only.unwrap_or_default(),
            },
            "set" => Command::Set {
                room,
                settings: RoomSettings {
                    topic: self.topic,
                    keep: self.keep,
                    slow_s: self.slow_s,
                },
            },
            "delete_room" => Command::DeleteRoom { room },
            "members" => Command::Members { room },
            _ => {
                let login = needed(self.login, "login")?;
                let reason = self.reason.unwrap_or_default();
                sanction(kind, room, login, self.minutes, reason)
            }
        })
    }
}

/// One of `kick`, `ban`, `unban`, `mute` and `unmute`.
fn sanction(
    kind: &str,
    room: String,
    login: String,
    minutes: Option<u32>,
    reason: String,
) -> Command {
    if kind == "kick" {
        return Command::Kick {
            room,
            login,
            reason,
        };
    }
    let sanction = (!kind.starts_with("un")).then(|| Sanction {
        login: login.clone(),
        minutes,
        reason,
    });
    if kind.ends_with("ban") {
        Command::Ban {
            room,
            login,
            sanction,
        }
    } else {
        Command::Mute {
            room,
            login,
            sanction,
        }
    }
}

/// Checks what somebody wants to be told of a room.
pub(crate) fn level_of(level: String) -> Result<String, String> {
    if matches!(level.as_str(), "all" | "mentions" | "nothing") {
        return Ok(level);
    }
    Err("`level` is `all`, `mentions` or `nothing`".to_owned())
}

fn needed<T>(value: Option<T>, field: &str) -> Result<T, String> {
    value.ok_or_else(|| format!("`{field}` is missing"))
}

#[cfg(test)]
mod tests;
