"""Starts and stops the broker under test: Chaski, a private RabbitMQ, or one that runs already."""

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import unquote, urlsplit

from .ctl import ChaskiCtl, RabbitCtl
from .ports import Ports
from .waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
RABBITMQ_HOME = Path(os.environ.get("RABBITMQ_HOME", "/usr/lib/rabbitmq"))


def port_of(address):
    """The port of `HOST:PORT`."""
    return int(address.rsplit(":", 1)[1])


class Broker:
    """A broker that listens.

    `kind` is "chaski", "rabbitmq" or "other"; `ctl` is its operator, or None when this suite did not start it.
    """

    kind = "other"
    host = "127.0.0.1"
    username = password = "guest"
    vhost = "/"
    port = tls_port = ctl = pid = None

    def start(self):
        """Returns when clients can connect."""

    def stop(self):
        """Ends the broker in an orderly way and removes its files."""

    def restart(self):
        """Stops in an orderly way and starts again on the same data and ports."""
        raise NotImplementedError(f"{self.kind} cannot be restarted from here")

    def kill(self):
        """SIGKILL, without a word to the broker; `start` brings it back on the same data and ports."""
        raise NotImplementedError(f"{self.kind} cannot be killed from here")

    def url(self, vhost="%2F"):
        return f"amqp://{self.username}:{self.password}@{self.host}:{self.port}/{vhost}"


class RunningBroker(Broker):
    """A broker that runs already, known by its URL."""

    def __init__(self, url):
        parts = urlsplit(url)
        self.host, self.port = parts.hostname or "127.0.0.1", parts.port or 5672
        self.username, self.password = parts.username or "guest", parts.password or "guest"
        self.vhost = unquote(parts.path[1:]) or "/"


class _Owned(Broker):
    """A broker whose process, directory and ports belong to this run."""

    def __init__(self, ports):
        self._ports = Ports(ports)
        self.directory = Path(tempfile.mkdtemp(prefix=f"conformance-{self.kind}-"))
        self._log = open(self.directory / "output.log", "ab")
        self._process = None

    def _spawn(self, command, **options):
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stderr=self._log, start_new_session=True, **options
        )
        self.pid = self._process.pid

    def _require_alive(self):
        if self._process.poll() is not None:
            tail = (self.directory / "output.log").read_bytes()[-2000:].decode(errors="replace")
            raise RuntimeError(f"{self.kind} ended with {self._process.returncode} while starting:\n{tail}")

    def _wait_end(self, seconds):
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            raise

    def kill(self):
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def restart(self):
        self.shut_down()
        self.start()

    def shut_down(self):
        """SIGTERM and a clean exit; keeps the files."""
        self._process.send_signal(signal.SIGTERM)
        self._wait_end(30)

    def stop(self):
        if self._process is not None and self._process.poll() is None:
            self.shut_down()
        self._log.close()
        self._ports.release()
        if "CONFORMANCE_KEEP" not in os.environ:
            shutil.rmtree(self.directory, ignore_errors=True)


class Chaski(_Owned):
    """`chaski serve` on ports of its own, which a restart keeps.

    `settings` maps keys of the configuration to values; `listen` is the address, IPv6 in brackets; `host` is where it runs, if that is
    not this machine's own network (`hosts.Host`).
    """

    kind = "chaski"

    def __init__(self, settings=None, listen="127.0.0.1", host=None):
        super().__init__(ports=7)
        self._prefix = []
        if host is not None:
            listen = self.host = host.address
            self._prefix = host.command()
        self._settings = [word for key, value in (settings or {}).items() for word in ("--set", f"{key}={value}")]
        self.binary = os.environ.get("CHASKI_BIN", str(ROOT / "target/release/chaski"))
        if not Path(self.binary).is_file():
            raise SystemExit(f"{self.binary} is not there: build it (cargo build --release) or name it by CHASKI_BIN")
        addresses = [f"{listen}:{port}" for port in self._ports.numbers]
        self._amqp, self._amqps, self._http, self._https, self._management, self._line, self._line_tls = addresses
        self.ctl = ChaskiCtl(self.binary, self.directory / "data")

    def start(self):
        self._spawn(
            [*self._prefix, self.binary, "serve", "--data", str(self.directory / "data"), "--amqp", self._amqp,
             "--amqps", self._amqps, "--http", self._http, "--https", self._https,
             "--management", self._management, "--line", self._line, "--line-tls", self._line_tls, "--ready-json", *self._settings],
            stdout=subprocess.PIPE,
        )
        line = self._process.stdout.readline()
        if not line:
            self._process.wait(5)
            self._require_alive()
        self.ready = json.loads(line)
        self.line_port, self.line_tls_port = port_of(self._line), port_of(self._line_tls)
        self.port, self.tls_port = port_of(self._amqp), port_of(self._amqps)
        self.http_url, self.https_url = f"http://{self._http}", f"https://{self._https}"
        self.management_url = f"http://{self._management}"

    def kill(self):
        super().kill()
        self._process.stdout.close()

    def shut_down(self):
        super().shut_down()
        self._process.stdout.close()
        if self._process.returncode != 0:
            raise RuntimeError(f"chaski exited with {self._process.returncode} on SIGTERM")


