#!/usr/bin/env python3
"""Compares Chaski with Debian's rabbitmq-server and with a bare relay of bytes.

Every workload runs against every system with the same generator (`chaski bench amqp`), interleaved and several times on the same
machine; one table of medians, spreads and ratios comes out. Servers are started for this, on loopback and free ports, with
their data in a temporary directory, and stopped afterwards. Needs only Python 3.
"""

import argparse
import json
import os
import platform
import shlex
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RABBITMQ = "/usr/lib/rabbitmq/bin/rabbitmq-server"
START_TIMEOUT_S = 120
AMQP_HEADER = b"AMQP\x00\x00\x09\x01"


class Failed(Exception):
    """One run that gave no figures; the comparison goes on without it."""


def log(text):
    print(text, file=sys.stderr, flush=True)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def speaks_amqp(address):
    """Whether a server answers the protocol header with connection.start."""
    host, port = address.rsplit(":", 1)
    try:
        with socket.create_connection((host, int(port)), timeout=1) as probe:
            probe.settimeout(5)
            probe.sendall(AMQP_HEADER)
            answer = probe.recv(11)
            return answer[:1] == b"\x01" and answer[7:11] == b"\x00\x0a\x00\x0a"
    except OSError:
        return False


class Server:
    """A server process that the comparison started."""

    name = ""

    def __init__(self, workdir):
        self.workdir = Path(workdir)
        self.process = None
        self.address = None
        self.starts = 0

    def command(self):
        raise NotImplementedError

    def environment(self):
        return dict(os.environ)

    def start(self):
        """Starts the process and waits until it speaks AMQP; gives the seconds that took."""
        self.starts += 1
        log_file = open(self.workdir / f"{self.name}-{self.starts}.log", "wb")
        began = time.monotonic()
        self.process = subprocess.Popen(
            self.command(), env=self.environment(), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if self.ready_line() else log_file, stderr=log_file, cwd=self.workdir,
            start_new_session=True,
        )
        if self.ready_line():
            line = self.process.stdout.readline()
            try:
                self.address = json.loads(line)[self.ready_line()]
            except (ValueError, KeyError):
                raise SystemExit(f"{self.name} did not start: see {log_file.name}")
        while not self.is_ready():
            if self.process.poll() is not None:
                raise SystemExit(f"{self.name} ended with {self.process.returncode}: see {log_file.name}")
            if time.monotonic() - began > START_TIMEOUT_S:
                raise SystemExit(f"{self.name} was not ready within {START_TIMEOUT_S} s: see {log_file.name}")
            time.sleep(0.002)
        return time.monotonic() - began

    def ready_line(self):
        """The key of the address in the line of JSON that the program prints, if it does."""
        return None

    def is_ready(self):
        return speaks_amqp(self.address)

    def target(self):
        return ["--url", f"amqp://guest:guest@{self.address}"]

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
        if self.process is None or self.process.poll() is not None:
            self.process = None
            return
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
    name = "chaski"

    def __init__(self, workdir, binary, extra):
        super().__init__(workdir)
        self.binary = binary
        self.extra = extra

    def command(self):
        data = self.workdir / "chaski-data"
        return [self.binary, "serve", "--data", str(data), "--amqp", "127.0.0.1:0", "--ready-json", *self.extra]

    def ready_line(self):
        return "amqp"

    def environment(self):
        # Settings of the person who runs this must not change what is measured.
        return {key: value for key, value in os.environ.items() if not key.startswith("CHASKI_")}


class Rabbit(Server):
    name = "rabbitmq"

    def __init__(self, workdir):
        super().__init__(workdir)
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
        environment = {key: value for key, value in os.environ.items() if not key.startswith("RABBITMQ_")}
        environment.update(
            HOME=str(self.workdir),
            ERL_EPMD_PORT=str(self.epmd_port),
            ERL_EPMD_ADDRESS="127.0.0.1",
            RABBITMQ_NODENAME=f"compare-{os.getpid()}@localhost",
            RABBITMQ_DIST_PORT=str(self.dist_port),
            RABBITMQ_MNESIA_BASE=str(self.workdir / "rabbitmq-data"),
            RABBITMQ_LOG_BASE=str(self.workdir / "rabbitmq-log"),
            RABBITMQ_CONFIG_FILE=str(self.workdir / "rabbitmq.conf"),
            RABBITMQ_ENABLED_PLUGINS_FILE=str(self.workdir / "enabled_plugins"),
            RABBITMQ_CONF_ENV_FILE=str(self.workdir / "rabbitmq-env.conf"),
            RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1}",
        )
        return environment

    def stop(self, hard=False):
        super().stop(hard)
        epmd = shutil.which("epmd")
        if epmd and not hard:
            subprocess.run([epmd, "-port", str(self.epmd_port), "-kill"], capture_output=True, check=False)


