//! Server-sent events as they come.

use std::io::{self, BufRead, BufReader};

use ureq::BodyReader;

/// The longest line that is read.
const LINE_BYTES_MAX: u64 = 64 << 20;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Event {
    /// What to come back with.
    pub id: Option<String>,
    /// Its type; empty is a message.
    pub kind: String,
    /// Its data.
    pub data: String,
}

/// Events until the server ends.
pub struct Events<R = BodyReader<'static>> {
    lines: BufReader<R>,
    id: Option<String>,
}

impl<R> std::fmt::Debug for Events<R> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Events").finish_non_exhaustive()
    }
}

impl<R: io::Read> Events<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            lines: BufReader::new(reader),
            id: None,
        }
    }

    /// Waits for the next event; `None` when there will be no more.
    ///
    /// *Spec*: HTML, section 9.2.6.
    ///
    /// # Errors
    /// The connection is lost.
    pub fn next_event(&mut self) -> io::Result<Option<Event>> {
        let mut event = Event::default();
        let mut has_data = false;
        loop {
            let mut line = String::new();
            let mut bounded = io::Read::take(&mut self.lines, LINE_BYTES_MAX);
            if bounded.read_line(&mut line)? == 0 {
                return Ok(None);
            }
            let line = line.trim_end_matches(['\n', '\r']);
            if line.is_empty() {
                if has_data {
                    event.id.clone_from(&self.id);
                    return Ok(Some(event));
                }
                event = Event::default();
                continue;
            }
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "id" => self.id = Some(value.to_owned()),
                "event" => event.kind = value.to_owned(),
                "data" => {
                    if has_data {
                        event.data.push('\n');
                    }
                    event.data.push_str(value);
                    has_data = true;
                }
                // A comment, or what a later version says.
                _ => {}
            }
        }
    }
}
