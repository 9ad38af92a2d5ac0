use std::cell::RefCell;
use std::rc::Rc;

use super::*;

/// A shelf in memory.
#[derive(Debug, Clone, Default)]
struct Board {
    text: Rc<RefCell<Option<String>>>,
    is_locked: bool,
}

impl Shelf for Board {
    fn read(&self) -> io::Result<Option<String>> {
        Ok(self.text.borrow().clone())
    }

    fn change(&self, change: &mut dyn FnMut(Option<String>) -> String) -> io::Result<()> {
        if self.is_locked {
            return Err(io::Error::other("read-only"));
        }
        let text = change(self.text.take());
        self.text.replace(Some(text));
        Ok(())
    }
}

fn book(board: &Board) -> Book {
    Book::new(Some(Box::new(board.clone())), "http://one/")
}

fn remembered(here: &str, rooms: &[&str]) -> Remembered {
    Remembered {
        here: here.into(),
        rooms: rooms.iter().map(|room| (*room).to_owned()).collect(),
    }
}

/// Opens a book as somebody and writes where they are.
fn kept(board: &Board, login: &str, now: &Remembered) -> Book {
    let mut book = book(board);
    book.open(login).expect("the first time");
    assert_eq!(book.keep(now, true), None);
    book
}

#[test]
fn every_account_at_every_server_finds_its_own_rooms() {
    let board = Board::default();
    kept(&board, "anna", &remembered("work", &["work"]));
    kept(&board, "bob", &remembered("@anna", &["tea"]));
    let mut book = Book::new(Some(Box::new(board.clone())), "http://two");
    let nothing = (Remembered::default(), None);
    assert_eq!(book.open("anna"), Some(nothing));
    let mut book = Book::new(Some(Box::new(board)), "http://one");
    let found = (remembered("work", &["work"]), None);
    assert_eq!(book.open("anna"), Some(found));
    assert_eq!(book.open("anna"), None, "once in a run");
}

#[test]
fn a_damaged_text_is_said_once_and_written_anew() {
    let board = Board::default();
    for damaged in ["", "{", "[]", "{\"accounts\":[{\"login\":\"anna\"}]}"] {
        board.text.replace(Some(damaged.into()));
        let mut book = book(&board);
        let (found, complaint) = book.open("anna").expect("the first time");
        assert_eq!(found, Remembered::default());
        assert!(
            complaint.is_some_and(|why| why.contains("cannot be read")),
            "{damaged}"
        );
        let now = remembered("work", &["work"]);
        assert_eq!(book.keep(&now, true), None);
        let read_again = self::book(&board).open("anna");
        assert_eq!(read_again, Some((now, None)));
    }
}

#[test]
fn what_cannot_be_written_is_said_once() {
    let board = Board {
        is_locked: true,
        ..Board::default()
    };
    let mut book = book(&board);
    book.open("anna").expect("the first time");
    let complaint = book.keep(&remembered("x", &["x"]), true);
    assert!(complaint.is_some_and(|why| why.contains("read-only")));
    assert_eq!(book.keep(&remembered("y", &["y"]), true), None);
}

#[test]
fn it_is_written_when_something_changed_and_not_too_often() {
    let board = Board::default();
    let first = remembered("work", &["work"]);
    let mut book = kept(&board, "anna", &first);
    board.text.replace(None);
    book.keep(&first, true);
    assert_eq!(*board.text.borrow(), None, "nothing has changed");
    let second = remembered("lobby", &["work"]);
    book.keep(&second, false);
    assert_eq!(*board.text.borrow(), None, "it was written a moment ago");
    book.keep(&second, true);
    assert!(board.text.borrow().is_some());
}

#[test]
fn two_terminals_of_an_account_do_not_forget_each_others_rooms() {
    let board = Board::default();
    let mut one = kept(&board, "anna", &remembered("lobby", &["Work", "tea"]));
    let mut other = book(&board);
    other.open("anna").expect("the first time");
    other.keep(&remembered("garden", &["Work", "tea", "garden"]), true);
    one.keep(&remembered("lobby", &["work"]), true);
    let (found, _) = book(&board).open("anna").expect("the first time");
    assert_eq!(found, remembered("lobby", &["Work", "garden"]));
}

#[test]
fn the_text_is_bounded() {
    let board = Board::default();
    let rooms: Vec<_> = (0..ROOMS_REMEMBERED_MAX + 1)
        .map(|number| format!("room{number}"))
        .collect();
    let many = Remembered {
        here: String::new(),
        rooms,
    };
    for number in 0..=ACCOUNTS_REMEMBERED_MAX {
        kept(&board, &format!("user{number}"), &many);
    }
    let text = board.text.take().expect("a text");
    let text = Text::parse(&text).expect("it is whole");
    assert_eq!(text.accounts.len(), ACCOUNTS_REMEMBERED_MAX);
    assert_eq!(
        text.accounts[0].login,
        format!("user{ACCOUNTS_REMEMBERED_MAX}"),
        "the last one comes first"
    );
    assert_eq!(
        text.accounts[0].remembered.rooms.len(),
        ROOMS_REMEMBERED_MAX
    );
}

#[test]
fn without_a_shelf_nothing_is_remembered() {
    let mut book = Book::new(None, "http://one");
    assert_eq!(book.open("anna"), None);
    assert_eq!(book.keep(&remembered("x", &["x"]), true), None);
}
