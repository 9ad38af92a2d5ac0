"""The command line of `bench/doors.py`."""

import argparse
import json
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from compare.cli import ROOT, describe, find_binaries
from compare.results import Results, dig
from compare.runs import Runner
from compare.servers import Chaski, Failed, log
from compare.text import human
from compare.workloads import Workload

from .page import Figures, page
from .rows import rows


class AllDoors(Chaski):
    """Chaski with its HTTP port open."""

    def command(self):
        command = super().command()
        command[command.index("--http") + 1] = "127.0.0.1:0"
        return command

    def at(self, door):
        """The server as one of its doors is loaded."""
        return Door(self, door)


class Door:
    """One door of a server that runs."""

    def __init__(self, server, door):
        self.server = server
        self.door = door

    @property
    def process(self):
        return self.server.process

    def target(self):
        scheme, key = ("amqp", "amqp") if self.door == "amqp" else ("http", "http")
        return [self.door, "--url", f"{scheme}://guest:guest@{self.server.ready[key]}"]


def main():
    options = parse_arguments()
    available = rows(options)
    if options.list:
        for row in available:
            print(*(f"{row.name:<14} chaski bench {side.door} {side.arguments}" for side in row.sides().values()), sep="\n")
        return 0
    chosen = [row for row in available if not options.only or row.name in options.only]
    if missing := set(options.only or ()) - {row.name for row in chosen}:
        raise SystemExit(f"no such row: {', '.join(sorted(missing))} (see --list)")
    # Ended from outside, it still stops its server and removes its data.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began = time.monotonic()
    workdir = Path(tempfile.mkdtemp(prefix="chaski-doors-", dir=options.workdir))
    server, results, failures = AllDoors(workdir, options), Results(), []
    figures = [Figures(row) for row in chosen]
    try:
        runner = Runner(options, workdir)
        floors = [runner.disk()]
        server.start()
        for number in range(options.repeats):
            for each in figures:
                run_row(runner, server, each, number, results, failures)
        floors.append(runner.disk())
        facts = describe(options, results, workdir, floors)
    finally:
        server.stop()
        shutil.rmtree(workdir, ignore_errors=True)
    facts.append(f"{options.repeats} rounds, of {options.duration:g} s where time counts; {(time.monotonic() - began) / 60:.0f} minutes in all")
    if options.quick:
        facts.append("a first look (--quick): short runs; not for quoting")
    text = page(shlex.join(["bench/doors.py", *sys.argv[1:]]), facts, figures, failures)
    print(text)
    if options.write:
        Path(options.write).write_text(text)
    if options.json:
        reports = [{"row": each.row.name, "rounds": each.rounds} for each in figures]
        Path(options.json).write_text(json.dumps(reports, indent=1))
    return 1 if failures else 0


def run_row(runner, server, figures, number, results, failures):
    """Runs both sides of a row; of a round in which one fails, neither counts, and the server starts afresh."""
    row, reports = figures.row, {}
    sides = list(row.sides().items())
    for name, side in sides if number % 2 == 0 else reversed(sides):
        workload = Workload(row.name, [], (), side.arguments, timed=row.timed)
        try:
            if server.process is None:
                server.start()
            reports[name] = runner.run(workload, server.at(side.door))
        except (Failed, OSError, subprocess.TimeoutExpired) as error:
            log(f"{row.name} by {side.door} failed: {error}")
            failures.append(f"{row.title}, by {side.door}: {error}")
            server.stop(hard=True)
            return
        if version := reports[name]["server"]:
            results.versions["chaski"] = version
        rate = dig(reports[name], f"stages.{row.stage}.{row.what}.per_s") or 0
        log(f"{number + 1}/{runner.options.repeats} {row.name:<14} {side.door:<5} {human(rate, '/s')}")
    figures.add(reports)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chaski", default=str(ROOT / "target/dist/chaski"), help="the binary that serves")
    parser.add_argument("--generator", help="the binary that loads (default: the same)")
    parser.add_argument("--serve-arg", action="append", default=[], help="one more argument of `chaski serve`")
    parser.add_argument("--only", nargs="+", action="extend", metavar="ROW", help="only these rows, as --list names them")
    parser.add_argument("--list", action="store_true", help="name the rows and end")
    parser.add_argument("--connections", type=int, default=8, help="publishing connections; four times as many with one message each (default: 8)")
    parser.add_argument("--readers", type=int, default=100, help="readers of a fan-out (default: 100)")
    parser.add_argument("--repeats", type=int, help="rounds (default: 5)")
    parser.add_argument("--duration", type=float, help="seconds of each timed run (default: 3)")
    parser.add_argument("--quick", action="store_true", help="one short round: for a first look, not for quoting")
    parser.add_argument("--workdir", help="where data is written (default: a temporary directory)")
    parser.add_argument("--write", metavar="FILE", help="write the page as Markdown, as docs/perf/doors.md")
    parser.add_argument("--json", metavar="FILE", help="write every report")
    options = parser.parse_args()
    if not options.list:
        find_binaries(options)
    options.repeats = options.repeats or (1 if options.quick else 5)
    options.duration = options.duration or (1 if options.quick else 3)
    return options
