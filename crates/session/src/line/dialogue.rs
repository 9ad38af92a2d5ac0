//! The dialogue before the login: login and password, or what a new account needs, field by field.

use chat::catalogue::{Answer, Entry};
use chat::profile::{self, Field};
use codec::line::{Own, Spoken, Verb, parse};

use super::action::{LineAction, LogInRefused, LoggedIn, Registering};
use super::open::Open;
use super::session::{LineSession, Registration, State};
use crate::limits::LINE_FAILURES_MAX;

/// The words that begin a registration.
const NEW: [&str; 2] = ["new", "nuevo"];
/// What stands before the token of a session.
const TOKEN: &str = "token ";

/// A registration that is being talked about.
#[derive(Default)]
pub(super) struct Dialogue {
    wish: Registering,
    /// What was asked last.
    field: Option<Field>,
    /// All was asked once: only what was refused is asked again.
    is_complete: bool,
}

/// In which order is asked, the invitation only where there have to be some.
const ORDER: [Field; 7] = [
    Field::FirstNames,
    Field::LastNames,
    Field::Login,
    Field::Password,
    Field::Age,
    Field::Gender,
    Field::Invitation,
];

impl Dialogue {
    /// What is to be asked after a field.
    fn next(&self, registration: Registration) -> Option<Field> {
        if self.is_complete {
            return None;
        }
        let at = self.field.map_or(0, |field| {
            let at = ORDER.iter().position(|other| *other == field);
            at.map_or(ORDER.len(), |at| at + 1)
        });
        let next = ORDER.get(at).copied()?;
        let is_asked = next != Field::Invitation || registration == Registration::Invitation;
        is_asked.then_some(next)
    }

    fn fill(&mut self, field: Field, text: &str) {
        let wish = &mut self.wish;
        match field {
            Field::FirstNames => text.clone_into(&mut wish.first_names),
            Field::LastNames => text.clone_into(&mut wish.last_names),
            Field::Login => text.clone_into(&mut wish.login),
            Field::Password => text.clone_into(&mut wish.password),
            Field::Age => wish.age = profile::age(text),
            Field::Gender => text.clone_into(&mut wish.gender),
            Field::Invitation => wish.invitation = Some(text.to_owned()),
        }
    }
}

impl LineSession {
    pub(super) fn ask_login(&mut self) {
        self.state = State::Login;
        self.hide(false);
        let is_open = self.registration != Registration::Closed;
        self.notice(Entry::AskLogin {
            new: is_open.then_some(self.new_word()),
        });
    }