class Relay(Server):
    name = "relay"

    def __init__(self, workdir, binary):
        super().__init__(workdir)
        self.binary = binary

    def command(self):
        return [self.binary, "bench", "relay", "--listen", "127.0.0.1:0", "--ready-json"]

    def ready_line(self):
        return "relay"

    def is_ready(self):
        return True

    def target(self):
        return ["--relay", self.address]


@dataclass
class Row:
    """One line of the table: where a figure stands in a report."""

    title: str
    path: str
    unit: str
    scale: float = 1.0
    cpu: str = ""
    memory: str = ""


@dataclass
class Workload:
    name: str
    arguments: str
    rows: list
    relay: bool = False
    timeout_s: int = 180
    quick: str = ""
    timed: bool = True
    systems: dict = field(default_factory=dict)


CPU = "stages.0.server_usage.cpu_s_per_million"


def rate_row(title, stage=0, what="delivered"):
    usage = f"stages.{stage}.server_usage"
    return Row(title, f"stages.{stage}.{what}.per_s", "/s", cpu=f"{usage}.cpu_s_per_million", memory=f"{usage}.rss_peak")


def latency_row(title, which, quantile, cpu=""):
    return Row(title, f"stages.0.{which}.{quantile}_us", "µs", cpu=cpu)


def workloads():
    durable = "--durable --size 1KiB --prefetch 1000"
    return [
        Workload("transient-16", "--size 16", [rate_row("transient, auto-ack, 16 B")], relay=True),
        Workload("transient-1k", "--size 1KiB", [rate_row("transient, auto-ack, 1 KiB")], relay=True),
        Workload("transient-16k", "--size 16KiB", [rate_row("transient, auto-ack, 16 KiB")], relay=True),
        Workload("durable-1k", f"{durable} --confirms 1000",
                 [rate_row("durable, 1,000 in flight, each acked, 1 KiB")]),
        Workload("durable-one", f"{durable} --confirms 1", [
            rate_row("one durable message in flight"),
            latency_row("its confirm, p50", "confirm_latency", "p50"),
            latency_row("its confirm, p99", "confirm_latency", "p99"),
        ]),
        Workload("durable-100", f"{durable} --confirms 1 --producers 100",
                 [rate_row("100 producers, one durable in flight each")]),
        Workload("fanout-100", "--size 100 --queues 100 --consumers 100 --routing fanout",
                 [rate_row("fan-out of 100 B to 100 queues, deliveries")], relay=True),
        Workload("queues-1000", "--size 16 --queues 1000 --producers 1000 --consumers 1000",
                 [rate_row("1,000 queues, producers and consumers, 16 B")], relay=True),
        Workload("backlog", "--backlog 2000000 --durable --size 100 --confirms 1000 --prefetch 1000", [
            rate_row("backlog of 100 B durable: in", 0, "published"),
            rate_row("backlog: out", 1),
            Row("memory that the backlog takes", "backlog_rss", "MiB", 1 / 2**20),
        ], timeout_s=900, quick="--backlog 100000", timed=False),
        Workload("idle", "--idle 5000 --duration 3s", [
            Row("idle connections: opened", "stages.0.connects.per_s", "/s"),
            Row("idle connection: server memory", "stages.0.connects.server_bytes_each", "KiB", 1 / 1024),
        ], timeout_s=300, quick="--idle 1000 --duration 1s", timed=False),
        Workload("latency-10k", "--size 1KiB --rate 10000", [
            latency_row("end to end at 10,000 msg/s of 1 KiB, p50", "end_to_end_latency", "p50", CPU),
            latency_row("end to end at 10,000 msg/s of 1 KiB, p99", "end_to_end_latency", "p99"),
        ], relay=True),
    ]


