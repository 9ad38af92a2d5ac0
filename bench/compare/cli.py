"""Compares Chaski with RabbitMQ, NATS, JetStream and a bare relay of bytes.

Every workload runs against every system with the same generator (`chaski bench`), interleaved and several times on the same
machine; medians, spreads, ratios and whether the targets are met come out. Servers are started for this, on loopback and free
ports, with their data in a temporary directory, and stopped afterwards. Needs only Python 3; peers that are not installed are left out.
"""

import argparse
import json
import os
import platform
import resource
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from .results import Results, dig
from .runs import Runner
from .servers import PEERS, SYSTEMS, Failed, NotInstalled, log
from .table import page
from .text import human
from .workloads import workloads

ROOT = Path(__file__).resolve().parent.parent.parent
# One run of these says enough: filling RabbitMQ's queue and starting it again takes minutes.
ONCE = {("restart", "rabbitmq")}


def main():
    options = parse_arguments()
    available = workloads(options)
    if options.list:
        print("\n".join(f"{each.name:<14} {each.arguments}" for each in available))
        return 0
    chosen = [each for each in available if not options.only or each.name in options.only]
    if missing := set(options.only or ()) - {each.name for each in chosen}:
        raise SystemExit(f"no such row: {', '.join(sorted(missing))} (see --list)")
    raise_file_limit()
    began = time.monotonic()
    workdir = Path(tempfile.mkdtemp(prefix="chaski-compare-", dir=options.workdir))
    results = Results()
    servers = {}
    try:
        runner = Runner(options, workdir)
        floors = [runner.disk()]
        start_servers(options, workdir, servers, results)
        reports = run_all(runner, servers, chosen, results)
        floors.append(runner.disk())
        facts = describe(options, results, workdir, floors)
    finally:
        for server in servers.values():
            server.stop()
        shutil.rmtree(workdir, ignore_errors=True)
    facts.append(f"interleaved runs of each: {options.repeats}, of {options.duration:g} s where time counts; "
                 f"{(time.monotonic() - began) / 60:.0f} minutes in all")
    if options.quick:
        facts.append("a first look (--quick): short runs, short queues, few connections; not for quoting")
    rows = [row for workload in chosen for row in workload.rows]
    text = page(shlex.join(["bench/compare.py", *sys.argv[1:]]), facts, rows, results, list(servers))
    print(text)
    if options.write:
        Path(options.write).write_text(text)
    if options.json:
        Path(options.json).write_text(json.dumps(reports, indent=1))
    return 1 if any(system == "chaski" for _, system in results.failures) else 0


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--chaski", default=str(ROOT / "target/dist/chaski"), help="the binary that serves")
    parser.add_argument("--generator", help="the binary that loads (default: the same)")
    parser.add_argument("--serve-arg", action="append", default=[], help="one more argument of `chaski serve`")
    parser.add_argument("--nats-server", metavar="PATH", help="the nats-server to compare with (default: the one in PATH)")
    parser.add_argument("--peers", nargs="*", default=PEERS, choices=PEERS, metavar="PEER",
                        help=f"what to compare with: {', '.join(PEERS)} (default: all)")
    parser.add_argument("--only", nargs="+", action="extend", metavar="ROW", help="only these rows, as --list names them")
    parser.add_argument("--list", action="store_true", help="name the rows and end")
    parser.add_argument("--repeats", type=int, help="runs of each workload (default: 3)")
    parser.add_argument("--duration", type=float, help="seconds of each timed run (default: 5)")
    parser.add_argument("--backlog", type=int, metavar="N", help="messages of the backlog (default: 2000000)")
    parser.add_argument("--quick", action="store_true", help="one short run of each: for a first look, not for quoting")
    parser.add_argument("--workdir", help="where data is written (default: a temporary directory)")
    parser.add_argument("--write", metavar="FILE", help="write the page as Markdown, as docs/perf/amqp.md")
    parser.add_argument("--json", metavar="FILE", help="write every report")
    options = parser.parse_args()
    find_binaries(options)
    options.repeats = options.repeats or (1 if options.quick else 3)
    options.duration = options.duration or (2 if options.quick else 5)
    return options