class RabbitMq(_Owned):
    """A private node on loopback: own name, ports, port mapper, cookie, database and log."""

    kind = "rabbitmq"

    def __init__(self, listen="127.0.0.1"):
        super().__init__(ports=5)
        self._listen = listen.strip("[]")
        self.port, self.tls_port, self._management, self._dist, self._epmd = self._ports.numbers
        self._node = f"conformance-{secrets.token_hex(4)}@localhost"
        (self.directory / "enabled_plugins").write_text(
            "[rabbitmq_management,rabbitmq_consistent_hash_exchange].\n"
        )
        self._certificate()
        (self.directory / "rabbitmq.conf").write_text(self._configuration())
        self._env = self._environment()
        self.ctl = RabbitCtl(self._management, self._rabbitmqctl)
        self.management_url = f"http://127.0.0.1:{self._management}"

    def _certificate(self):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
             "-keyout", self.directory / "key.pem", "-out", self.directory / "cert.pem"],
            check=True, capture_output=True,
        )

    def _configuration(self):
        return "\n".join([
            f"listeners.tcp.1 = {self._listen}:{self.port}",
            f"listeners.ssl.1 = 127.0.0.1:{self.tls_port}",
            f"ssl_options.cacertfile = {self.directory}/cert.pem",
            f"ssl_options.certfile = {self.directory}/cert.pem",
            f"ssl_options.keyfile = {self.directory}/key.pem",
            "ssl_options.verify = verify_none",
            "auth_mechanisms.1 = PLAIN",
            "auth_mechanisms.2 = AMQPLAIN",
            "auth_mechanisms.3 = RABBIT-CR-DEMO",
            f"max_message_size = {16 * 1024 * 1024}",
            "vm_memory_high_watermark.relative = 0.6",
            "disk_free_limit.absolute = 50MB",
            "management.tcp.ip = 127.0.0.1",
            f"management.tcp.port = {self._management}",
            "log.console = false",
            "",
        ])

    def _environment(self):
        own = {
            "HOME": self.directory,
            "RABBITMQ_NODENAME": self._node,
            "RABBITMQ_DIST_PORT": self._dist,
            "RABBITMQ_CONFIG_FILE": self.directory / "rabbitmq.conf",
            "RABBITMQ_CONF_ENV_FILE": self.directory / "none.conf",
            "RABBITMQ_ENABLED_PLUGINS_FILE": self.directory / "enabled_plugins",
            "RABBITMQ_MNESIA_BASE": self.directory / "mnesia",
            "RABBITMQ_LOG_BASE": self.directory / "log",
            "RABBITMQ_PID_FILE": self.directory / "pid",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "ERL_EPMD_PORT": self._epmd,
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }
        return {**os.environ, **{key: str(value) for key, value in own.items()}}

    def start(self):
        self._spawn([str(RABBITMQ_HOME / "bin/rabbitmq-server")], stdout=self._log, env=self._env)

        def accepts():
            self._require_alive()
            with socket.socket() as probe:
                return probe.connect_ex((self.host, self.port)) == 0 and self.ctl.ready()

        eventually(accepts, within=90, every=0.1, what="RabbitMQ accepts connections")

    def _rabbitmqctl(self, *words):
        command = [str(RABBITMQ_HOME / "bin/rabbitmqctl"), "-q", *words]
        subprocess.run(command, check=True, capture_output=True, env=self._env, timeout=60)

    def stop(self):
        super().stop()
        subprocess.run(["epmd", "-kill"], capture_output=True, env=self._env)


def open_broker(kind, url=None, **options):
    """The broker of that kind, not started."""
    if url:
        return RunningBroker(url)
    return {"chaski": Chaski, "rabbitmq": RabbitMq}[kind](**options)