RESTART = Row("ready after kill -9 with durable messages queued", "restart_s", "s")


def dig(report, path):
    """Finds `a.0.b` in nested lists and objects; none where it is absent."""
    for step in path.split("."):
        if isinstance(report, list):
            report = report[int(step)] if int(step) < len(report) else None
        elif isinstance(report, dict):
            report = report.get(step)
        else:
            return None
    return report


def run_generator(binary, arguments, server, timeout_s):
    command = [binary, "bench", "amqp", "--json", *server.target(), "--server-pid", str(server.process.pid), *arguments]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("CHASKI_")}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, env=environment, check=False)
    except subprocess.TimeoutExpired as error:
        raise Failed(f"no end within {timeout_s} s") from error
    try:
        report = json.loads(done.stdout)
    except ValueError as error:
        lines = done.stderr.strip().splitlines() or ["no output"]
        raise Failed(" ".join(line.strip() for line in lines[:4])) from error
    usage = [stage.get("server_usage") for stage in report["stages"]]
    if len(usage) > 1 and all(usage):
        report["backlog_rss"] = max(stage["rss_peak"] for stage in usage) - usage[0]["rss_before"]
    if done.returncode != 0:
        raise Failed(f"wrong messages: {report['checks']}")
    return report


def measure_restart(binary, server, messages):
    """Fills a queue with durable messages, kills the server and times its return."""
    prefix = "restart"
    arguments = ["--messages", str(messages), "--consumers", "0", "--durable", "--size", "100",
                 "--confirms", "1000", "--prefix", prefix, "--keep"]
    run_generator(binary, arguments, server, 600)
    server.stop(hard=True)
    seconds = server.start()
    state = subprocess.run(
        [binary, "queue", "purge", f"{prefix}.0", "--json", "--url", server.target()[1]],
        capture_output=True, text=True, timeout=300, check=False,
    )
    kept = json.loads(state.stdout or "{}").get("purged_messages")
    subprocess.run([binary, "queue", "delete", f"{prefix}.0", "--url", server.target()[1]],
                   capture_output=True, timeout=300, check=False)
    if kept != messages:
        raise Failed(f"{kept} of {messages} messages were there after kill -9: {state.stderr.strip()}")
    return {"restart_s": seconds, "server": ""}


class Results:
    """Figures by row and system."""

    def __init__(self):
        self.values = {}
        self.failures = []
        self.versions = {}

    def add(self, row, system, report):
        for path, key, scale in ((row.path, "value", row.scale), (row.cpu, "cpu", 1.0), (row.memory, "memory", 1 / 2**20)):
            value = dig(report, path) if path else None
            if value is not None:
                self.values.setdefault((row.title, system, key), []).append(value * scale)

    def median(self, row, system, key="value"):
        values = self.values.get((row.title, system, key))
        return statistics.median(values) if values else None

    def show(self, row, system, key="value"):
        values = self.values.get((row.title, system, key))
        if not values:
            return "–"
        low, middle, high = (human(x, {"cpu": "", "memory": "MiB"}.get(key, row.unit)) for x in
                             (min(values), statistics.median(values), max(values)))
        return middle if len(values) == 1 else f"{middle} ({low} … {high})"


def human(value, unit):
    """Writes a figure with three digits."""
    for limit, divisor, suffix in ((1e6, 1e6, " M"), (1e3, 1e3, " k")):
        if unit == "/s" and abs(value) >= limit:
            return f"{value / divisor:.3g}{suffix}{unit}"
    if unit == "µs" and value >= 1000:
        return f"{value / 1000:.3g} ms"
    text = f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{text} {unit}".strip() if unit != "/s" else f"{text}/s"


def ratio(a, b):
    if a is None or b is None or b == 0:
        return "–"
    value = a / b
    return f"{value:.0f} ×" if value >= 100 else f"{value:.3g} ×"


