//! What a line of the client is answered.

use super::help::help;
use super::span;
use crate::catalogue::time::date_time;
use crate::catalogue::words::{counted, counted_here};
use crate::catalogue::{Answer, Listed};

pub(super) fn say(answer: &Answer<'_>) -> String {
    match *answer {
        Answer::Nowhere { enter } => format!("You are in no room. {enter} and a name enters one."),
        Answer::InDefaultRoom => "You are in the default room already.".to_owned(),
        Answer::NothingSaid { history } => format!(
            "You have said nothing here yet. Give the number of a message; {history} shows them."
        ),
        Answer::Echo(true) => "You are shown your own messages.".to_owned(),
        Answer::Echo(false) => "You are not shown your own messages any more.".to_owned(),
        Answer::LanguageChosen => "We speak English.".to_owned(),
        Answer::TextMode => "You are shown text.".to_owned(),
        Answer::LineTooLong { bytes_max } => {
            format!("That line was too long, so nobody got it: at most {bytes_max} bytes.")
        }
        Answer::NotText => "That line was not UTF-8, so nobody got it.".to_owned(),
        Answer::Time {
            t1_us: None, t2_us, ..
        } => format!("Server time: {} ({t2_us} µs)", clock(t2_us)),
        Answer::Time {
            t1_us: Some(t1_us),
            t2_us,
            t3_us,
        } => format!("Time: t1={t1_us} t2={t2_us} t3={t3_us}"),
        Answer::UnknownCommand {
            command,
            meant,
            help,
            literal,
        } => {
            let meant = meant.map_or_else(String::new, |meant| format!(" Did you mean {meant}?"));
            format!(
                "Unknown command {command}; nobody got it.{meant} {help} lists the commands; {literal} begins a message with #."
            )
        }
        Answer::Misused { command, topic } => {
            let (arguments, _) = help(topic);
            format!("Usage: {}", format!("{command} {arguments}").trim_end())
        }
        Answer::TopicIs { room, topic: "" } => format!("{room} has no topic."),
        Answer::TopicIs { room, topic } => format!("Topic of {room}: {topic}"),
        Answer::RetryIn { seconds } => format!("Try again in {}.", span(seconds)),
        Answer::Listed(listed) => say_listed(&listed),
        Answer::PrivateMark => "private".to_owned(),
        Answer::PrivateMarkTo(login) => format!("private to {login}"),
        Answer::EditedMark => "(edited)".to_owned(),
        Answer::DeletedMark => "(deleted)".to_owned(),
        Answer::DefaultMark => "(default room)".to_owned(),
        Answer::HelpBegins => "Commands:".to_owned(),
        Answer::HelpEnds { help, literal } => format!(
            "A line that is no command goes to everyone in your room; {literal} begins one with #. {help} and a command explains it."
        ),
        Answer::Goodbye => "Goodbye.".to_owned(),
        Answer::Done => "Done.".to_owned(),
    }
}

fn say_listed(listed: &Listed<'_>) -> String {
    match *listed {
        Listed::Rooms(count) => {
            let rooms = counted_here(count, "room", "rooms");
            format!("{rooms}; * marks where you are.")
        }
        Listed::Users { count, present } => {
            let accounts = counted_here(count, "account", "accounts");
            format!("{accounts}, {present} of them here.")
        }
        Listed::Members { room, count } => {
            format!("{} in {room}.", counted_here(count, "member", "members"))
        }
        Listed::History {
            place,
            count,
            older,
        } => {
            let messages = counted_here(count, "message", "messages");
            let older = older.map_or_else(String::new, |older| format!(" Older ones: {older}"));
            format!("{messages} of {place}.{older}")
        }
        Listed::Found { count: 0, .. } => "Nothing was found.".to_owned(),
        Listed::Found { count, has_more } => {
            let messages = counted_here(count, "message", "messages");
            let more = if has_more {
                ", and there are more: use more words"
            } else {
                ""
            };
            format!("{messages} found{more}.")
        }
        Listed::Conversations { count: 0, .. } => "You have no private conversations.".to_owned(),
        Listed::Conversations { count, unread } => {
            let conversations = counted_here(count, "conversation", "conversations");
            let unread = counted(unread, "unread message", "unread messages");
            format!("{conversations}, {unread}.")
        }
        Listed::Blocked(0) => "You have blocked nobody.".to_owned(),
        Listed::Blocked(count) => {
            format!("{} blocked.", counted_here(count, "account", "accounts"))
        }
    }
}

/// A time to the second.
fn clock(at_us: i64) -> String {
    date_time(u64::try_from(at_us / 1_000).unwrap_or_default())
}
