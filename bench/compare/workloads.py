"""What is measured, on which systems, where each figure stands in a report, and what is wanted of it."""

from dataclasses import dataclass, field

from .goals import Goal, at_least_peer, at_most, at_most_peer, at_least, cpu_at_most_peer, per_million_at_most

TRANSIENT = ("chaski", "rabbitmq", "nats", "relay")
DURABLE = ("chaski", "rabbitmq", "jetstream", "jetstream-sync")
CPU = "stages.0.server_usage.cpu_s_per_million"


@dataclass
class Row:
    """One line of the table: where a figure stands in a report."""

    title: str
    path: str
    unit: str
    scale: float = 1.0
    cpu: str = ""
    memory: str = ""
    goals: list[Goal] = field(default_factory=list)


@dataclass
class Workload:
    """One kind of load; `shapes` are the options of one generator run each, by system or for all."""

    name: str
    rows: list[Row]
    systems: tuple
    arguments: str = ""
    kind: str = "load"
    timed: bool = True
    timeout_s: int = 180
    # Numbers that a kind other than `load` needs, by system; `""` stands for all others.
    numbers: dict = field(default_factory=dict)

    def number(self, system):
        return self.numbers.get(system, self.numbers.get(""))


def rate_row(title, stage=0, what="delivered", goals=()):
    usage = f"stages.{stage}.server_usage"
    return Row(title, f"stages.{stage}.{what}.per_s", "/s", cpu=f"{usage}.cpu_s_per_million",
               memory=f"{usage}.rss_peak", goals=list(goals))


def latency_row(title, which, quantile, cpu="", goals=()):
    return Row(title, f"stages.0.{which}.{quantile}_us", "µs", cpu=cpu, goals=list(goals))


def transient_rows():
    return [
        Workload("transient-16", [rate_row("transient, auto-ack, 16 B", goals=[
            at_least_peer(20, "rabbitmq"), cpu_at_most_peer(1 / 25, "rabbitmq"), at_least_peer(1, "nats"),
        ])], TRANSIENT, "--size 16"),
        Workload("transient-1k", [rate_row("transient, auto-ack, 1 KiB", goals=[
            at_least_peer(10, "rabbitmq"), at_least_peer(1 / 3, "relay"),
        ])], TRANSIENT, "--size 1KiB"),
        Workload("transient-16k", [rate_row("transient, auto-ack, 16 KiB", goals=[
            at_least_peer(3, "rabbitmq"), at_least_peer(0.8, "relay"),
        ])], TRANSIENT, "--size 16KiB"),
    ]


def durable_rows():
    durable = "--durable --size 1KiB --prefetch 1000"
    return [
        Workload("durable-1k", [rate_row("durable, 1,000 in flight, each acked, 1 KiB", goals=[
            at_least_peer(12, "rabbitmq"), at_least_peer(3.5, "jetstream"), per_million_at_most(2),
        ])], DURABLE, f"{durable} --confirms 1000"),
        Workload("durable-one", [
            rate_row("one durable message in flight"),
            latency_row("its confirm, p50", "confirm_latency", "p50"),
            latency_row("its confirm, p99", "confirm_latency", "p99"),
            Row("its confirm, p50, against a bare 4 KiB write + fdatasync", "bare_sync_ratio", "×",
                goals=[at_most(1.3, "×", credible_from=0.8)]),
            Row("the same, against one that is asked for over a loopback connection", "asked_sync_ratio", "×"),
        ], DURABLE, f"{durable} --confirms 1", kind="synced"),
        Workload("durable-100", [
            rate_row("100 producers, one durable message in flight each"),
            Row("the same, against one producer with one in flight", "group_commit_ratio", "×",
                goals=[at_least(50, "×")]),
        ], DURABLE, f"{durable} --confirms 1 --producers 100"),
    ]


def many_rows():
    return [
        Workload("fanout-100", [rate_row("fan-out of 100 B to 100 queues, deliveries", goals=[
            at_least_peer(25, "rabbitmq"), at_least_peer(1, "nats"),
        ])], TRANSIENT, "--size 100 --queues 100 --consumers 100 --routing fanout"),
        Workload("queues-1000", [rate_row("1,000 queues, producers and consumers, 16 B", goals=[
            at_least_peer(20, "rabbitmq"),
        ])], TRANSIENT, "--size 16 --queues 1000 --producers 1000 --consumers 1000"),
    ]


def storage_rows(options):
    messages = options.backlog or (100_000 if options.quick else 2_000_000)
    # What the peers would need many minutes for; their rates do not rise with the length of a queue.
    fewer = {"rabbitmq": min(messages, 200_000), "jetstream": min(messages, 200_000),
             "jetstream-sync": min(messages, 10_000), "": messages}
    queued = 50_000 if options.quick else 1_000_000
    return [
        Workload("backlog", [
            rate_row(f"backlog of {messages:,} × 100 B durable: in", 0, "published",
                     goals=[at_least_peer(12, "rabbitmq")]),
            rate_row("backlog: out", 1, goals=[at_least_peer(40, "rabbitmq")]),
            Row("memory that the backlog takes", "backlog_rss", "MiB", 1 / 2**20, goals=[at_most(32, "MiB", credible_from=0.1)]),
        ], DURABLE, "--durable --size 100 --confirms 1000 --prefetch 1000", kind="backlog", timed=False,
            timeout_s=300 + messages // 5_000, numbers=fewer),
        Workload("restart", [
            Row(f"ready after kill -9 with {queued:,} durable messages queued", "restart_s", "s",
                goals=[at_most(0.1, "s")]),
        ], ("chaski", "rabbitmq", "jetstream"), "--consumers 0 --durable --size 100 --confirms 1000", kind="restart",
            timed=False, timeout_s=600, numbers={"": queued}),
    ]


def other_rows(options):
    step, slower = (2_000, 500) if options.quick else (5_000, 2_000)
    return [
        Workload("idle", [
            Row("idle connections: opened", "opened_per_s", "/s", goals=[at_least(5_000, "/s")]),
            Row("idle connection: server memory (slope)", "bytes_each", "KiB", 1 / 1024,
                goals=[at_most(12, "KiB", credible_from=1)]),
        ], ("chaski", "rabbitmq", "nats"), f"--duration {1 if options.quick else 2}s", kind="idle", timed=False,
            timeout_s=300, numbers={"rabbitmq": [slower * n for n in (1, 2, 3)], "": [step * n for n in (1, 2, 3)]}),
        Workload("latency-10k", [
            latency_row("end to end at 10,000 msg/s of 1 KiB, p50", "end_to_end_latency", "p50", CPU,
                        goals=[at_most_peer(1.5, "relay", credible_from=0.5)]),
            latency_row("end to end at 10,000 msg/s of 1 KiB, p99", "end_to_end_latency", "p99",
                        goals=[at_most_peer(1.5, "relay", credible_from=0.5)]),
        ], TRANSIENT, "--size 1KiB --rate 10000"),
    ]


def workloads(options):
    """All of them, in the order of the table."""
    return [*transient_rows(), *durable_rows(), *many_rows(), *storage_rows(options), *other_rows(options)]
