"""The rows: what members do, as options of `chaski bench chat`, on which server, and what is wanted."""

from dataclasses import dataclass, field

OURS = ("line", "websocket")
ALL = (*OURS, "ngircd", "ejabberd")
# ejabberd needs some 30 µs of processor time for a delivery: where it cannot follow, nothing is compared.
FAST = (*OURS, "ngircd")

CPU = "server_usage.cpu_s_per_million"
# Accounts that Chaski's idle members share: to hash a password takes tens of milliseconds.
ACCOUNTS = 200


@dataclass(frozen=True)
class Target:
    """A figure may not be larger; in the unit in which it is shown."""

    system: str
    limit: float


@dataclass(frozen=True)
class Figure:
    """One line of the table."""

    title: str
    # Where it stands in the stage of a report, or what the kind of work adds.
    path: str
    unit: str = ""
    scale: float = 1.0
    targets: tuple[Target, ...] = ()


@dataclass(frozen=True)
class Row:
    """One piece of work, run once a round on each system."""

    name: str
    arguments: str
    systems: tuple[str, ...]
    figures: tuple[Figure, ...]
    kind: str = "load"
    timed: bool = True
    # Runs longer than the others, so that a percentile has enough messages.
    longer: int = 1
    # Connections of an idle row, by system.
    sizes: dict[str, tuple[int, ...]] = field(default_factory=dict)


def both(limit):
    return tuple(Target(system, limit) for system in OURS)


def talks():
    """(a) and (b): a room of 200 where all talk, and where one talks."""
    rows = []
    for rate, systems in ((100, ALL), (1_000, FAST), (4_000, FAST), (10_000, FAST)):
        rows.append(Row(f"all-{rate}", f"--members 200 --rate {rate}", systems, (
            Figure(f"room of 200, all talk, {rate:,} messages/s: CPU s per million deliveries", CPU, targets=both(0.4)),
            Figure(f"room of 200, all talk, {rate:,} messages/s: deliveries", "delivered.per_s", "/s"),
            Figure(f"room of 200, all talk, {rate:,} messages/s: p99 of a delivery", "end_to_end_latency.p99_us", "µs"),
        )))
    for rate, systems in ((50, ALL), (500, FAST)):
        rows.append(Row(f"one-{rate}", f"--members 200 --senders 1 --rate {rate}", systems, (
            Figure(f"room of 200, one talks, {rate:,} messages/s: CPU s per million deliveries", CPU, targets=both(3.5)),
            Figure(f"room of 200, one talks, {rate:,} messages/s: p99 of a delivery", "end_to_end_latency.p99_us", "µs"),
        )))
    return rows


def quiet():
    """(e) and (f): how long a message takes where little is said."""
    return [
        Row("last", "--members 200 --senders 200 --rate 20", ALL, (
            Figure("room of 200, one message at a time: until the last has it, p50", "last_latency.p50_us", "µs"),
            Figure("room of 200, one message at a time: until the last has it, p99", "last_latency.p99_us", "µs", targets=both(10_000)),
        ), longer=3),
        Row("five", "--members 5 --rate 50", ALL, (
            Figure("room of 5, all talk, 50 messages/s: p50 of a delivery", "end_to_end_latency.p50_us", "µs", targets=both(1_000)),
            Figure("room of 5, all talk, 50 messages/s: p99 of a delivery", "end_to_end_latency.p99_us", "µs"),
        ), longer=3),
    ]


def idle(options):
    """(c): memory of quiet connections, ever more of them on a server that was just started."""
    few = (1_000, 2_000, 4_000)
    sizes = {"line": (2_000, 8_000, options.most), "websocket": few, "ngircd": few, "ejabberd": few}
    if options.quick:
        sizes = {system: (500, 1_000) for system in ALL}
    return [Row("idle", "--idle N", ALL, (
        Figure("memory of an idle connection", "bytes_each", "KiB", 1 / 1024, (Target("line", 4), Target("websocket", 12))),
        Figure("memory of the idle server before any connection", "rss_empty", "MiB", 1 / 2**20, (Target("line", 20),)),
        Figure("idle connections at the same time", "most"),
    ), kind="idle", timed=False, sizes=sizes)]


def reconnect(options):
    """(d): all are dropped at once."""
    members = 200 if options.quick else 2_000
    return [Row("reconnect", f"--reconnect {members}", ALL, (
        Figure(f"{members:,} members are dropped at once: until all are in their room again", "seconds", "s", targets=both(10)),
    ), timed=False)]


def rows(options):
    """All of them, in the order of the table."""
    return [*talks(), *quiet(), *reconnect(options), *idle(options)]
