//! The terminal: made ready for drawing, and given back as it was, whatever happens.

use std::io::{self, Write};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::event::{
    DisableBracketedPaste, DisableFocusChange, DisableMouseCapture, EnableBracketedPaste,
    EnableFocusChange, EnableMouseCapture,
};
use crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use crossterm::{cursor, execute};

use super::model::Call;
use super::safe;
use super::settings::Notify;

/// Whether there is something to give back.
static IS_TAKEN: AtomicBool = AtomicBool::new(false);
static HOOK: Once = Once::new();

/// The longest notification, in characters.
const CALL_CHARS_MAX: usize = 200;

/// A terminal that is drawn on. Dropped, it is given back.
#[derive(Debug)]
pub(crate) struct Terminal;

impl Terminal {
    /// Takes the terminal.
    pub(crate) fn take(has_mouse: bool) -> io::Result<Self> {
        HOOK.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                // The message is of no use on a screen that vanishes.
                give_back(&IS_TAKEN, &mut io::stdout());
                before(panic);
            }));
        });
        IS_TAKEN.store(true, Ordering::SeqCst);
        let terminal = Self;
        enable_raw_mode()?;
        prepare(&mut io::stdout(), has_mouse)?;
        Ok(terminal)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        give_back(&IS_TAKEN, &mut io::stdout());
    }
}

/// Asks the terminal for a screen of its own and for more than keys.
fn prepare(out: &mut impl Write, has_mouse: bool) -> io::Result<()> {
    execute!(
        out,
        EnterAlternateScreen,
        EnableBracketedPaste,
        EnableFocusChange
    )?;
    if has_mouse {
        execute!(out, EnableMouseCapture)?;
    }
    Ok(())
}

/// Gives a terminal back that is taken, once.
fn give_back(is_taken: &AtomicBool, out: &mut impl Write) {
    if is_taken.swap(false, Ordering::SeqCst) {
        // Nothing can be done for a terminal that is gone.
        let _ = execute!(
            out,
            DisableMouseCapture,
            DisableFocusChange,
            DisableBracketedPaste,
            LeaveAlternateScreen,
            cursor::Show
        );
        let _ = disable_raw_mode();
    }
}

/// Says something aloud.
pub(crate) fn call(call: &Call, ways: &[Notify]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(&sequence(call, ways))?;
    out.flush()
}

/// What makes a terminal call. The text is another's: no control character and no separator of it gets through.
fn sequence(call: &Call, ways: &[Notify]) -> Vec<u8> {
    let clean = |text: &str| {
        let shown = safe::line(text).replace([';', '\u{9c}'], ",");
        shown.chars().take(CALL_CHARS_MAX).collect::<String>()
    };
    let (title, text) = (clean(&call.title), clean(&call.text));
    let mut bytes = Vec::new();
    for way in ways {
        match way {
            Notify::Bell => bytes.push(7),
            Notify::Osc9 => bytes.extend(format!("\x1b]9;{title}: {text}\x1b\\").bytes()),
            Notify::Osc777 => {
                bytes.extend(format!("\x1b]777;notify;{title};{text}\x1b\\").bytes());
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers of the modes that are set (`h`) or reset (`l`).
    fn modes(written: &[u8], end: char) -> Vec<u16> {
        let text = std::str::from_utf8(written).expect("UTF-8");
        let sequences = text.split("\x1b[?").skip(1);
        let numbers = sequences.filter_map(|one| one.split_once(end)?.0.parse().ok());
        let mut numbers: Vec<u16> = numbers.collect();
        numbers.sort_unstable();
        numbers
    }

    #[test]
    fn every_mode_that_was_set_is_reset_once_and_the_cursor_is_seen() {
        let (mut taken, mut given) = (Vec::new(), Vec::new());
        prepare(&mut taken, true).expect("it is written");
        let is_taken = AtomicBool::new(true);
        give_back(&is_taken, &mut given);
        let set = modes(&taken, 'h');
        for mode in [1000, 1004, 1006, 1049, 2004] {
            assert!(set.contains(&mode), "{mode} of {set:?}");
        }
        assert_eq!(modes(&given, 'l'), set);
        assert!(given.ends_with(b"\x1b[?25h"), "the cursor comes last");
        let before = given.len();
        give_back(&is_taken, &mut given);
        assert_eq!(
            given.len(),
            before,
            "a panic on the way out gives nothing back"
        );
    }

    #[test]
    fn without_the_mouse_the_terminal_keeps_its_own_selection() {
        let mut taken = Vec::new();
        prepare(&mut taken, false).expect("it is written");
        assert_eq!(modes(&taken, 'h'), [1004, 1049, 2004]);
    }

    #[test]
    fn a_call_never_lets_anothers_escape_sequence_through() {
        let evil = Call {
            room: "@bob".into(),
            title: "bob;x".into(),
            text: "hi\x1b\\\x1b[2J\x07;\u{9c}".into(),
        };
        let ways = [Notify::Osc9, Notify::Osc777, Notify::Bell];
        let written = sequence(&evil, &ways);
        let text = String::from_utf8(written).expect("UTF-8");
        assert_eq!(
            text,
            "\x1b]9;bob,x: hi␛\\␛[2J␇,<U+009C>\x1b\\\x1b]777;notify;bob,x;hi␛\\␛[2J␇,<U+009C>\x1b\\\x07"
        );
    }
}
