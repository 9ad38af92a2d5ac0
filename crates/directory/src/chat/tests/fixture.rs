//! A store to try things on, and short ways to do them.

use super::*;

pub(super) struct Fixture {
    pub(super) folder: tempfile::TempDir,
    pub(super) store: ChatStore,
}

impl Fixture {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = ChatStore::open(&folder.path().join("chat.sqlite")).unwrap();
        Self { folder, store }
    }

    pub(super) fn reopen(self) -> Self {
        let path = self.store.path().to_owned();
        drop(self.store);
        Self {
            folder: self.folder,
            store: ChatStore::open(&path).unwrap(),
        }
    }

    /// A reader of its own, so that it sees only what is committed.
    pub(super) fn reader(&self) -> ChatReader {
        ChatReader::open(self.store.path()).unwrap()
    }

    pub(super) fn commit(&mut self, changes: &[ChatChange]) -> Vec<ChatOutcome> {
        self.store.commit(changes).unwrap()
    }

    pub(super) fn one(&mut self, change: ChatChange) -> ChatOutcome {
        let mut outcomes = self.commit(&[change]);
        assert_eq!(outcomes.len(), 1);
        outcomes.remove(0)
    }

    pub(super) fn done(&mut self, change: ChatChange) {
        assert_eq!(self.one(change), ChatOutcome::Done);
    }

    pub(super) fn refusal(&mut self, change: ChatChange) -> ChatRefused {
        let outcome = self.one(change);
        let ChatOutcome::Refused(reason) = outcome else {
            panic!("not refused: {outcome:?}")
        };
        reason
    }

    /// The message that a change leaves behind.
    pub(super) fn changed(&mut self, change: ChatChange) -> ChatMessage {
        let outcome = self.one(change);
        let ChatOutcome::Message(message) = outcome else {
            panic!("not a message: {outcome:?}")
        };
        *message
    }

    pub(super) fn room(&mut self, name: &str) -> RoomNumber {
        let outcome = self.one(room_added(name));
        let ChatOutcome::Room(number) = outcome else {
            panic!("not a room: {outcome:?}")
        };
        number
    }

    /// The message, which is a new one.
    pub(super) fn posted(&mut self, change: ChatChange) -> ChatMessage {
        let (message, is_duplicate) = posting(self.one(change));
        assert!(!is_duplicate, "{message:?}");
        message
    }

    pub(super) fn say(&mut self, room: RoomNumber, author: &str, text: &str) -> ChatMessage {
        self.posted(posted(room, draft(author, text)))
    }

    pub(super) fn tell(&mut self, author: &str, to: &str, text: &str) -> ChatMessage {
        self.posted(posted_to(to, draft(author, text)))
    }

    pub(super) fn person(&mut self, login: &str) -> ChatPerson {
        self.person_made(login, CREATED_MS)
    }

    pub(super) fn person_made(&mut self, login: &str, created_ms: u64) -> ChatPerson {
        let login = login.to_owned();
        let outcome = self.one(ChatChange::PersonLoaded(ChatAuthor { login, created_ms }));
        let ChatOutcome::Person(person) = outcome else {
            panic!("not a person: {outcome:?}")
        };
        *person
    }

    pub(super) fn newest(&self, room: RoomNumber) -> Vec<ChatMessage> {
        let page = self
            .reader()
            .history(room, Cursor::Before(u64::MAX), 1000)
            .unwrap();
        assert!(!page.has_more);
        page.messages
    }
}

/// When the accounts here were made.
pub(super) const CREATED_MS: u64 = 1_000;

/// When messages here are sent.
pub(super) const AT_MS: u64 = 5_000;

pub(super) fn posting(outcome: ChatOutcome) -> (ChatMessage, bool) {
    let ChatOutcome::Posted {
        message,
        is_duplicate,
    } = outcome
    else {
        panic!("not posted: {outcome:?}")
    };
    (*message, is_duplicate)
}

pub(super) fn room_added(name: &str) -> ChatChange {
    ChatChange::RoomAdded {
        name: name.into(),
        fold: name.to_lowercase(),
        skeleton: name.to_lowercase(),
        owner: Some("ana".into()),
        keep: true,
        created_ms: 7,
    }
}

pub(super) fn draft(author: &str, text: &str) -> Draft {
    Draft {
        author: author.into(),
        text: text.into(),
        is_action: false,
        sent_id: None,
        reply_to: None,
        mentions: Vec::new(),
        at_ms: AT_MS,
    }
}

pub(super) fn posted(room: RoomNumber, draft: Draft) -> ChatChange {
    ChatChange::Posted { room, draft }
}

pub(super) fn posted_to(to: &str, draft: Draft) -> ChatChange {
    ChatChange::PostedTo {
        to: ChatAuthor {
            login: to.into(),
            created_ms: CREATED_MS,
        },
        from_created_ms: CREATED_MS,
        draft,
    }
}

pub(super) fn position(room: RoomNumber, read: u64, mentions: &[u64]) -> ChatPosition {
    ChatPosition {
        room,
        read,
        mentions: mentions.to_vec(),
        notify: String::new(),
    }
}

pub(super) fn texts(messages: &[ChatMessage]) -> Vec<&str> {
    messages.iter().map(|message| &*message.text).collect()
}

pub(super) fn edited(room: RoomNumber, seq: u64, author: &str, text: &str) -> ChatChange {
    ChatChange::Edited {
        room,
        seq,
        author: author.into(),
        text: text.into(),
        mentions: Vec::new(),
        at_ms: 6_000,
        since_ms: 0,
    }
}

pub(super) fn deleted(room: RoomNumber, seq: u64, author: Option<&str>) -> ChatChange {
    ChatChange::Deleted {
        room,
        seq,
        author: author.map(str::to_owned),
        at_ms: 6_000,
        since_ms: 0,
    }
}
