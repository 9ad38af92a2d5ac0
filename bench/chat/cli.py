"""The command line of `bench/chat.py`."""

import argparse
import json
import resource
import shlex
import shutil
import select
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from compare.cli import ROOT, describe, find_binaries, output_of, raise_file_limit
from compare.results import Results
from compare.runs import Runner
from compare.servers import Failed, NotInstalled, log
from compare.workloads import Workload

from .page import Figures, page
from .rows import ACCOUNTS, OURS, rows
from .servers import PEERS, SERVERS, doors

# Open files of a server or a generator beside its connections.
FILES_OTHER = 200
# How long a server may take to give back what it does not need, and how long its memory has to stay as it is to be at rest.
SETTLE_S, REST_S = 15, 2
# What no run may take longer than.
TIMEOUT_S = 300


def settle(pid):
    """Returns when a server's memory has stayed as it is for a while, or when it has had the time for that."""
    deadline, since, before = time.monotonic() + SETTLE_S, time.monotonic(), resident(pid)
    while time.monotonic() < min(deadline, since + REST_S):
        select.select([], [], [], 0.1)
        if (now := resident(pid)) != before:
            since, before = time.monotonic(), now


@dataclass
class ChatWorkload(Workload):
    """One run of a row."""

    # Runs longer than the others.
    longer: int = 1


class ChatRunner(Runner):
    """Puts rows on servers."""

    def timing(self, workload):
        if not workload.timed:
            return []
        return ["--duration", f"{self.options.duration * workload.longer}s", "--warm-up", "1s"]

    def idle(self, workload, server):
        """Ever more idle connections on a fresh server: memory that one run reused cannot flatter the slope."""
        server.server.start_empty()
        # Before accounts are made: hashing passwords takes memory that the process keeps for the next.
        empty = resident(server.process.pid)
        shared = ["--accounts", str(ACCOUNTS)] if server.name in OURS else []
        workload.arguments = ""
        # Makes the accounts; the memory that this takes is given back before anything counts.
        self.generate(workload, server, "--idle", str(ACCOUNTS), *shared)
        settle(server.process.pid)
        reports = [self.generate(workload, server, "--idle", str(size), *shared) for size in workload.number(server.name)]
        stages = [report["stages"][0] for report in reports]
        if dropped := sum(stage["connects"]["dropped"] for stage in stages):
            raise Failed(f"{dropped} idle connections were dropped")
        opened = [stage["connects"]["opened"] for stage in stages]
        line = statistics.linear_regression(opened, [stage["server_usage"]["rss_after"] for stage in stages])
        stages[0] |= {"bytes_each": line.slope, "rss_empty": empty, "most": max(opened)}
        return reports[0] | {"sizes": stages}


