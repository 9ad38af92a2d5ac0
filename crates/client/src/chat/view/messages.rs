//! The messages of a place: days apart, times and names aligned, what is new behind a line.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use super::wrap::{shorten, width, wrap};
use super::{Env, put};
use crate::chat::model::{Model, Notice, Outgoing, Place};
use crate::chat::safe;
use crate::chat::ui::{Scroll, Ui};
use crate::chat::wire::Message;

/// Which line of which message a row is; what was not stored yet has the number [`WAITING`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    /// The message.
    pub(crate) seq: u64,
    /// Its line.
    pub(crate) line: u16,
}

/// Stands for messages on their way.
pub(crate) const WAITING: u64 = u64::MAX;
/// Columns of the time and the blank behind it.
const TIME: usize = 6;

/// Lines with the rows that they are.
struct Page<'a> {
    env: &'a Env,
    ui: &'a Ui,
    me: &'a str,
    place: &'a Place,
    columns: usize,
    names: usize,
    lines: Vec<Line<'static>>,
    rows: Vec<Row>,
    seq: u64,
    line: u16,
}

/// Draws the messages; fills in which row is what, and which one is at the top.
pub(super) fn draw(
    area: Rect,
    model: &Model,
    ui: &Ui,
    env: &Env,
    buffer: &mut Buffer,
    rows: &mut Vec<Row>,
    top: &mut usize,
) {
    let Some(place) = model.here() else {
        let text = "connecting …";
        return put(buffer, area, area.y, text, env.palette.faint());
    };
    let columns = usize::from(area.width.saturating_sub(1));
    let cap = if columns < 50 { 8 } else { 14 };
    let widest = place
        .window
        .messages
        .values()
        .map(|one| width(&safe::line(&one.from)));
    let mut page = Page {
        env,
        ui,
        me: &model.me,
        place,
        columns,
        names: widest.chain([width(&model.me)]).max().unwrap_or(0).min(cap),
        lines: Vec::new(),
        rows: Vec::new(),
        seq: 0,
        line: 0,
    };
    page.fill();
    let height = usize::from(area.height);
    let last_top = page.lines.len().saturating_sub(height);
    *top = match ui.scroll {
        Scroll::Follow => last_top,
        Scroll::At(wanted) => {
            let at = page
                .rows
                .iter()
                .position(|row| (row.seq, row.line) >= (wanted.seq, wanted.line));
            at.unwrap_or(last_top).min(last_top)
        }
        Scroll::Middle(seq) => {
            let at = page
                .rows
                .iter()
                .position(|row| row.seq >= seq)
                .unwrap_or(last_top);
            at.saturating_sub(height / 2).min(last_top)
        }
    };
    let seen = page.lines.iter().skip(*top).take(height);
    // A short history stands at the bottom, where one types.
    let gap = height.saturating_sub(page.lines.len());
    for (line, y) in seen.zip(area.y + u16::try_from(gap).unwrap_or(0)..) {
        buffer.set_line(area.x, y, line, area.width);
    }
    *rows = page.rows;
}

