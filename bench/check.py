#!/usr/bin/env python3
"""Counts the instructions of fixed work on the hot path and holds them against the committed baselines.

bench/check.py                     counts, compares, fails past +5 % (make bench-check)
bench/check.py --write             writes what was counted as the new baselines
bench/check.py --only durable-1k   one or some of the workloads; --list names them
bench/check.py --profile           says for each workload where the instructions go
bench/check.py --self-test         checks that the comparison fails when it should, without counting

Instructions do not depend on what else the machine does, so that a few per cent can be told from noise. callgrind (Debian's
package valgrind) counts them while the example `hot_path` of the crate `server` does its work, system calls excepted.
The last line is `N passed, N failed`.
"""

import argparse
import concurrent.futures
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BASELINES = ROOT / "bench/baselines"
PROFILES = ROOT / "target/bench-check"
BINARY = ROOT / "target/release/examples/hot_path"
# By how much more a workload fails, and by how much less new baselines are worth writing.
LIMIT = 0.05
# Functions whose instructions count, with all that they call: the bench's own door, and the committer's on its thread.
COUNTED = ["*counting::counted_work*", "*Committer::step*"]
# Where the warm-up ends.
BEGINS = "*counting::counting_begins*"
# callgrind's machine is much the same everywhere; which of its functions the C library chooses for it is fixed here.
ENVIRONMENT = {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX_Fast_Unaligned_Load,-AVX2,-AVX512F,-ERMS,-FSRM"}
# On a busy machine commits meet the committer at other moments, which moves a count by up to 2.7 %.
REPEATS = 3
TIMEOUT_S = 600
FUNCTIONS_SHOWN = 10


class Failed(Exception):
    """A workload that could not be counted."""


def machine():
    return {"x86_64": "x86_64", "amd64": "x86_64"}.get(platform.machine().lower(), platform.machine())


def first_line(*command):
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()[0]


def build():
    """Builds together with the binary, so that both are made of the same code with the same features."""
    command = ["cargo", "build", "--release", "--locked", "--package", "chaski", "--package", "server",
               "--bin", "chaski", "--example", "hot_path"]
    if subprocess.run(command, cwd=ROOT).returncode != 0:
        raise Failed("it cannot be built")


def workloads():
    """Asks the binary for its workloads: name to unit and description."""
    listed = subprocess.run([BINARY, "list"], capture_output=True, text=True, check=True).stdout
    rows = (line.split("\t") for line in listed.splitlines())
    return {name: {"unit": unit, "what": what} for name, unit, what in rows}


def run(command, **options):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, **options)
    except subprocess.TimeoutExpired as expired:
        raise Failed(f"{expired.cmd[0]} did not end within {TIMEOUT_S} s") from expired
    if done.returncode != 0:
        raise Failed(f"exit code {done.returncode}:\n{done.stderr.strip()[-2000:]}")
    return done


def count(name):
    """Runs one workload and gives its instructions per unit."""
    return statistics.median(count_once(name) for _ in range(REPEATS))


def callgrind(name, out, *more):
    """Runs one workload under callgrind and gives what it printed: the number of units."""
    environment = {**os.environ, **ENVIRONMENT}
    with tempfile.TemporaryDirectory(prefix="chaski-bench-") as place:
        run([BINARY, "prepare", name, place], env=environment)
        command = ["valgrind", "--tool=callgrind", "--fair-sched=try", f"--callgrind-out-file={out}", *more]
        command += [f"--toggle-collect={function}" for function in COUNTED]
        return int(run([*command, BINARY, "run", name, place], env=environment).stdout.split()[-1])


def count_once(name):
    out = PROFILES / f"{name}.count"
    units = callgrind(name, out, f"--zero-before={BEGINS}")
    # Not the summary, which still holds what the committer did before.
    totals = re.search(r"^totals: (\d+)", out.read_text(), re.M)
    if totals is None or int(totals[1]) == 0:
        raise Failed("callgrind collected nothing: are the functions still named as in COUNTED?")
    return int(totals[1]) / units


