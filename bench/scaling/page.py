"""The page about scaling, as Markdown."""

import statistics

from compare.table import grid
from compare.text import human

from . import fairness, machines

FLAT = 1.3
FAIR_MS = 100.0
# A shard that runs for this part of the time is saturated.
FULL = 0.9
# From so many connections on, memory is taken by slope: fewer fit into what the start of the server used and gave back.
MANY = 5_000
# From so many on, hundredths of a second tell what one handshake takes.
COUNTED = 1_000


def page(command, facts, measured, failures, disk_bytes_per_s):
    parts = [
        "# How Chaski scales",
        f"`{command}`",
        "\n".join(f"- {fact}" for fact in facts),
        "Server and generator share the machine. Rates and CPU seconds per million messages are medians of the runs of a point; in brackets the "
        f"least and the most. A cost is flat when its most is at most {FLAT} times its least along the curve. Each point has a server of its own, "
        "begun on an empty directory, with one shard where nothing else is said.",
    ]
    writers = {"shards": shards, "queues": queues, "declared": declared, "busy": busy, "idle": idle, "depth": depth, "fairness": fair}
    for name, write in writers.items():
        if measured.get(name):
            parts += write(measured[name])
    if measured.get("shards"):
        parts += larger(measured, disk_bytes_per_s)
    parts += ["## Points that failed", "\n".join(f"- {each}" for each in failures)] if failures else ["No point failed."]
    return "\n\n".join(parts) + "\n"


def cost(point):
    return f"{point['cpu']:.3g} ({point['cpu_min']:.3g} … {point['cpu_max']:.3g})"


def flat(name, values, unit=""):
    """Says whether a cost is the same along a curve."""
    values = [value for value in values if value is not None]
    if len(values) < 2:
        return f"- {name}: too few points to judge."
    low, high = min(values), max(values)
    if low <= 0:
        return f"- {name}: {human(low, unit)} … {human(high, unit)}, not judged: no cost can be below zero, so the least drowned in noise."
    times = high / low
    return f"- {name}: {human(low, unit)} … {human(high, unit)}, {times:.2f} ×, {'flat' if times <= FLAT else '**not flat**'}."


def shards(points):
    lines = [[point["work"], str(point["shards"]), human(point["rate"], "/s"), cost(point), f"{point['cpu_shards']:.3g}",
              f"{point['cpu_committer']:.3g}", human(point["written"], "B")] for point in points]
    works = dict.fromkeys(point["work"] for point in points)
    return ["## Shards", "4 producers, 4 consumers and 4 queues.",
            grid(["work", "shards", "rate", "CPU s per million", "of it the shards", "of it the committer", "written per message"], lines),
            "\n".join(flat(f"CPU per message, {work}, 1 and 2 shards", [point["cpu"] for point in points if point["work"] == work])
                      for work in works)]


def queues(points):
    lines = [[f"{point['queues']:,}", human(point["rate"], "/s"), cost(point)] for point in points]
    return ["## Queues", "16 B transient; 10 producers and 10 consumers share the queues (one of each for one queue).",
            grid(["queues", "rate", "CPU s per million"], lines),
            flat("CPU per message, 10 queues and more", [point["cpu"] for point in points if point["queues"] >= 10])]


def growth(steps, count):
    """Bytes of one more, from each step to the next."""
    return [(after["memory"] - before["memory"]) / (after[count] - before[count]) for before, after in zip(steps, steps[1:], strict=False)]


def declared(points):
    lines, judged = [], []
    for point in points:
        kind = "durable" if point["durable"] else "transient"
        each = growth(point["steps"], "queues")
        lines += [[kind, f"{step['queues']:,}", human(step["per_s"], "/s"), human(step["memory"] / 2**20, "MiB"), more]
                  for step, more in zip(point["steps"], ["–", *(human(bytes_each / 1024, "KiB") for bytes_each in each)], strict=True)]
        judged.append(flat(f"memory of one more {kind} queue", [bytes_each / 1024 for bytes_each in each], "KiB"))
    return ["## Declared queues", "Empty queues, ever more of them on one server, declared 200 at a time by one connection.",
            grid(["queues", "in all", "declared", "memory of the server", "of one more"], lines), "\n".join(judged)]


