//! The terminal: made ready for drawing, and given back as it was, whatever happens.

use std::io::{self, Write as _};
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
                give_back();
                before(panic);
            }));
        });
        IS_TAKEN.store(true, Ordering::SeqCst);
        let terminal = Self;
        enable_raw_mode()?;
        let mut out = io::stdout();
        execute!(
            out,
            EnterAlternateScreen,
            EnableBracketedPaste,
            EnableFocusChange
        )?;
        if has_mouse {
            execute!(out, EnableMouseCapture)?;
        }
        Ok(terminal)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        give_back();
    }
}

fn give_back() {
    if IS_TAKEN.swap(false, Ordering::SeqCst) {
        let mut out = io::stdout();
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