def count_all(names):
    """Counts workloads, as many at a time as there are cores."""
    PROFILES.mkdir(parents=True, exist_ok=True)
    counts, broken = {}, {}
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        jobs = {pool.submit(count, name): name for name in names}
        for job in concurrent.futures.as_completed(jobs):
            try:
                counts[jobs[job]] = job.result()
            except Failed as failure:
                broken[jobs[job]] = str(failure)
    return counts, broken


def judge(known, counts, names):
    """Says of each workload what became of it: a verdict, its baseline, its count and the change."""
    rows = []
    for name in names:
        before, now = known.get(name), counts.get(name)
        if now is None:
            rows.append((name, "broken", before, now, None))
        elif before is None:
            rows.append((name, "unknown", before, now, None))
        else:
            change = now / before - 1
            verdict = "slower" if change > LIMIT else "faster" if change < -LIMIT else "same"
            rows.append((name, verdict, before, now, change))
    return rows


def failures(rows):
    return [row for row in rows if row[1] in ("slower", "broken", "unknown")]


def show(rows, units):
    print(f"{'workload':<16} {'baseline':>12} {'now':>12} {'change':>8}")
    for name, verdict, before, now, change in rows:
        cells = [f"{value:,.0f}" if value is not None else "-" for value in (before, now)]
        moved = f"{change:+.1%}" if change is not None else "-"
        note = "" if verdict == "same" else f"  {verdict}"
        print(f"{name:<16} {cells[0]:>12} {cells[1]:>12} {moved:>8}  instructions a {units[name]['unit']}{note}")


def explain(rows, known):
    """Says what to do about what is not the same."""
    verdicts = {row[1] for row in rows}
    if "slower" in verdicts:
        print("\nslower: `bench/check.py --profile --only NAME` says where the instructions go. If they are worth it, say in the"
              " commit why\nand write new baselines: bench/check.py --write")
        for tool, here in tools().items():
            if here != known["counted_with"].get(tool):
                print(f"the baselines were counted with {known['counted_with'].get(tool)}, this with {here}:"
                      " that may be the difference")
    if "unknown" in verdicts:
        print("\nunknown: there is no baseline yet; write it: bench/check.py --write")
    if "faster" in verdicts:
        print("\nfaster by more than 5 %: keep it by writing new baselines: bench/check.py --write")


def tools():
    return {
        "rustc": first_line("rustc", "--version"),
        "valgrind": first_line("valgrind", "--version"),
        "libc": " ".join(platform.libc_ver()),
        "cc": first_line("cc", "--version"),
    }


def load():
    path = BASELINES / f"{machine()}.json"
    return json.loads(path.read_text()) if path.exists() else None


def write(counts, units):
    """Writes baselines; those of workloads that were not counted now stay."""
    known = (load() or {}).get("workloads", {})
    merged = {name: known.get(name) for name in units if name in known}
    merged.update({name: {"instructions": round(value, 1), "per": units[name]["unit"]} for name, value in counts.items()})
    document = {
        "meaning": "instructions that callgrind counts in user space per unit of a workload of crates/server/examples/hot_path;"
                   " written by bench/check.py --write",
        "counted_with": tools(),
        "workloads": {name: merged[name] for name in units if name in merged},
    }
    BASELINES.mkdir(exist_ok=True)
    path = BASELINES / f"{machine()}.json"
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    print(f"wrote {path.relative_to(ROOT)}")


def profile(names, units):
    """Shows the functions that the instructions go to, what is inlined into each included.

    The committer's warm-up is in it: callgrind blames the callers of what it forgets.
    """
    for name in names:
        out = PROFILES / f"{name}.callgrind"
        callgrind(name, out)
        command = ["callgrind_annotate", "--auto=no", "--threshold=100", out]
        functions = {}
        for line in run(command).stdout.splitlines():
            found = re.match(r"\s*([\d,]+) \([^)]*\)\s+(?:\S.*?):(?!//)(?!:)([^:].*?)(?: \[[^\]]*\])?$", line)
            if found:
                count = int(found[1].replace(",", ""))
                functions[found[2]] = functions.get(found[2], 0) + count
        total = sum(functions.values())
        print(f"\n{name}, instructions a {units[name]['unit']}:")
        for function, count in sorted(functions.items(), key=lambda item: -item[1])[:FUNCTIONS_SHOWN]:
            print(f"  {count / total:6.1%}  {function}")