def busy(points):
    lines = [[f"{point['connections']:,}", human(point["rate"], "/s"), cost(point)] for point in points]
    return ["## Busy connections", "16 B transient; pairs of a producer and a consumer, each with a queue of its own, all sending as fast as they can.",
            grid(["connections", "rate", "CPU s per million"], lines),
            flat("CPU per message", [point["cpu"] for point in points])]


def slope(points, count, memory):
    """Bytes of one more."""
    many = [point for point in points if point[count] >= MANY]
    if len(many) < 2:
        return None
    return statistics.linear_regression([point[count] for point in many], [point[memory] for point in many]).slope


def opening(point):
    """Processor time of a handshake, where enough were made to count it."""
    return human(point["open_cpu_s"] * 1e6, "µs") if point["connections"] >= COUNTED else "–"


def idle(points):
    lines = [[f"{point['connections']:,}", human(point["opened_per_s"], "/s"), opening(point), human(point["added"] / 2**20, "MiB"),
              human(point["rate"], "/s"), cost(point)] for point in points]
    each = slope(points, "connections", "memory")
    return ["## Idle connections", "Connections with a channel each and no traffic, and beside them one producer and one consumer of 16 B transient, at full speed.",
            grid(["idle connections", "opened", "server CPU to open one", "memory they add", "the busy pair's rate", "the busy pair's CPU s per million"], lines),
            "\n".join([flat("CPU per message of the busy pair", [point["cpu"] for point in points]),
                       flat(f"server CPU to open one, {COUNTED:,} and more",
                            [point["open_cpu_s"] * 1e6 for point in points if point["connections"] >= COUNTED], "µs"),
                       "- the rate of opening past some 14,000 is the client's: Linux takes the local ports of one parity first, 14,116 of the usual range, and then "
                       "searches for each. Bare sockets to a bare listener, tried apart from these runs, cost the client some 25 times as much from there on.",
                       flat(f"memory of one more connection, {MANY:,} and more",
                            [each / 1024 for each in growth([point for point in points if point["connections"] >= MANY], "connections")], "KiB"),
                       f"- memory of one more connection, by slope from {MANY:,} on: {human(each / 1024, 'KiB') if each else 'too few points'}. "
                       "Fewer fit into memory that the start used for the first password and gave back."])]


def depth(points):
    def or_dash(point, key, unit=""):
        return human(point[key], unit) if key in point else "–"

    lines = [[f"10^{len(str(point['queued'])) - 1}", human(point["rate"], "/s"), cost(point), or_dash(point, "in_rate", "/s"),
              or_dash(point, "in_cpu"), or_dash(point, "out_rate", "/s"), or_dash(point, "out_cpu"), human(point["memory"] / 2**20, "MiB"),
              human(point["memory_most"] / 2**20, "MiB"), human(point["restart_s"] * 1000, "ms")] for point in points]
    return ["## Queued messages", "Durable, 100 B, 1,000 unconfirmed and 1,000 unacknowledged at most, acknowledged many at a time. *In and out*: as many are "
            "published as consumed while so many stay queued. *Fill* and *empty*: all of them, before and after; from 10^5 on, as the kernel counts "
            "processor time in hundredths of a second. *Memory*: what filling added; *most after the restart*: all of the process, until it was emptied. *Ready*: after kill -9, "
            "until it answers, with every message there.",
            grid(["queued", "in and out", "CPU s per million", "fill", "CPU", "empty", "CPU", "memory", "most after the restart", "ready"], lines),
            "\n".join([flat("CPU per message in and out", [point["cpu"] for point in points]),
                       flat("CPU per message of the fill", [point.get("in_cpu") for point in points]),
                       flat("CPU per message of emptying", [point.get("out_cpu") for point in points]),
                       flat("ready after kill -9", [point["restart_s"] * 1000 for point in points], "ms")])]