    /// The word that begins a registration, in the language that is spoken.
    const fn new_word(&self) -> &'static str {
        let [english, spanish] = NEW;
        match self.language {
            chat::Language::English => english,
            chat::Language::Spanish => spanish,
        }
    }

    pub(super) fn login_line(&mut self, line: &str) {
        let line = line.trim();
        let spoken = parse(line);
        if spoken == Spoken::Own(Own::Exit) {
            return self.leave();
        }
        if spoken == Spoken::Own(Own::Telnet) {
            self.set_telnet();
        }
        if let Spoken::Own(Own::Language(code)) = spoken {
            self.choose_language(code);
        }
        // Whoever is not logged in has no other commands.
        if !matches!(spoken, Spoken::Text(_)) {
            return self.ask_login();
        }
        if NEW.iter().any(|word| word.eq_ignore_ascii_case(line)) {
            return self.begin_registration();
        }
        if let Some(token) = line.strip_prefix(TOKEN) {
            self.state = State::Checking(None);
            return self.act(LineAction::LogInByToken(token.trim().to_owned()));
        }
        self.state = State::Password(line.into());
        self.notice(Entry::AskPassword);
        self.hide(true);
    }

    pub(super) fn password_line(&mut self, line: &str) {
        self.hide(false);
        if let State::Password(login) = std::mem::replace(&mut self.state, State::Checking(None)) {
            self.act(LineAction::LogIn {
                login: login.into_string(),
                password: line.to_owned(),
            });
        }
    }

    fn begin_registration(&mut self) {
        if self.registration == Registration::Closed {
            self.notice(Entry::RegistrationClosed);
            return self.ask_login();
        }
        self.notice(Entry::RegistrationBegins {
            exit: Verb::Exit.word(),
        });
        self.ask_field(Box::default());
    }

    /// Asks for what is still missing, or has the account made.
    fn ask_field(&mut self, mut dialogue: Box<Dialogue>) {
        self.hide(false);
        let Some(field) = dialogue.next(self.registration) else {
            dialogue.is_complete = true;
            let wish = Box::new(dialogue.wish.clone());
            self.state = State::Checking(Some(dialogue));
            return self.act(LineAction::Register(wish));
        };
        dialogue.field = Some(field);
        self.ask_again(dialogue, field);
    }

    fn ask_again(&mut self, mut dialogue: Box<Dialogue>, field: Field) {
        dialogue.field = Some(field);
        self.state = State::Registering(dialogue);
        self.notice(Entry::AskField(field));
        self.hide(field == Field::Password);
    }

    pub(super) fn registering_line(&mut self, line: &str) {
        let State::Registering(mut dialogue) = std::mem::replace(&mut self.state, State::Login)
        else {
            return;
        };
        let Some(field) = dialogue.field else {
            return self.ask_field(dialogue);
        };
        // Blanks around a password belong to it, and it may look like a command.
        let text = match field {
            Field::Password => line,
            Field::FirstNames
            | Field::LastNames
            | Field::Login
            | Field::Age
            | Field::Gender
            | Field::Invitation => line.trim(),
        };
        if field != Field::Password && parse(text) == Spoken::Own(Own::Exit) {
            return self.leave();
        }
        match profile::check(field, text) {
            Ok(()) => {
                dialogue.fill(field, text);
                self.ask_field(dialogue);
            }
            Err(flaw) => {
                self.hide(false);
                self.notice(Entry::Flawed { field, flaw });
                self.ask_again(dialogue, field);
            }
        }
    }

    /// Goes on after a login or a registration was refused.
    pub(super) fn refused(&mut self, refused: &LogInRefused, dialogue: Option<Box<Dialogue>>) {
        let again = match refused {
            LogInRefused::Credentials | LogInRefused::Token => {
                self.failures += 1;
                None
            }
            LogInRefused::LoginTaken => Some(Field::Login),
            LogInRefused::Invitation => Some(Field::Invitation),
            LogInRefused::Flawed { field, .. } => Some(*field),
            LogInRefused::LockedOut { .. }
            | LogInRefused::Busy
            | LogInRefused::Forbidden
            | LogInRefused::RegistrationClosed
            | LogInRefused::Unavailable => None,
        };
        self.say_refused(refused);
        if self.failures >= LINE_FAILURES_MAX {
            self.notice(Entry::TooManyFailures);
            return self.close();
        }
        match (again, dialogue) {
            (Some(field), Some(dialogue)) => self.ask_again(dialogue, field),
            (None | Some(_), None | Some(_)) => self.ask_login(),
        }
    }

    fn say_refused(&mut self, refused: &LogInRefused) {
        let is_open = self.registration != Registration::Closed;
        let new = is_open.then_some(self.new_word());
        match refused {
            LogInRefused::Credentials => self.notice(Entry::WrongLogin { new }),
            LogInRefused::Token => self.notice(Entry::WrongToken),
            LogInRefused::LockedOut { retry_after_s } => self.notice(Entry::LockedOut {
                retry_after_s: *retry_after_s,
            }),
            LogInRefused::Busy => self.notice(Entry::Busy),
            LogInRefused::Forbidden => self.notice(Entry::Forbidden),
            LogInRefused::RegistrationClosed => self.notice(Entry::RegistrationClosed),
            LogInRefused::Invitation => self.notice(Entry::WrongInvitation),
            LogInRefused::LoginTaken => self.notice(Entry::LoginTaken),
            LogInRefused::Flawed { field, detail } => self.notice(Entry::Rejected {
                field: *field,
                detail: detail.as_deref(),
            }),
            LogInRefused::Unavailable => self.notice(Entry::Unavailable),
        }
    }

    pub(super) fn open(&mut self, account: LoggedIn) {
        self.language = account.language.unwrap_or(self.language);
        self.take_long_lines();
        self.notice(Entry::LoggedIn {
            login: &account.login,
            time_ms: account.time_ms,
            help: Verb::Help.word(),
        });
        if account.unread_private > 0 {
            self.notice(Entry::UnreadPrivate {
                count: account.unread_private,
                unread: Verb::Unread.word(),
            });
        }
        self.state = State::Open(Open::new(account.login));
    }

    pub(super) fn leave(&mut self) {
        self.notice(Answer::Goodbye);
        self.close();
    }
}
