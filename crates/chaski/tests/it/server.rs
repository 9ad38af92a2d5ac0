//! A real server process for tests: free ports, a data directory of its own, stopped at the end.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

/// How long anything may take that is waited for.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// How often something is looked at that is waited for.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);

/// One server.
pub(crate) struct Server {
    child: Child,
    pub(crate) data: PathBuf,
    pub(crate) addresses: serde_json::Value,
    _directory: Option<tempfile::TempDir>,
}

impl Server {
    /// Starts a server on a fresh data directory.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut server = Self::start_on(&directory.path().join("data"), arguments);
        server._directory = Some(directory);
        server
    }

    /// Starts a server on a data directory that may hold something.
    pub(crate) fn start_on(data: &Path, arguments: &[&str]) -> Self {
        let mut command = command(data);
        command.stderr(Stdio::null());
        Self::start_by(command, data, arguments)
    }

    /// Starts a server by a command that was prepared in some way.
    pub(crate) fn start_by(mut command: Command, data: &Path, arguments: &[&str]) -> Self {
        let mut child = command
            .args([
                "serve",
                "--amqp",
                "127.0.0.1:0",
                "--amqps",
                "127.0.0.1:0",
                "--ready-json",
            ])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let mut line = String::new();
        let stdout = child.stdout.as_mut().expect("its output is piped");
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("it prints a line");
        let addresses = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("a line of JSON, not {line:?}: {error}"));
        Self {
            child,
            data: data.to_owned(),
            addresses,
            _directory: None,
        }
    }

    /// The address of a listener.
    pub(crate) fn address(&self, listener: &str) -> &str {
        self.addresses[listener]
            .as_str()
            .expect("the listener is open")
    }

    /// The URL for guest.
    pub(crate) fn url(&self) -> String {
        format!("amqp://guest:guest@{}/%2f", self.address("amqp"))
    }

    /// Runs the command line against this server's data directory.
    pub(crate) fn chaski(&self, arguments: &[&str]) -> Output {
        command(&self.data)
            .args(arguments)
            .output()
            .expect("the command runs")
    }

    /// Runs the command line with something on its standard input.
    pub(crate) fn chaski_with_input(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = command(&self.data);
        command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the command runs");
        let mut stdin = child.stdin.take().expect("its input is piped");
        stdin.write_all(input.as_bytes()).expect("it reads");
        drop(stdin);
        child.wait_with_output().expect("it ends")
    }

    /// Says whether the process runs.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child
            .try_wait()
            .expect("it can be waited for")
            .is_none()
    }

    /// Sends the process a signal.
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = i32::try_from(self.child.id()).expect("a process number");
        let pid = rustix::process::Pid::from_raw(pid).expect("not zero");
        rustix::process::kill_process(pid, signal).expect("it runs");
    }

    /// The memory that the process holds, in bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))
            .expect("the process runs");
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .expect("the kernel counts memory");
        line.split_whitespace()
            .nth(1)
            .and_then(|kib| kib.parse::<u64>().ok())
            .expect("a number")
            * 1024
    }

    /// Kills the process at once, as kill -9 does.
    pub(crate) fn kill(mut self) -> Option<tempfile::TempDir> {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
        self._directory.take()
    }

    /// Asks the process to end and waits until it has.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        self.signal(rustix::process::Signal::TERM);
        self.ended()
    }

    /// Waits until the process has ended.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.child.try_wait().expect("it can be waited for") {
                return status;
            }
            assert!(Instant::now() < deadline, "the server does not end");
            std::thread::sleep(LOOK_INTERVAL);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The command line on a data directory, without the settings of whoever runs the tests.
pub(crate) fn command(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chaski"));
    command
        .env_clear()
        // A test that wants HTTP says where: the usual ports may be another's.
        .env("CHASKI_HTTP", "off")
        .env("CHASKI_HTTPS", "off")
        .env("CHASKI_MANAGEMENT", "off")
        .env("CHASKI_LINE", "off")
        .env("CHASKI_LINE_TLS", "off")
        .current_dir(std::env::temp_dir())
        .arg("--data")
        .arg(data);
    command
}

/// Waits until a condition holds.
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: not in time");
        std::thread::sleep(LOOK_INTERVAL);
    }
}

/// Reads until the peer closes, up to the deadline.
pub(crate) fn read_to_end(stream: &mut std::net::TcpStream) -> Vec<u8> {
    stream
        .set_read_timeout(Some(DEADLINE))
        .expect("a timeout can be set");
    let mut bytes = Vec::new();
    // A reset ends it as well as a close does.
    let _ = stream.read_to_end(&mut bytes);
    bytes
}