def table(rows, results, systems):
    peers = [system for system in ("rabbitmq", "relay") if system in systems]
    names = {"rabbitmq": "RabbitMQ", "relay": "relay"}
    head = ["work", "Chaski"]
    for peer in peers:
        head += [names[peer], f"Chaski / {names[peer]}"]
    head += ["CPU s per million: Chaski", *[f"{names[peer]}" for peer in peers]]
    if "rabbitmq" in peers:
        head += ["RabbitMQ / Chaski", "peak memory: Chaski", "RabbitMQ"]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for row in rows:
        cells = [row.title, results.show(row, "chaski")]
        for peer in peers:
            cells += [results.show(row, peer), ratio(results.median(row, "chaski"), results.median(row, peer))]
        cells += [results.show(row, system, "cpu") for system in ("chaski", *peers)]
        if "rabbitmq" in peers:
            cells.append(ratio(results.median(row, "rabbitmq", "cpu"), results.median(row, "chaski", "cpu")))
            cells += [results.show(row, system, "memory") for system in ("chaski", "rabbitmq")]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def output_of(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False).stdout.strip()
    except OSError:
        return ""


def machine(workdir):
    """Describes what the figures were taken on."""
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    file_system = output_of("findmnt", "-n", "-o", "FSTYPE", "-T", str(workdir)) or "unknown"
    release = platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    return [
        f"{model}, {os.cpu_count()} cores, {memory:.0f} GiB memory, data on {file_system}",
        f"{release}, kernel {platform.release()}",
    ]


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--chaski", default=str(ROOT / "target/dist/chaski"), help="the binary that serves")
    parser.add_argument("--generator", help="the binary that loads (default: the same)")
    parser.add_argument("--serve-arg", action="append", default=[], help="one more argument of `chaski serve`")
    parser.add_argument("--systems", default="chaski,rabbitmq,relay", help="what to compare")
    parser.add_argument("--only", action="append", metavar="NAME", help="one workload; may be repeated")
    parser.add_argument("--list", action="store_true", help="name the workloads and end")
    parser.add_argument("--repeats", type=int, help="runs of each workload (default: 3)")
    parser.add_argument("--duration", type=float, help="seconds of each timed run (default: 8)")
    parser.add_argument("--quick", action="store_true", help="one short run of each: for a first look, not for quoting")
    parser.add_argument("--workdir", help="where data is written (default: a temporary directory)")
    parser.add_argument("--write", metavar="FILE", help="write the table as Markdown, as docs/perf/amqp.md")
    parser.add_argument("--json", metavar="FILE", help="write every report")
    arguments = parser.parse_args()
    arguments.generator = arguments.generator or arguments.chaski
    arguments.chaski, arguments.generator = (each and str(Path(each).resolve()) for each in (arguments.chaski, arguments.generator))
    arguments.repeats = arguments.repeats or (1 if arguments.quick else 3)
    arguments.duration = arguments.duration or (2 if arguments.quick else 8)
    return arguments


def start_servers(arguments, workdir):
    servers = {}
    for system in arguments.systems.split(","):
        if system == "chaski":
            servers[system] = Chaski(workdir, arguments.chaski, arguments.serve_arg)
        elif system == "rabbitmq":
            if not os.access(RABBITMQ, os.X_OK):
                log("rabbitmq-server is not installed (apt install rabbitmq-server): going on without it")
                continue
            servers[system] = Rabbit(workdir)
        elif system == "relay":
            servers[system] = Relay(workdir, arguments.generator)
        else:
            raise SystemExit(f"unknown system {system}")
    for server in servers.values():
        log(f"starting {server.name} took {server.start():.2f} s")
    return servers


def run_all(arguments, servers, chosen, results):
    reports = []
    for repeat in range(arguments.repeats):
        for workload in chosen:
            names = list(servers)
            # No system is always the first after another's load.
            turn = repeat % len(names)
            for system in names[turn:] + names[:turn]:
                if system == "relay" and not workload.relay:
                    continue
                report = run_one(arguments, servers[system], workload, results)
                if report is None:
                    continue
                reports.append({"system": system, "workload": workload.name, "report": report})
                results.versions[system] = report["server"]
                for row in workload.rows:
                    results.add(row, system, report)
                first = workload.rows[0]
                log(f"{repeat + 1}/{arguments.repeats} {workload.name:<14} {system:<9} "
                    f"{human(dig(report, first.path) or 0, first.unit)}")
    return reports


