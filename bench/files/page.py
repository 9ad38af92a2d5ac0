"""The page that `bench/files.py` writes, as Markdown."""

import statistics

from compare.table import grid
from compare.text import human, spread

TITLES = {"one": "1 GiB, one source", "four": "1 GiB, four sources", "small": "10,000 files of 10 KiB, one source"}
BYTES = {"one": 1 << 30, "four": 1 << 30, "small": 10_000 * (10 << 10)}


def page(command, facts, figures, index, options):
    lines = ["# Files beside rsync, aria2 and bare TCP", "", f"`{command}`", "", *(f"- {fact}" for fact in facts), "",
             "Chaski's figures are of both ends in one process, with TLS 1.3, every group checked against the content's BLAKE3 root, written and synced. The others transfer without",
             "encryption, and what they wrote is synced before the clock stops; aria2's BitTorrent checks pieces by SHA-1, the others check nothing. Bare TCP goes from the page cache into memory.",
             "Medians (least … most); in bold, what Chaski's rate is to the other's.", ""]
    if figures:
        lines += [fetched(figures), ""]
    if index:
        lines += [*indexed(index, options), ""]
    return "\n".join(lines)


def fetched(figures):
    head = ["work", "program", "MiB/s", "files/s", "CPU s per GiB", "peak of the largest process", "Chaski to it", "target: this run"]
    rows = []
    for (name, system), uses in figures.items():
        size = BYTES[name]
        rates = [size / use.seconds / 2**20 for use in uses]
        own = [size / use.seconds / 2**20 for use in figures.get((name, "Chaski"), [])]
        ratio = "" if system == "Chaski" or not own else f"**{human(statistics.median(own) / statistics.median(rates), '×')}**"
        files = [10_000 / use.seconds for use in uses] if name == "small" else []
        costs = [use.cpu_s * 2**30 / size for use in uses]
        peaks = [use.peak_mib for use in uses if use.peak_mib is not None]
        verdict = judged(name, rates, files, costs, peaks, figures) if system == "Chaski" else ""
        rows.append([TITLES[name], system, spread(rates, "MiB/s"), spread(files, "/s"), spread(costs, "s"), spread(peaks, "MiB"), ratio, verdict])
    return grid(head, rows)


def judged(name, rates, files, costs, peaks, figures):
    """The targets of a row, and whether this run meets them."""
    rate, cost, peak = statistics.median(rates), statistics.median(costs), statistics.median(peaks)
    if name == "one":
        goals = [("≥ 500 MiB/s", rate >= 500), ("≤ 2 CPU s per GiB", cost <= 2), ("≤ 64 MiB at each end", peak <= 128)]
    elif name == "four":
        one = [BYTES["one"] / use.seconds / 2**20 for use in figures.get(("one", "Chaski"), [])]
        goals = [("no slower than one", bool(one) and rate >= statistics.median(one)), ("≤ 64 MiB at each end", peak <= 5 * 64)]
    else:
        goals = [("≥ 12,000 files/s", statistics.median(files) >= 12_000)]
    return "<br>".join(f"{goal}: {verdict(is_met)}" for goal, is_met in goals)


def verdict(is_met):
    return "met" if is_met else "**missed**"


def indexed(index, options):
    """What became of the index's targets."""
    lines = ["## The index", ""]
    if found := index.get("hashing"):
        ours, theirs = found
        lines.append(f"- Sharing 4 GiB in 128 files took, from the start of the process until the last was hashed and noted, {ours:.2f} s; b3sum of the same files {theirs:.2f} s: "
                     f"{theirs / ours:.2f} of its speed (target ≥ 0.8: {verdict(theirs / ours >= 0.8)}).")
    if found := index.get("restarting"):
        first, again = found
        lines.append(f"- Sharing {options.many:,} small files took {first:.1f} s; starting again with all of them unchanged {again:.2f} s (target ≤ 2: {verdict(again <= 2)}).")
    if found := index.get("searching"):
        lines.append(f"- {options.million:,} files of one peer were published in {found['published_s']:.0f} s; {found['settled_s']:.1f} s later their words were in memory. Searches by words, beginnings, patterns, hash and size, over one "
                     f"connection, each request: p50 {found['p50_ms']:.1f} ms, p99 {found['p99_ms']:.1f} ms (target < 20: {verdict(found['p99_ms'] < 20)}), "
                     f"{found['pages']:.2f} requests for each search. The server then had "
                     f"{found['memory_mib']:.0f} MiB resident, {found['empty_mib']:.0f} before (target < 200: {verdict(found['memory_mib'] < 200)}).")
    return lines
