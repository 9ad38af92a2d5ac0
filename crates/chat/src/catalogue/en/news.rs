//! What happens in the chat.

use super::{because, people};
use crate::catalogue::News;
use crate::catalogue::time::date_time;
use crate::catalogue::words::counted;
use crate::event::LeftCause;

pub(super) fn say(news: &News<'_>) -> String {
    match *news {
        News::Entered {
            room,
            members,
            topic,
        } => {
            let there = match members {
                0 | 1 => "you are the only one here".to_owned(),
                members => format!("{members} people here"),
            };
            let topic = match topic {
                "" => String::new(),
                topic => format!(" Topic: {topic}"),
            };
            format!("You are in {room}, {there}.{topic}")
        }
        News::Skipped { count, history } => format!(
            "{} not shown: {history} has them.",
            counted(count, "older message is", "older messages are")
        ),
        News::Moved { cause, room } => say_cause(cause, room),
        News::Brought(cause) => say_brought(cause),
        News::Came { names, count } => format!("{} came in.", people(names, count)),
        News::Went { names, count } => format!("{} left.", people(names, count)),
        News::Away(login) => format!("{login} is away."),
        News::Mentioned { by, place, enter } => {
            format!("{by} mentioned you in {place}: {enter} {place}")
        }
        News::Edited { by, seq } => format!("{by} changed message {seq}:"),
        News::Deleted { by, seq } => format!("Message {seq} of {by} was deleted."),
        News::Reactions { by, seq, emojis } => match emojis {
            "" => format!("Message {seq} of {by} has no reactions any more."),
            emojis => format!("Message {seq} of {by}: {emojis}"),
        },
        News::TopicSet { by, topic } => match topic {
            "" => format!("{by} removed the topic."),
            topic => format!("{by} set the topic: {topic}"),
        },
        News::KeepSet { by, keep: true } => {
            format!("{by} made the room stay when its creator leaves.")
        }
        News::KeepSet { by, keep: false } => {
            format!("{by} made the room go when its creator leaves.")
        }
        News::SlowSet { by, slow_s: 0 } => format!("{by} ended the slow mode."),
        News::SlowSet { by, slow_s } => format!(
            "{by} made the room slow: one message every {}.",
            match slow_s {
                1 => "second".to_owned(),
                slow_s => counted(slow_s.into(), "second", "seconds"),
            }
        ),
        News::Muted {
            by,
            login,
            is_on: true,
        } => format!("{by} muted {login}."),
        News::Muted {
            by,
            login,
            is_on: false,
        } => format!("{by} lets {login} talk again."),
    }
}

fn say_cause(cause: &LeftCause, room: &str) -> String {
    match cause {
        LeftCause::Asked => format!("You left {room}."),
        LeftCause::Arrived => format!("You came to {room}."),
        LeftCause::Deleted(by) => format!("{by} deleted {room}."),
        LeftCause::CreatorGone(creator) => {
            format!("{room} is gone, because {creator}, who created it, left.")
        }
        LeftCause::Kicked { by, reason } => {
            format!("{by} sent you out of {room}{}", because(reason))
        }
        LeftCause::Banned {
            by,
            reason,
            until_ms,
        } => {
            let until = until(*until_ms);
            format!("{by} banned you from {room}{until}{}", because(reason))
        }
    }
}

fn say_brought(cause: &LeftCause) -> String {
    let why = match cause {
        LeftCause::Asked | LeftCause::Arrived => return "You are here now.".to_owned(),
        LeftCause::Deleted(by) => format!("{by} deleted the room."),
        LeftCause::CreatorGone(creator) => {
            format!("the room is gone, because {creator}, who created it, left.")
        }
        LeftCause::Kicked { by, reason } => format!("{by} sent you out{}", because(reason)),
        LeftCause::Banned {
            by,
            reason,
            until_ms,
        } => format!("{by} banned you{}{}", until(*until_ms), because(reason)),
    };
    format!("You are here now: {why}")
}

fn until(until_ms: Option<u64>) -> String {
    until_ms.map_or_else(String::new, |until_ms| {
        format!(" until {}", date_time(until_ms))
    })
}
