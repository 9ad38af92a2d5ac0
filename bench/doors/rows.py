"""The rows: the same work through a door of the HTTP port and through AMQP, as options of `chaski bench`."""

from dataclasses import dataclass

# What nobody consumes must not fill the disk: the queues of both sides keep the newest, in memory as where consumers keep up.
KEPT = 1_000


@dataclass(frozen=True)
class Side:
    """One run of the generator."""

    # The subcommand of `chaski bench`.
    door: str
    arguments: str


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    name: str
    title: str
    side: Side
    amqp: Side
    # Where the figure stands in a report.
    what: str
    stage: int = 0
    # A backlog ends when it is empty, not after a time.
    timed: bool = True
    # Whether confirms are what was waited for.
    confirms: bool = True

    def sides(self):
        return {"door": self.side, "amqp": self.amqp}


def publishes(options):
    """Durable messages of 1 KiB; as many connections, and as many messages under way, on both sides."""
    few, many = options.connections, 4 * options.connections
    queue = f"--durable --size 1KiB --max-length {KEPT}"
    amqp = f"--durable --size 1KiB --consumers 0 --queue-arg x-max-length={KEPT}"
    batches = Side("amqp", f"{amqp} --producers {few} --confirms 100")
    return [
        Row("rest-batch", f"REST, requests of 100 × 1 KiB, {few} connections",
            Side("http", f"{queue} --producers {few} --batch 100"), batches, "published"),
        Row("rest-one", f"REST, one message of 1 KiB a request, {many} connections",
            Side("http", f"{queue} --producers {many} --batch 1"),
            Side("amqp", f"{amqp} --producers {many} --confirms 1"), "published"),
        Row("grpc-batch", f"gRPC, calls of 100 × 1 KiB, {few} connections",
            Side("grpc", f"{queue} --producers {few} --batch 100"), batches, "published"),
        Row("grpc-stream", f"gRPC, {few} streams of 1 KiB, 100 unconfirmed",
            Side("grpc", f"{queue} --producers {few} --confirms 100"), batches, "published"),
    ]


def consumers(options):
    """Each delivery is acknowledged by itself."""
    messages = 50_000 if options.quick else 300_000
    pair = "--durable --size 1KiB --producers 1 --consumers 1 --confirms 1000 --prefetch 1000"
    backlog = f"{pair} --backlog {messages}"
    return [
        Row("grpc-flow", "gRPC, a stream in and a stream out, 1 KiB durable, each acknowledged",
            Side("grpc", pair), Side("amqp", pair), "delivered"),
        Row("grpc-out", f"gRPC, {messages:,} queued messages of 1 KiB out by one stream, each acknowledged",
            Side("grpc", backlog), Side("amqp", backlog), "delivered", stage=1, timed=False, confirms=False),
    ]


def fan_outs(options):
    """One publisher, transient messages of 100 B as in docs/perf/amqp.md."""
    readers = options.readers
    web = f"--size 100 --readers {readers}"
    amqp = Side("amqp", f"--size 100 --queues {readers} --consumers {readers} --routing fanout")

    def row(name, title, door, more=""):
        return Row(name, f"{title}, 100 B to {readers} readers, deliveries", Side(door, f"{web}{more}"), amqp, "delivered", confirms=False)

    return [
        row("events-topic", "server-sent events of a topic, a stream for each reader", "http"),
        row("events-stream", "server-sent events of one stream", "http", " --one-stream"),
        row("grpc-topic", "gRPC subscriptions to a topic", "grpc"),
    ]


def rows(options):
    """All of them, in the order of the table."""
    return [*publishes(options), *consumers(options), *fan_outs(options)]