def find_binaries(options):
    """Makes the paths of the server's and the generator's binaries whole; ends the program when one is not there."""
    options.generator = options.generator or options.chaski
    options.chaski, options.generator = (str(Path(each).resolve()) for each in (options.chaski, options.generator))
    for binary in {options.chaski, options.generator}:
        if not os.access(binary, os.X_OK):
            raise SystemExit(f"{binary} is not there: cargo build --profile dist --package chaski")


def raise_file_limit():
    """Servers inherit it: idle connections need one each."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def start_servers(options, workdir, servers, results):
    for name in ["chaski", *(peer for peer in PEERS if peer in options.peers)]:
        try:
            server = SYSTEMS[name](workdir, options)
            # Known before it is started, so that it is stopped whatever comes.
            servers[name] = server
            log(f"starting {server.title} took {server.start():.2f} s")
        except NotInstalled as missing:
            log(f"{SYSTEMS[name].title} is not installed: going on without it; install it with: {missing}")
            results.absent[name] = f"not installed; install it with: {missing}"
        except Failed as error:
            if name == "chaski":
                raise SystemExit(str(error)) from error
            log(f"{error}: going on without it")
            results.absent[name] = str(error)
            del servers[name]


def run_all(runner, servers, chosen, results):
    reports, rate_of_one = [], {}
    repeats = runner.options.repeats
    for repeat in range(repeats):
        for workload in chosen:
            names = [name for name in servers if name in workload.systems]
            if repeat:
                names = [name for name in names if (workload.name, name) not in ONCE]
            # No system is always the first after another's load.
            turn = repeat % len(names) if names else 0
            for name in names[turn:] + names[:turn]:
                report = run_one(runner, workload, servers[name], results)
                if report is None:
                    continue
                reports.append({"system": name, "workload": workload.name, "repeat": repeat, "report": report})
                results.versions.setdefault(name, report["server"])
                rate = dig(report, "stages.0.delivered.per_s")
                if workload.name == "durable-one":
                    rate_of_one[name] = rate
                elif workload.name == "durable-100" and rate_of_one.get(name):
                    # Both of the same repeat.
                    report["group_commit_ratio"] = rate / rate_of_one[name]
                for row in workload.rows:
                    results.add(row, name, report)
                first = workload.rows[0]
                log(f"{repeat + 1}/{repeats} {workload.name:<14} {name:<14} {human(dig(report, first.path) or 0, first.unit)}")
    return reports


def run_one(runner, workload, server, results):
    """Gives a report, or none for a run that failed: then the server starts afresh."""
    try:
        if server.process is None:
            server.start()
        return runner.run(workload, server)
    except (Failed, OSError, subprocess.TimeoutExpired) as error:
        log(f"{workload.name} on {server.title} failed: {error}")
        results.fail(workload, server.name, error)
    # What an overloaded server still holds must not weigh on the next run.
    server.stop(hard=True)
    try:
        server.start()
    except Failed as error:
        # The next run tries again, and fails by name if it must.
        log(str(error))
    return None


def describe(options, results, workdir, floors):
    """Says what the figures were taken on."""
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    file_system = output_of("findmnt", "-n", "-o", "FSTYPE", "-T", str(workdir)) or "unknown"
    commit = output_of("git", "-C", str(ROOT), "rev-parse", "--short", "HEAD") or "unknown"
    release = platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    return [
        f"commit {commit}",
        f"{model}, {os.cpu_count()} cores, {memory:.0f} GiB memory, data on {file_system}",
        f"{release}, kernel {platform.release()}",
        *(f"{SYSTEMS[system].title}: {version}" for system, version in results.versions.items() if version),
        *(f"a bare 4 KiB write + fdatasync on the same disk: p50 {human(floor['latency']['p50_us'], 'µs')}, "
          f"p99 {human(floor['latency']['p99_us'], 'µs')}" for floor in floors),
    ]


def output_of(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False).stdout.strip()
    except OSError:
        return ""