class Tests(unittest.TestCase):
    """What the guard must catch, and what it must let pass."""

    known = {"a": 1000.0, "b": 2000.0}

    def verdicts(self, counts):
        return {row[0]: row[1] for row in judge(self.known, counts, ["a", "b"])}

    def fails(self, counts):
        return [row[0] for row in failures(judge(self.known, counts, ["a", "b"]))]

    def test_what_is_6_percent_slower_fails(self):
        self.assertEqual(self.fails({"a": 1060.0, "b": 2000.0}), ["a"])

    def test_what_is_4_percent_slower_passes(self):
        self.assertEqual(self.fails({"a": 1040.0, "b": 2080.0}), [])

    def test_what_is_faster_passes_and_is_said(self):
        self.assertEqual(self.verdicts({"a": 940.0, "b": 1999.0}), {"a": "faster", "b": "same"})
        self.assertEqual(self.fails({"a": 940.0, "b": 1999.0}), [])

    def test_one_slower_workload_is_not_made_good_by_another(self):
        self.assertEqual(self.fails({"a": 1060.0, "b": 1000.0}), ["a"])

    def test_what_could_not_be_counted_fails(self):
        self.assertEqual(self.fails({"a": 1000.0}), ["b"])

    def test_a_workload_without_a_baseline_fails(self):
        self.assertEqual([row[0] for row in failures(judge({}, {"a": 1.0}, ["a"]))], ["a"])

    def test_committed_baselines_are_numbers_per_unit(self):
        for path in sorted(BASELINES.glob("*.json")):
            document = json.loads(path.read_text())
            self.assertTrue(document["counted_with"]["rustc"].startswith("rustc "))
            for name, entry in document["workloads"].items():
                self.assertGreater(entry["instructions"], 0, name)
                self.assertTrue(entry["per"], name)


def self_test():
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(Tests)
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=1).run(suite)
    failed = len(result.failures) + len(result.errors)
    return result.testsRun - failed, failed


def check(options):
    known = load()
    if known is None and not options.write:
        print(f"there are no baselines for {machine()}: nothing is counted")
        return 0, 0
    if shutil.which("valgrind") is None:
        raise Failed("valgrind is missing: apt install valgrind")
    build()
    units = workloads()
    if options.list:
        for name, workload in units.items():
            print(f"{name:<16} per {workload['unit']:<11} {workload['what']}")
        return 0, 0
    names = options.only or list(units)
    for name in names:
        if name not in units:
            raise Failed(f"there is no workload {name}")
    counts, broken = count_all(names)
    for name, why in broken.items():
        print(f"{name}: {why}")
    before = {name: entry["instructions"] for name, entry in (known or {}).get("workloads", {}).items()}
    rows = judge(before, counts, names)
    show(rows, units)
    if options.profile:
        profile(counts, units)
    if options.write:
        write(counts, units)
        return len(counts), len(broken)
    explain(rows, known)
    failed = len(failures(rows))
    return len(rows) - failed, failed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write what is counted as the baselines")
    parser.add_argument("--only", action="append", metavar="WORKLOAD", help="count this one; may be repeated")
    parser.add_argument("--list", action="store_true", help="name the workloads")
    parser.add_argument("--profile", action="store_true", help=f"show the top {FUNCTIONS_SHOWN} functions of each workload")
    parser.add_argument("--self-test", action="store_true", help="check the comparison itself")
    options = parser.parse_args()
    try:
        passed, failed = self_test() if options.self_test else check(options)
    except Failed as failure:
        print(failure, file=sys.stderr)
        passed, failed = 0, 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