impl Page<'_> {
    fn fill(&mut self) {
        let window = &self.place.window;
        let oldest = window.oldest().unwrap_or(0);
        if window.is_loading {
            self.push(Line::styled("…", self.env.palette.faint()));
        } else if window.is_at_start && !window.messages.is_empty() {
            let text = self.centred("the beginning", '─');
            self.push(Line::styled(text, self.env.palette.faint()));
        }
        let shown = |notice: &&Notice| notice.after + 1 >= oldest || window.is_at_start;
        let mut notices = self.place.notices.iter().filter(shown).peekable();
        let mut day = String::new();
        let mut has_new = false;
        for message in window.messages.values() {
            while let Some(notice) = notices.next_if(|notice| notice.after < message.seq) {
                self.notice(notice);
            }
            (self.seq, self.line) = (message.seq, 0);
            let this_day = self.env.time(message.at_ms, "%A %-d %B %Y");
            if this_day != day {
                let text = self.centred(&this_day, '─');
                self.push(Line::styled(text, self.env.palette.faint()));
                day = this_day;
            }
            if !has_new
                && self
                    .place
                    .new_after
                    .is_some_and(|after| message.seq > after)
            {
                has_new = true;
                let text = self.centred("new", '━');
                self.push(Line::styled(text, self.env.palette.call()));
            }
            self.message(message);
        }
        for notice in notices {
            self.notice(notice);
        }
        (self.seq, self.line) = (WAITING, 0);
        for outgoing in &self.place.outgoing {
            self.outgoing(outgoing);
        }
        if window.is_detached {
            let text = self.centred("newer messages below", '┄');
            self.push(Line::styled(text, self.env.palette.faint()));
        }
    }

    fn push(&mut self, line: Line<'static>) {
        self.lines.push(line);
        self.rows.push(Row {
            seq: self.seq,
            line: self.line,
        });
        self.line += 1;
    }

    fn centred(&self, text: &str, sign: char) -> String {
        let room = self.columns.saturating_sub(width(text) + 2);
        let side = |count: usize| String::from(sign).repeat(count);
        shorten(
            &format!("{} {text} {}", side(room / 2), side(room - room / 2)),
            self.columns,
        )
    }

    /// Columns that a text has beside time and name.
    fn text_columns(&self) -> usize {
        self.columns.saturating_sub(TIME + self.names + 2).max(8)
    }

    fn message(&mut self, message: &Message) {
        let palette = self.env.palette;
        if let Some(answered) = message.reply_to {
            self.quote(answered);
        }
        let is_named = message.mentions.iter().any(|login| login == self.me);
        let mut style = Style::new();
        let mut text = safe::text(&message.text);
        if message.deleted_ms.is_some() {
            style = palette.faint();
            text = "(taken back)".into();
        } else if is_named {
            style = palette.call();
        }
        if message.edited_ms.is_some() && message.deleted_ms.is_none() {
            text.push_str(" (edited)");
        }
        let name_style = palette.person(&message.from);
        let name = safe::line(&message.from);
        let time = self.env.time(message.at_ms, "%H:%M");
        self.body(&time, &name, name_style, &text, style, message.action);
        if !message.reactions.is_empty() && message.deleted_ms.is_none() {
            let each = message.reactions.iter();
            let each = each.map(|one| format!("{} {}", safe::line(&one.emoji), one.logins.len()));
            let text = each.collect::<Vec<_>>().join("  ");
            let line = shorten(&format!("{}{text}", self.indent()), self.columns);
            self.push(Line::styled(line, palette.faint()));
        }
        if self.ui.selected == Some(message.seq) || self.ui.flash == Some(message.seq) {
            let seq = message.seq;
            for (line, row) in self.lines.iter_mut().zip(&self.rows) {
                if row.seq == seq {
                    line.style = line.style.add_modifier(Modifier::REVERSED);
                }
            }
        }
    }

    fn indent(&self) -> String {
        " ".repeat(TIME + self.names + 2)
    }

    fn quote(&mut self, answered: u64) {
        let text = match self.place.window.messages.get(&answered) {
            Some(message) => format!(
                "↪ {}: {}",
                safe::line(&message.from),
                safe::line(&message.text)
            ),
            None => format!("↪ message {answered}"),
        };
        let line = shorten(&format!("{}{text}", self.indent()), self.columns);
        self.push(Line::styled(line, self.env.palette.faint()));
    }

    fn body(
        &mut self,
        time: &str,
        name: &str,
        name_style: Style,
        text: &str,
        style: Style,
        is_action: bool,
    ) {
        let names = self.names;
        let shown = if is_action {
            "*".to_owned()
        } else {
            shorten(name, names)
        };
        let text = if is_action {
            format!("{name} {text}")
        } else {
            text.to_owned()
        };
        let blanks = " ".repeat(names.saturating_sub(width(&shown)));
        let faint = self.env.palette.faint();
        let indent = self.indent();
        for (index, line) in wrap(&text, self.text_columns()).into_iter().enumerate() {
            let spans = if index == 0 {
                vec![
                    Span::styled(format!("{time} "), faint),
                    Span::styled(format!("{blanks}{shown}"), name_style),
                    Span::raw("  "),
                    Span::styled(line, style),
                ]
            } else {
                vec![Span::raw(indent.clone()), Span::styled(line, style)]
            };
            self.push(Line::from(spans));
        }
    }

    fn outgoing(&mut self, outgoing: &Outgoing) {
        let palette = self.env.palette;
        let time = self.env.time(outgoing.at_ms, "%H:%M");
        let text = safe::text(&outgoing.say.text);
        let (text, style) = match &outgoing.refused {
            None => (format!("{text} …"), palette.faint()),
            Some(why) => (
                format!("{text}\n✗ not sent: {}", safe::line(why)),
                palette.wrong(),
            ),
        };
        let me = self.me.to_owned();
        self.body(
            &time,
            &me,
            palette.faint(),
            &text,
            style,
            outgoing.say.action,
        );
    }

    fn notice(&mut self, notice: &Notice) {
        let faint = self.env.palette.faint();
        let time = self.env.time(notice.at_ms, "%H:%M");
        let columns = self.columns.saturating_sub(TIME + 2);
        for (index, line) in wrap(&safe::text(&notice.text), columns)
            .into_iter()
            .enumerate()
        {
            let head = if index == 0 {
                format!("{time} · ")
            } else {
                " ".repeat(TIME + 2)
            };
            self.push(Line::styled(format!("{head}{line}"), faint));
        }
    }
}