def fair(points):
    lines = []
    for point in points:
        verdict = "yes" if point["worst"] <= FAIR_MS else "**NO**"
        lines.append([point["load"], human(point["rate"], "/s") if point["rate"] else "–", f"{point['busiest'] * 100:.0f} %",
                      *(human(point[f"{kind}_{key}"], "ms") for kind in ("message", "confirm") for key in ("p50", "p99", "max")),
                      f"≤ {FAIR_MS:g} ms: {verdict}"])
    mine = [point for point in points if point["load"] != "none" and "another" not in point["load"]]
    within = sum(point["worst"] <= FAIR_MS for point in mine)
    full = sum(point["busiest"] >= FULL for point in mine)
    said = (f"Of {len(mine)} loads on the same server, {within} keep every wait within {FAIR_MS:g} ms, and {full} kept a shard busy for {FULL * 100:.0f} % of the "
            f"time; the longest wait of all was {human(max(point['worst'] for point in mine), 'ms')}." if mine else "Nothing was measured on the same server.")
    return ["## Fairness", f"{fairness.CONNECTIONS} publishing and as many consuming connections, each pair with a queue of its own and one message at a time under way, "
            f"{fairness.RATE:,} messages per second over all, on one shard with the load. Times count from the moment a message was due, over all connections, until the "
            "consumer had it and until the publisher had its confirm; they include what the generator and the kernel's scheduler add. *On another server* is "
            "the control: the same load on a second process shows what sharing the cores costs alone. "
            "A shard that was busy for much less than all of the time was not what the load waited for: the cores that it shares with two generators, or the "
            "disk, were. Such a row does not show the longest wait behind a saturated shard.",
            grid(["load", "its rate", "the busiest shard", "message p50", "p99", "max", "confirm p50", "p99", "max", "within"], lines), said]


def rounded(rate):
    return f"{rate / 1e9:.3g} G/s" if rate >= 1e9 else human(rate, "/s")


def larger(measured, disk_bytes_per_s):
    """The section about other machines, all of it calculated."""
    rows, firsts, steps = [], [], []
    for cost_of in machines.costs(measured["shards"]):
        for cores in machines.CORES:
            limits = machines.limits(cost_of, cores, disk_bytes_per_s)
            first, second = limits[:2]
            threads = next(limit.rate for limit in limits if limit.name == "the shards' threads")
            rows.append([cost_of.work, str(cores), human(threads, "/s"), f"{rounded(first.rate)}: {first.name}",
                         f"{rounded(second.rate)}: {second.name}"])
            if first.name not in firsts:
                firsts.append(first.name)
            steps += [f"- {cost_of.work}, {cores} cores: " + "; ".join(f"{limit.name} {limit.because} = {rounded(limit.rate)}" for limit in limits) + "."]
    parts = ["## 16 and 64 cores, on paper",
             "One core less than there are runs shards, as `shards = 0` chooses; a shard's rate is one divided by its cost per message above; the generator runs "
             "elsewhere. A message between shards goes by letter: with S shards, (S − 1) / S of the hops, where two shards show half; its cost is twice what "
             "two shards cost more than one. That difference holds everything that a second shard brings here, also the fight for two cores with the generator and, for "
             "transient messages, what overflows from memory to disk when producers outrun another shard's queue. Of one run, the bandwidth of the disk is the "
             "least that was measured. Not in it: memory bandwidth and caches, which more cores share.",
             grid(["work", "cores", "the shards alone", "first limit", "next limit"], rows),
             "\n".join(steps),
             f"What stops it first: {', '.join(firsts)}." if firsts else "Nothing could be calculated: a point of the shards is missing.",
             f"A connection with one message in flight has batches of one message: over all shards, the topology's lock then allows 1 / {machines.LOCK_S * 1e6:g} µs = "
             f"{human(1 / machines.LOCK_S, '/s')} (assumed, see `bench/scaling/machines.py`)."]
    kinds = []
    if each := slope(measured.get("idle", []), "connections", "memory"):
        kinds.append("- " + machines.memory_line("Idle connections", each, (65_536, 1_000_000)))
    for point in measured.get("declared", []):
        each = statistics.linear_regression([step["queues"] for step in point["steps"]], [step["memory"] for step in point["steps"]]).slope
        kinds.append("- " + machines.memory_line("Durable queues" if point["durable"] else "Transient queues", each, (200_000, 1_000_000)))
    if kinds:
        parts += ["Memory, of which a machine of 16 cores usually has 64 GiB:", "\n".join(kinds)]
    return parts