def run_one(arguments, server, workload, results):
    options = shlex.split(workload.arguments)
    if arguments.quick and workload.quick:
        # The last one given counts.
        shorter = shlex.split(workload.quick)
        options = [option for index, option in enumerate(options)
                   if option not in shorter[::2] and (index == 0 or options[index - 1] not in shorter[::2])]
        options += shorter
    if workload.timed:
        options += ["--duration", f"{arguments.duration}s", "--warm-up", "0.5s" if arguments.quick else "1s"]
    try:
        return run_generator(arguments.generator, options, server, workload.timeout_s)
    except Failed as error:
        log(f"{workload.name} on {server.name} failed: {error}")
        results.failures.append(f"{workload.name} on {server.name}: {error}")
        # What an overloaded server still holds must not weigh on the next run.
        server.stop(hard=True)
        server.start()
        return None


def run_restarts(arguments, servers, results):
    messages = 50_000 if arguments.quick else 1_000_000
    for system in ("chaski", "rabbitmq"):
        if system not in servers:
            continue
        try:
            report = measure_restart(arguments.generator, servers[system], messages)
            results.add(RESTART, system, report)
            log(f"restart with {messages} messages: {system} {report['restart_s']:.3f} s")
        except Failed as error:
            results.failures.append(f"restart on {system}: {error}")
            log(f"restart on {system} failed: {error}")
    return messages


def disk_floor(arguments, workdir):
    done = output_of(arguments.generator, "bench", "disk", str(workdir), "--json", "--duration", "2s")
    latency = json.loads(done)["latency"]
    return f"a bare 4 KiB write + fdatasync on the same disk: p50 {human(latency['p50_us'], 'µs')}, p99 {human(latency['p99_us'], 'µs')}"


def main():
    arguments = parse_arguments()
    available = workloads()
    if arguments.list:
        print("\n".join(f"{workload.name:<14} {workload.arguments}" for workload in available), "\nrestart")
        return
    chosen = [workload for workload in available if not arguments.only or workload.name in arguments.only]
    restarts = not arguments.only or "restart" in arguments.only
    workdir = Path(tempfile.mkdtemp(prefix="chaski-compare-", dir=arguments.workdir))
    results = Results()
    servers = {}
    try:
        floors = [disk_floor(arguments, workdir)]
        servers = start_servers(arguments, workdir)
        reports = run_all(arguments, servers, chosen, results)
        rows = [row for workload in chosen for row in workload.rows]
        if restarts:
            messages = run_restarts(arguments, servers, results)
            RESTART.title = f"ready after kill -9 with {messages:,} durable messages queued"
            for key in [key for key in results.values if key[0].startswith("ready after kill -9 with durable")]:
                results.values[(RESTART.title, *key[1:])] = results.values.pop(key)
            rows.append(RESTART)
        floors.append(disk_floor(arguments, workdir))
        described = machine(workdir)
    finally:
        for server in servers.values():
            server.stop()
        shutil.rmtree(workdir, ignore_errors=True)
    text = page(arguments, results, rows, list(servers), described, floors)
    print(text)
    if arguments.write:
        Path(arguments.write).write_text(text)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(reports, indent=1))


def page(arguments, results, rows, systems, described, floors):
    versions = [f"{system}: {version}" for system, version in results.versions.items() if version]
    command = shlex.join(["bench/compare.py", *sys.argv[1:]])
    commit = output_of("git", "-C", str(ROOT), "rev-parse", "--short", "HEAD") or "unknown"
    lines = [
        "# Chaski beside RabbitMQ and a bare relay",
        "",
        f"`{command}`, commit {commit}.",
        "",
        *[f"- {line}" for line in [*described, *versions, *floors]],
        f"- {arguments.repeats} interleaved runs of {arguments.duration:g} s; medians (least … most); "
        "of rates more is better, of times and memory less; server and generator share the machine",
        "",
        table(rows, results, systems),
        "",
    ]
    if results.failures:
        lines += ["Runs that failed:", "", *[f"- {failure}" for failure in results.failures], ""]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
