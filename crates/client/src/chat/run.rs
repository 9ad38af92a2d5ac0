//! Joins terminal and connection: waits for either, draws when something has changed, and not too often.

use std::io;
use std::time::{Duration, Instant};

use crossterm::event::{Event, EventStream};
use crossterm::execute;
use crossterm::terminal::{BeginSynchronizedUpdate, EndSynchronizedUpdate};
use futures_util::StreamExt as _;
use futures_util::future::select_all;
use jiff::tz::TimeZone;
use ratatui::backend::CrosstermBackend;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep_until;

use super::limits::{FRAME, TYPING_EVERY};
use super::link::{Door, Link, LinkEvent, SentIds, Time, Use};
use super::memory::{Book, Shelf};
use super::model::{Connection, Intent, Model};
use super::settings::Settings;
use super::terminal::{self, Terminal};
use super::ui::{Effect, Hand, Ui};
use super::view::{self, Depth, Env, Palette};
use super::wire::Ask;

/// How the terminal client begins.
#[derive(Debug)]
pub struct Start {
    /// Where to connect.
    pub door: Door,
    /// What the person sets.
    pub settings: Settings,
    /// A room or `@login` to begin with.
    pub place: Option<String>,
    /// Keeps where one was; without it one begins in the default room.
    pub shelf: Option<Box<dyn Shelf>>,
}

/// Runs the chat on this terminal until the person ends it.
///
/// # Errors
/// The terminal cannot be used.
pub async fn run(start: Start) -> io::Result<()> {
    let wanted = Use {
        keeps_all: false,
        follow: Vec::new(),
    };
    let book = Book::new(start.shelf, &start.door.url);
    let link = Link::start(start.door, wanted);
    let zone = TimeZone::system();
    let depth = Depth::of_environment(|name| std::env::var(name).ok());
    let terminal = Terminal::take(start.settings.mouse)?;
    let mut screen = Screen {
        time: link.time.clone(),
        link,
        model: Model::default(),
        ui: Ui::new(start.settings.keys.clone()),
        ids: SentIds::new(),
        settings: start.settings,
        zone,
        palette: Palette(depth),
        place: start.place,
        book,
        told_typing: None,
        is_dirty: true,
    };
    let ended = screen.serve().await;
    screen.remember(true);
    drop(terminal);
    screen.link.close().await;
    ended
}

struct Screen {
    link: Link,
    time: Time,
    model: Model,
    ui: Ui,
    ids: SentIds,
    settings: Settings,
    zone: TimeZone,
    palette: Palette,
    place: Option<String>,
    book: Book,
    told_typing: Option<Instant>,
    is_dirty: bool,
}

type Drawing = ratatui::Terminal<CrosstermBackend<io::Stdout>>;

/// What woke the loop.
enum Woken {
    Link(Option<Box<LinkEvent>>),
    Key(Option<io::Result<Event>>),
    Signal,
    Time,
}

impl Screen {
    async fn serve(&mut self) -> io::Result<()> {
        let mut drawing = ratatui::Terminal::new(CrosstermBackend::new(io::stdout()))?;
        let mut keys = EventStream::new();
        let mut signals = Vec::new();
        for kind in [
            SignalKind::terminate(),
            SignalKind::hangup(),
            SignalKind::interrupt(),
            SignalKind::quit(),
        ] {
            signals.push(signal(kind)?);
        }
        let mut drawn_at = Instant::now() - FRAME;
        loop {
            let now = Instant::now();
            if self.is_dirty && now >= drawn_at + FRAME {
                self.draw(&mut drawing)?;
                drawn_at = Instant::now();
            }
            let wake_at = if self.is_dirty {
                drawn_at + FRAME
            } else {
                self.next_tick()
            };
            let woken = tokio::select! {
                event = keys.next() => Woken::Key(event),
                event = self.link.next() => Woken::Link(event.map(Box::new)),
                _ = select_all(signals.iter_mut().map(|one| Box::pin(one.recv()))) => Woken::Signal,
                () = sleep_until(wake_at.into()) => Woken::Time,
            };
            match woken {
                Woken::Signal | Woken::Link(None) | Woken::Key(None) => return Ok(()),
                Woken::Key(Some(event)) => {
                    if self.on_event(event?, &mut drawing)? {
                        return Ok(());
                    }
                }
                Woken::Link(Some(event)) => {
                    self.on_link(*event);
                    // A flood is taken whole before the next picture.
                    while let Some(event) = self.link.ready() {
                        self.on_link(event);
                    }
                }
                Woken::Time => {
                    self.model.on_time(Instant::now());
                    self.is_dirty = true;
                }
            }
            self.remember(false);
            self.flush()?;
        }
    }

    /// When the next picture differs by itself: the clock in the status line shows seconds.
    fn next_tick(&self) -> Instant {
        let part = u64::try_from(self.time.now_ms().rem_euclid(1000)).unwrap_or(0);
        Instant::now() + Duration::from_millis(1000 - part)
    }

