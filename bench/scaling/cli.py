"""The command line of `bench/scaling.py`."""

import argparse
import json
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from compare.cli import ROOT, describe, find_binaries, raise_file_limit
from compare.results import Results
from compare.servers import Failed, without

from . import curves, fairness
from .page import page
from .rig import Rig

CURVES = ("shards", "queues", "busy", "idle", "depth", "fairness")
# The journal and segments of 10^8 messages of 100 B, with room to spare.
FULL_BYTES = 24 << 30
# The deepest queue otherwise, and what a flood writes.
USUAL_BYTES = 8 << 30


def main():
    options = parse_arguments()
    raise_file_limit()
    # Ended from outside, it still stops its servers and removes their data.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began = time.monotonic()
    workdir = Path(tempfile.mkdtemp(prefix="chaski-scaling-", dir=options.workdir))
    try:
        refuse_a_full_disk(options, workdir)
        rig = Rig(options, workdir)
        floors = [rig.runner.disk()]
        bandwidths = [disk_bytes_per_s(options, workdir)]
        measured = curves.measure_all(rig, options)
        if "fairness" in options.only:
            measured["fairness"] = list(fairness.measure(rig, options))
        try:
            floors.append(rig.runner.disk())
            bandwidths.append(disk_bytes_per_s(options, workdir))
        except (Failed, OSError, subprocess.SubprocessError) as error:
            # What was measured before is worth its page all the same.
            rig.failures.append(f"the disk afterwards: {error}")
        results = Results()
        results.versions["chaski"] = rig.version
        facts = describe(options, results, workdir, floors)
    finally:
        shutil.rmtree(workdir, ignore_errors=True)
    bandwidth = min(bandwidths)
    facts += [*(f"bare writes of 1 MiB + fdatasync: {each / 1e6:.0f} MB/s" for each in bandwidths),
              f"open files permitted to a process: {resource.getrlimit(resource.RLIMIT_NOFILE)[0]:,}",
              f"{options.repeats} runs of {options.duration:g} s for each point; {(time.monotonic() - began) / 60:.0f} minutes in all"]
    if options.quick:
        facts.append("a first look (--quick): short runs and short curves; not for quoting")
    text = page(shlex.join(["bench/scaling.py", *sys.argv[1:]]), facts, measured, rig.failures, bandwidth)
    print(text)
    if options.write:
        Path(options.write).write_text(text)
    if options.json:
        Path(options.json).write_text(json.dumps(measured | {"failures": rig.failures, "disk_bytes_per_s": bandwidths}, indent=1))
    return 1 if rig.failures else 0


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chaski", default=str(ROOT / "target/dist/chaski"), help="the binary that serves")
    parser.add_argument("--generator", help="the binary that loads (default: the same)")
    parser.add_argument("--serve-arg", action="append", default=[], help="one more argument of `chaski serve`")
    parser.add_argument("--only", nargs="+", choices=CURVES, default=list(CURVES), metavar="CURVE", help=f"only these: {', '.join(CURVES)}")
    parser.add_argument("--quick", action="store_true", help="short runs and short curves: for a first look, not for quoting")
    parser.add_argument("--full", action="store_true", help="up to 10^8 queued messages: 13 GB of disk, minutes more")
    parser.add_argument("--repeats", type=int, help="runs of each point (default: 3)")
    parser.add_argument("--duration", type=float, help="seconds of each run (default: 3)")
    parser.add_argument("--workdir", help="where data is written (default: a temporary directory)")
    parser.add_argument("--write", metavar="FILE", help="write the page as Markdown, as docs/perf/scaling.md")
    parser.add_argument("--json", metavar="FILE", help="write every figure")
    options = parser.parse_args()
    find_binaries(options)
    if options.quick and options.full:
        raise SystemExit("--quick and --full exclude each other")
    options.repeats = options.repeats or (1 if options.quick else 3)
    options.duration = options.duration or (1 if options.quick else 3)
    return options


def refuse_a_full_disk(options, workdir):
    needed = FULL_BYTES if options.full else USUAL_BYTES
    if (free := shutil.disk_usage(workdir).free) < needed:
        raise SystemExit(f"{workdir} has {free / 2**30:.1f} GiB free, this needs {needed >> 30} GiB: choose another disk with --workdir")


def disk_bytes_per_s(options, workdir):
    """What the disk does for large synced writes; it may vary much, so it is measured before and after."""
    command = [options.generator, "bench", "disk", str(workdir), "--bytes", "1MiB", "--duration", "2s", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=without("CHASKI_"), check=False)
    try:
        report = json.loads(done.stdout)
    except ValueError as error:
        raise Failed(f"the disk could not be measured: {done.stderr.strip()}") from error
    return report["writes_per_s"] * report["bytes"]
