//! What a person at a terminal sees, and a pipe does not.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Command, Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::LocalModes;

use crate::server::{Server, command, wait_until};

const ESCAPE: char = '\u{1b}';

/// A terminal without a window: what is written on its screen can be read from it.
struct Terminal {
    screen: File,
    line: File,
}

impl Terminal {
    fn open() -> Self {
        let screen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&screen).unwrap();
        unlockpt(&screen).unwrap();
        let name = ptsname(&screen, Vec::new()).unwrap();
        let line = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(rustix::fs::OFlags::NOCTTY.bits().cast_signed())
            .open(name.to_str().unwrap())
            .unwrap();
        Self {
            screen: screen.into(),
            line,
        }
    }

    fn stdio(&self) -> Stdio {
        self.line.try_clone().unwrap().into()
    }

    /// Runs a command on the terminal and returns what it wrote on the screen.
    fn show(mut self, mut command: Command) -> String {
        command
            .stdin(self.stdio())
            .stdout(self.stdio())
            .stderr(self.stdio());
        let mut child = command.spawn().unwrap();
        // The screen ends when nobody holds the line any more.
        drop((command, self.line));
        let shown = read_to_end(&mut self.screen);
        child.wait().unwrap();
        shown
    }
}

/// Reads what comes on the screen up to a text that must come.
fn read_until(screen: &mut File, text: &str) -> String {
    let mut shown = Vec::new();
    let mut byte = [0];
    while !shown.ends_with(text.as_bytes()) {
        screen.read_exact(&mut byte).unwrap();
        shown.extend(byte);
    }
    String::from_utf8(shown).unwrap()
}

/// Reads the rest of what comes on the screen.
fn read_to_end(screen: &mut File) -> String {
    let mut shown = Vec::new();
    // A terminal whose last user goes ends its screen with an error.
    let _ = screen.read_to_end(&mut shown);
    String::from_utf8(shown).unwrap()
}

/// Checks one command in every surrounding: whether it is coloured, and that the words are the same.
fn check(make: impl Fn() -> Command) {
    let with = |term: &str, no_color: Option<&str>| {
        let mut command = make();
        command.env("TERM", term);
        no_color.map(|value| command.env("NO_COLOR", value));
        command
    };
    let coloured = Terminal::open().show(with("xterm", None));
    assert!(coloured.contains(ESCAPE), "{coloured:?}");
    let emptied = Terminal::open().show(with("xterm", Some("")));
    assert_eq!(emptied, coloured, "an empty NO_COLOR says nothing");
    let plain = Terminal::open().show(with("xterm", Some("1")));
    assert!(!plain.contains(ESCAPE), "{plain:?}");
    let dumb = Terminal::open().show(with("dumb", None));
    assert_eq!(dumb, plain, "a terminal that cannot");
    let piped = with("xterm", None).output().unwrap();
    let piped = [piped.stdout, piped.stderr].concat();
    let piped = String::from_utf8(piped).unwrap();
    assert_eq!(piped, plain.replace("\r\n", "\n"), "into a pipe");
}

#[test]
fn lists_help_and_mistakes_are_coloured_on_a_terminal_and_nowhere_else() {
    let server = Server::start(&[]);
    for arguments in [
        &["queue", "list"][..],
        &["--help"],
        &["policy", "set", "--help"],
        &["queue", "lsit"],
    ] {
        check(|| {
            let mut command = command(&server.data);
            command.args(arguments);
            command
        });
    }
}

#[test]
fn the_log_is_coloured_on_a_terminal_unless_no_color_is_set() {
    for (no_color, expected) in [("", true), ("1", false)] {
        let directory = tempfile::tempdir().unwrap();
        let Terminal { mut screen, line } = Terminal::open();
        let mut serve = command(&directory.path().join("data"));
        serve
            .args(["serve", "--amqp", "127.0.0.1:0", "--amqps", "off"])
            .env("TERM", "xterm")
            .env("NO_COLOR", no_color)
            .stdin(line.try_clone().unwrap())
            .stdout(line.try_clone().unwrap())
            .stderr(line.try_clone().unwrap());
        let mut child = serve.spawn().unwrap();
        drop((serve, line));
        let welcome = read_until(&mut screen, "Ctrl-C stops it.");
        assert!(!welcome.contains(ESCAPE), "{welcome:?}");
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let log = read_to_end(&mut screen);
        assert!(child.wait().unwrap().success(), "{log}");
        assert!(log.contains("stopped"), "{log}");
        assert_eq!(log.contains(ESCAPE), expected, "{log:?}");
    }
}

/// Types an answer once it is asked for and what is typed is not shown any more.
fn answer(screen: &mut File, line: &File, question: &str, answer: &str) -> String {
    let shown = read_until(screen, question);
    wait_until("what is typed is hidden", || {
        let modes = rustix::termios::tcgetattr(line).unwrap().local_modes;
        !modes.contains(LocalModes::ECHO)
    });
    writeln!(screen, "{answer}").unwrap();
    shown
}

#[test]
fn a_password_is_asked_for_twice_and_not_shown() {
    let server = Server::start(&[]);
    for (second, code) in [("another", 2), ("hunter2", 0)] {
        let Terminal { mut screen, line } = Terminal::open();
        // The terminal must be the command's own: passwords are asked for there, wherever its output goes.
        let mut add = Command::new("setsid");
        add.args(["--ctty", "--wait", env!("CARGO_BIN_EXE_chaski"), "--data"])
            .arg(&server.data)
            .args(["user", "add", "anna", "--full-access", "/"])
            .stdin(line.try_clone().unwrap())
            .stdout(line.try_clone().unwrap())
            .stderr(line.try_clone().unwrap());
        let mut child = add.spawn().unwrap();
        drop(add);
        let mut shown = answer(&mut screen, &line, "Password for anna: ", "hunter2");
        shown += &answer(&mut screen, &line, "The same again: ", second);
        drop(line);
        shown += &read_to_end(&mut screen);
        assert_eq!(child.wait().unwrap().code(), Some(code), "{shown}");
        assert!(
            !shown.contains("hunter2") && !shown.contains("another"),
            "{shown}"
        );
        assert_eq!(shown.contains("differ"), code != 0, "{shown}");
    }
    let url = format!("amqp://anna:hunter2@{}", server.address("amqp"));
    let declared = server.chaski(&["queue", "declare", "q", "--url", &url]);
    assert!(declared.status.success(), "{declared:?}");
}