    fn draw(&mut self, drawing: &mut Drawing) -> io::Result<()> {
        self.ui.before_draw(&mut self.model);
        let env = Env {
            now_ms: self.time.now_ms(),
            now: Instant::now(),
            offset_us: self.time.offset_us(),
            lag_us: self.time.lag_us(),
            zone: self.zone.clone(),
            palette: self.palette,
        };
        let (model, ui) = (&self.model, &self.ui);
        let mut drawn = view::Drawn::default();
        execute!(io::stdout(), BeginSynchronizedUpdate)?;
        drawing.draw(|frame| {
            drawn = view::draw(frame.area(), model, ui, &env, frame.buffer_mut());
            if let Some(cursor) = drawn.cursor {
                frame.set_cursor_position(cursor);
            }
        })?;
        execute!(io::stdout(), EndSynchronizedUpdate)?;
        self.is_dirty = false;
        self.ui.on_drawn(drawn, &mut self.model);
        self.flush()
    }

    /// Takes what the terminal says; tells whether the program ends.
    fn on_event(&mut self, event: Event, drawing: &mut Drawing) -> io::Result<bool> {
        self.is_dirty = true;
        let mut hand = Hand {
            ids: &mut self.ids,
            now_ms: self.time.now_ms(),
            time: time_in_words(&self.time, &self.zone),
        };
        match event {
            Event::Key(key) => match self.ui.on_key(&key, &mut self.model, &mut hand) {
                Effect::None => {}
                Effect::Quit => return Ok(true),
                Effect::Reconnect => self.link.retry(),
                Effect::Redraw => drawing.clear()?,
                Effect::Typed => self.tell_typing(),
            },
            Event::Paste(text) => self.ui.on_paste(&text),
            Event::Mouse(mouse) => self.ui.on_mouse(&mouse, &mut self.model, &mut hand),
            Event::FocusGained => self.ui.is_unfocused = false,
            Event::FocusLost => self.ui.is_unfocused = true,
            Event::Resize(..) => {}
        }
        Ok(false)
    }

    fn tell_typing(&mut self) {
        let is_due = self
            .told_typing
            .is_none_or(|told| told.elapsed() >= TYPING_EVERY);
        let Some(here) = self.model.here() else {
            return;
        };
        if is_due && self.model.connection == Connection::Up {
            self.told_typing = Some(Instant::now());
            let room = here.name.clone();
            let ask = Ask::Typing { room };
            self.model.outbox.push((ask, Intent::Refresh));
        }
    }

    fn on_link(&mut self, event: LinkEvent) {
        self.is_dirty = true;
        let (now, now_ms) = (Instant::now(), self.time.now_ms());
        if let LinkEvent::Up(hello) = &event
            && let Some((remembered, complaint)) = self.book.open(&hello.login)
        {
            self.model.recall(remembered);
            if let Some(complaint) = complaint {
                self.model.notice(complaint, now_ms);
            }
        }
        on_link_event(&mut self.model, event, now, now_ms);
        if self.model.connection == Connection::Up
            && let Some(place) = self.place.take()
        {
            self.model.enter(&place, now_ms);
        }
    }

    /// Keeps where one is for the next time.
    fn remember(&mut self, is_last: bool) {
        if let Some(complaint) = self.book.keep(&self.model.remembered(), is_last) {
            self.model.notice(complaint, self.time.now_ms());
        }
    }

    /// Sends what the model wants to be sent, and calls whom it wants to be called.
    fn flush(&mut self) -> io::Result<()> {
        hand_over(&mut self.model, &mut self.link, self.time.now_ms());
        for call in std::mem::take(&mut self.model.calls) {
            // Whoever looks at it needs no bell.
            if self.ui.looks_at(&call.room, &self.model) {
                continue;
            }
            terminal::call(&call, &self.settings.notify)?;
        }
        Ok(())
    }
}

/// Tells the model what the connection told.
pub(crate) fn on_link_event(model: &mut Model, event: LinkEvent, now: Instant, now_ms: i64) {
    match event {
        LinkEvent::Connecting => model.on_down(Connection::Connecting, now_ms),
        LinkEvent::Up(hello) => model.on_up(hello, now_ms),
        LinkEvent::Down { fault, retry_at } => {
            model.on_down(Connection::Waiting { fault, retry_at }, now_ms);
        }
        LinkEvent::Ended(fault) => model.on_down(Connection::Ended(fault), now_ms),
        LinkEvent::Said(said) => model.on_said(said, now, now_ms),
        LinkEvent::Answer(number, said) => model.on_answer(number, said, now_ms),
        LinkEvent::Unasked(number) => model.on_unasked(number, now_ms),
        LinkEvent::Refused { sent_id, refused } => model.on_refused(&sent_id, &refused.text),
    }
}

/// Gives the connection what the model wants to be sent.
pub(crate) fn hand_over(model: &mut Model, link: &mut Link, now_ms: i64) {
    for (ask, intent) in std::mem::take(&mut model.outbox) {
        let number = link.ask(ask);
        model.on_asked(number, intent, now_ms);
    }
    for say in std::mem::take(&mut model.says) {
        let sent_id = say.sent_id.clone();
        if !link.say(say) {
            model.on_refused(&sent_id, "too much waits to be sent");
        }
    }
}

/// The server's time, and how far this machine's clock is off.
pub(crate) fn time_in_words(time: &Time, zone: &TimeZone) -> String {
    let now = jiff::Timestamp::from_millisecond(time.now_ms()).unwrap_or_default();
    let now = now
        .to_zoned(zone.clone())
        .strftime("%Y-%m-%d %H:%M:%S%.3f %Z");
    match time.offset_us() {
        Some((offset_us, error_us)) => {
            let (offset, error) = (view::signed(-offset_us), view::span(error_us));
            format!("server time {now}; your clock is off by {offset} ±{error}")
        }
        None => format!("your time {now}; the server's is not known yet"),
    }
}
