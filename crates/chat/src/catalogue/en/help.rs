//! What stands behind the names of commands, and what they do.

use crate::catalogue::Topic;

pub(in crate::catalogue) const fn help(topic: Topic) -> (&'static str, &'static str) {
    match topic {
        Topic::CreateRoom => (
            "ROOM [keep]",
            "create a room and enter it; with keep it stays",
        ),
        Topic::EnterRoom => ("ROOM", "enter a room"),
        Topic::LeaveRoom => ("", "leave to the default room"),
        Topic::Exit => ("", "disconnect"),
        Topic::ListRooms => ("", "list the rooms and how many are in them"),
        Topic::DeleteRoom => ("ROOM", "delete a room that you created"),
        Topic::ShowUsers => ("", "list everyone in the system"),
        Topic::Private => ("<LOGIN> TEXT", "send a private message"),
        Topic::PrivateShort => ("LOGIN TEXT", "send a private message"),
        Topic::Help => ("[COMMAND]", "list the commands, or explain one"),
        Topic::Unread => ("", "list private conversations and what is unread"),
        Topic::History => (
            "[ROOM or @LOGIN] [HOW MANY] [BEFORE]",
            "show what was said, with the numbers of messages",
        ),
        Topic::Search => ("WORDS", "search in all that you may read"),
        Topic::Who => ("[ROOM]", "list who is in a room"),
        Topic::Topic => ("[TEXT]", "show or set the topic of the room"),
        Topic::Time => (
            "[T1]",
            "show the server's time; with your own (µs), for a clock",
        ),
        Topic::Me => ("TEXT", "say what you do"),
        Topic::Edit => (
            "[NUMBER] TEXT",
            "change a message of yours; without a number the last",
        ),
        Topic::Delete => (
            "[NUMBER]",
            "delete a message of yours; without a number the last",
        ),
        Topic::Reply => ("NUMBER TEXT", "answer a message"),
        Topic::React => (
            "NUMBER EMOJI [off]",
            "put an emoji under a message, or take it away",
        ),
        Topic::Kick => ("LOGIN [REASON]", "send somebody out of your room"),
        Topic::Ban => ("LOGIN [MINUTES] [REASON]", "keep somebody out of your room"),
        Topic::Unban => ("LOGIN", "let somebody in again"),
        Topic::Mute => (
            "LOGIN [MINUTES] [REASON]",
            "keep somebody from talking in your room",
        ),
        Topic::Unmute => ("LOGIN", "let somebody talk again"),
        Topic::Slow => (
            "SECONDS",
            "one message per person in so many seconds; 0 ends it",
        ),
        Topic::Keep => ("on|off", "whether your room stays when you leave"),
        Topic::Block => ("LOGIN", "hear nothing more from somebody"),
        Topic::Unblock => ("LOGIN", "hear them again"),
        Topic::Blocked => ("", "list whom you have blocked"),
        Topic::Away => ("[NOTE]", "say that you are away"),
        Topic::Back => ("", "say that you are back"),
        Topic::Language => ("en|es", "choose a language"),
        Topic::Mode => ("json|text", "one JSON object a line, for programs; or text"),
        Topic::Echo => ("on|off", "whether you are shown your own messages"),
        Topic::Telnet => ("", "say that you use telnet: passwords are not shown"),
    }
}