def resident(pid):
    """The resident bytes of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()


def main():
    options = parse_arguments()
    available = rows(options)
    if options.list:
        print("\n".join(f"{row.name:<12} {', '.join(row.systems):<36} {row.arguments}" for row in available))
        return 0
    chosen = [row for row in available if not options.only or row.name in options.only]
    if missing := set(options.only or ()) - {row.name for row in chosen}:
        raise SystemExit(f"no such row: {', '.join(sorted(missing))} (see --list)")
    # Ended from outside, it still stops its servers and removes their data.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    raise_file_limit()
    began = time.monotonic()
    workdir = Path(tempfile.mkdtemp(prefix="chaski-chat-", dir=options.workdir))
    servers, absent = [], []
    try:
        runner = ChatRunner(options, workdir)
        floors = [runner.disk()]
        start_servers(options, workdir, servers, absent)
        figures = Figures([door for server in servers for door in doors(server)])
        for number in range(options.repeats):
            for row in chosen:
                run_row(runner, row, figures, number)
        floors.append(runner.disk())
        facts = describe(options, Results(), workdir, floors) + versions(options) + absent
    finally:
        for server in servers:
            server.stop()
        shutil.rmtree(workdir, ignore_errors=True)
    facts.append(f"{options.repeats} rounds, of {options.duration:g} s where time counts; {(time.monotonic() - began) / 60:.0f} minutes in all")
    facts.append(f"a process may have {options.files:,} open files: at most {options.most:,} connections at a time were tried")
    if options.quick:
        facts.append("a first look (--quick): short runs; not for quoting")
    text = page(shlex.join(["bench/chat.py", *sys.argv[1:]]), facts, chosen, figures)
    print(text)
    if options.write:
        Path(options.write).write_text(text)
    if options.json:
        reports = [{"row": row, "system": door, "rounds": rounds} for (row, door), rounds in figures.reports.items()]
        Path(options.json).write_text(json.dumps(reports, indent=1))
    return 1 if any(door in OURS for _, door in figures.failures) else 0


def start_servers(options, workdir, servers, absent):
    for kind in SERVERS:
        if kind.name in PEERS and kind.name not in options.peers:
            continue
        try:
            server = kind(workdir, options)
            # Known before it is started, so that it is stopped whatever comes.
            servers.append(server)
            log(f"starting {server.title} took {server.start():.2f} s")
        except (NotInstalled, Failed) as error:
            if kind is SERVERS[0]:
                raise SystemExit(str(error)) from error
            log(f"going on without {kind.title}: {error}")
            absent.append(f"not compared: {kind.title}: {error}")
            servers[:] = [server for server in servers if server.process is not None]


def run_row(runner, row, figures, number):
    """Runs a row on every system once, each round beginning with another; where a run fails the server starts afresh."""
    found = [door for door in figures.doors if door.name in row.systems]
    turn = number % len(found) if found else 0
    for door in found[turn:] + found[:turn]:
        workload = ChatWorkload(row.name, [], (), row.arguments, kind=row.kind, timed=row.timed, timeout_s=TIMEOUT_S,
                                numbers=row.sizes, longer=row.longer)
        try:
            if door.process is None:
                door.server.start()
            report = runner.run(workload, door)
        except (Failed, OSError, subprocess.TimeoutExpired) as error:
            log(f"{row.name} on {door.title} failed: {error}")
            figures.fail(row, door.name, error)
            door.server.stop(hard=True)
            continue
        figures.add(row, door.name, report)
        first = figures.show(row, row.figures[0], door.name)
        log(f"{number + 1}/{runner.options.repeats} {row.name:<10} {door.name:<10} {first}")


def versions(options):
    """What the compared programs call themselves."""
    ours = output_of(options.chaski, "--version")
    packages = [output_of("dpkg-query", "-W", "-f", "${Package} ${Version}", name) for name in PEERS]
    return [text for text in (ours, *packages) if text]


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chaski", default=str(ROOT / "target/dist/chaski"), help="the binary that serves")
    parser.add_argument("--generator", help="the binary that talks (default: the same)")
    parser.add_argument("--serve-arg", action="append", default=[], help="one more argument of `chaski serve`")
    parser.add_argument("--peers", nargs="*", default=PEERS, choices=PEERS, metavar="PEER",
                        help=f"what to compare with: {', '.join(PEERS)} (default: all)")
    parser.add_argument("--only", nargs="+", action="extend", metavar="ROW", help="only these rows, as --list names them")
    parser.add_argument("--list", action="store_true", help="name the rows and end")
    parser.add_argument("--most", type=int, metavar="N", help="idle connections at a time (default: 20000, or what the limit on open files permits)")
    parser.add_argument("--repeats", type=int, help="rounds (default: 3)")
    parser.add_argument("--duration", type=float, help="seconds of each timed run (default: 5)")
    parser.add_argument("--quick", action="store_true", help="one short round: for a first look, not for quoting")
    parser.add_argument("--workdir", help="where data is written (default: a temporary directory)")
    parser.add_argument("--write", metavar="FILE", help="write the page as Markdown, as docs/perf/chat.md")
    parser.add_argument("--json", metavar="FILE", help="write every report")
    options = parser.parse_args()
    if not options.list:
        find_binaries(options)
    _, options.files = resource.getrlimit(resource.RLIMIT_NOFILE)
    options.most = options.most or min(20_000, options.files - FILES_OTHER)
    options.repeats = options.repeats or (1 if options.quick else 3)
    options.duration = options.duration or (1 if options.quick else 5)
    return options
