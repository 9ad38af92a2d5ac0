"""The command line of `bench/files.py`."""

import argparse
import json
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from compare.cli import ROOT, describe, output_of
from compare.results import Results
from compare.servers import log

from .index import hashing, restarting, searching
from .page import page
from .peers import PEERS, NotInstalled
from .use import Used

# Rows of what is fetched: name, files, bytes of each, sources.
ROWS = [("one", 1, 1 << 30, 1), ("four", 1, 1 << 30, 4), ("small", 10_000, 10 << 10, 1)]
# Who cannot do what: rsync has one source, and bare TCP knows one file.
NOT_FOR = {"rsync": ["four"], "bare TCP": ["four", "small"]}
INDEX = ["hashing", "restarting", "searching"]


def main():
    options = parse_arguments()
    began = time.monotonic()
    place = Path(tempfile.mkdtemp(prefix="chaski-files-", dir=options.workdir))
    figures, index, absent = {}, {}, {}
    try:
        for number in range(options.repeats):
            for row in [row for row in ROWS if row[0] in options.only]:
                run_row(options, place, row, number, figures, absent)
        for name, run in (("hashing", lambda at: hashing(options, at)),
                          ("restarting", lambda at: restarting(options, at, options.many)),
                          ("searching", lambda at: searching(options, at, options.million))):
            if name in options.only:
                at = place / name
                at.mkdir()
                try:
                    index[name] = run(at)
                    log(f"{name}: {index[name]}")
                except NotInstalled as missing:
                    absent[name] = missing
                shutil.rmtree(at)
        facts = describe(options, Results(), place, [])
    finally:
        shutil.rmtree(place, ignore_errors=True)
    facts += [output_of(options.chaski, "--version"), *(f"not compared: {why}" for why in absent.values())]
    facts.append(f"{options.repeats} rounds; {(time.monotonic() - began) / 60:.0f} minutes in all")
    text = page(shlex.join(["bench/files.py", *sys.argv[1:]]), facts, figures, index, options)
    print(text)
    if options.write:
        Path(options.write).write_text(text)
    return 0


def run_row(options, place, row, number, figures, absent):
    """Fetches with every program once, each round beginning with another."""
    name, files, size, sources = row
    systems = {"Chaski": None, **PEERS}
    order = list(systems)
    turn = number % len(order)
    # The many of an earlier round are still there.
    shared = place / f"shared-{name}"
    make_files(shared, files, size)
    for system in order[turn:] + order[:turn]:
        if name in NOT_FOR.get(system, []):
            continue
        fetched = Path(tempfile.mkdtemp(prefix="fetched-", dir=place))
        # What others have written is not to be synced within the measurement.
        subprocess.run(["sync"], check=True)
        try:
            used = systems[system](shared, fetched, sources) if systems[system] else chaski(options, place, files, size, sources)
        except NotInstalled as error:
            absent[system] = str(error)
            continue
        except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
            absent[system, name] = f"{system} failed at {name}: {error}"
            log(absent[system, name])
            continue
        finally:
            # Many files are deleted at the very end: for minutes after that ext4 is slow to make new ones, and the next program pays.
            if files == 1:
                shutil.rmtree(fetched)
        figures.setdefault((name, system), []).append(used)
        log(f"{number + 1}/{options.repeats} {name:<6} {system:<17} {files * size / used.seconds / 2**20:7.0f} MiB/s  {used.cpu_s:.2f} CPU s")
    if files == 1:
        shutil.rmtree(shared)


def chaski(options, place, files, size, sources):
    """Both ends in one process; it makes its own files of the same kind."""
    command = [options.chaski, "bench", "files", place, "--files", str(files), "--size", str(size), "--sources", str(sources), "--json"]
    if files > 1:
        command.append("--keep")
    report = json.loads(subprocess.run(command, check=True, capture_output=True, text=True, timeout=600).stdout)
    return Used(report["seconds"], report["cpu_s_per_gib"] * report["bytes"] / 2**30, report["peak_mib"])


def make_files(shared, files, size):
    """Files that cannot be made smaller."""
    with open("/dev/urandom", "rb") as noise:
        for number in range(files):
            folder = shared / f"{number % 64:02}"
            folder.mkdir(parents=True, exist_ok=True)
            with (folder / f"file-{number:05}").open("wb") as file:
                for left in range(size, 0, -(1 << 20)):
                    file.write(noise.read(min(left, 1 << 20)))


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chaski", default=str(ROOT / "target/dist/chaski"), help="the binary")
    parser.add_argument("--only", nargs="+", choices=[*(row[0] for row in ROWS), *INDEX], default=[*(row[0] for row in ROWS), *INDEX], metavar="ROW",
                        help="only these: one, four, small, hashing, restarting, searching")
    parser.add_argument("--repeats", type=int, default=3, help="rounds of what is fetched (default: 3)")
    parser.add_argument("--many", type=int, default=100_000, help="files of a folder that is shared again (default: 100,000)")
    parser.add_argument("--million", type=int, default=1_000_000, help="files in the index that is searched (default: 1,000,000)")
    parser.add_argument("--workdir", help="where files are written (default: a temporary directory)")
    parser.add_argument("--write", metavar="FILE", help="write the page as Markdown, as docs/perf/files.md")
    options = parser.parse_args()
    if not Path(options.chaski).is_file():
        raise SystemExit(f"{options.chaski} is missing: cargo build --profile dist -p chaski")
    return options
