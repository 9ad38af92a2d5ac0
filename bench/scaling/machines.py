"""What larger machines would carry, calculated from what was measured here."""

from dataclasses import dataclass

from compare.text import human

CORES = (16, 64)
# Assumed, not measured: a usual network card, each way.
NETWORK_GBIT = 25
# Publish, header and body frames around a message with names as the generator's.
FRAMES_BYTES = 75
# Assumed: the lock's two atomic operations, on a cache line that another core had last.
LOCK_S = 0.2e-6
# Assumed: what one read of a busy connection's socket gives, and so what one read lock covers.
BATCH_BYTES = 64 << 10
# Neither a queue nor a connection can take less.
CREDIBLE_BYTES = 100
# Bytes per message below which nothing but the set-up was written.
WRITTEN_MIN = 1
SIZES = {"16 B transient": 16, "1 KiB transient": 1_024, "1 KiB durable": 1_024}


@dataclass
class Costs:
    """What a message of one kind costs, in seconds of a thread."""

    work: str
    shard: float
    # What a message costs more if its hops cross between shards.
    crossing: float
    committer: float
    written: float


@dataclass
class Limit:
    """One thing that ends growth, at so many messages per second, and how that follows."""

    name: str
    rate: float
    because: str


def costs(points):
    """The costs of each kind of work that was measured with one shard and with two."""
    found = []
    for work in SIZES:
        one, two = (next((point for point in points if (point["work"], point["shards"]) == (work, number)), None)
                    for number in (1, 2))
        if one and two:
            # With two shards and connections dealt in turn, every second hop crosses.
            crossing = max(0.0, 2 * (two["cpu_shards"] - one["cpu_shards"])) / 1e6
            # The committer and the disk as with several shards, which larger machines have.
            found.append(Costs(work, one["cpu_shards"] / 1e6, crossing, two["cpu_committer"] / 1e6, two["written"]))
    return found


def limits(cost, cores, disk_bytes_per_s):
    """Everything that could stop it, the first to do so in front."""
    shards = cores - 1
    crossed = cost.crossing * (shards - 1) / shards
    each = cost.shard + crossed
    wire = SIZES[cost.work] + FRAMES_BYTES
    batch = max(1, BATCH_BYTES // wire)
    found = [
        Limit("the shards' threads", shards / each,
              f"{shards} shards / ({micros(cost.shard)} + {micros(crossed)} for letters between shards)"),
        Limit("the network", NETWORK_GBIT * 1e9 / 8 / wire,
              f"{NETWORK_GBIT} Gbit/s (assumed) / ({wire} B × 8)"),
        Limit("the topology's lock", batch / LOCK_S,
              f"{batch} messages per read lock (assumed: {BATCH_BYTES >> 10} KiB) / {LOCK_S * 1e6:g} µs (assumed)"),
    ]
    if cost.written >= WRITTEN_MIN:
        found.append(Limit("the disk", disk_bytes_per_s / cost.written,
                           f"{disk_bytes_per_s / 1e6:.0f} MB/s here / {cost.written:.0f} B written per message"))
    if cost.committer > 0:
        found.append(Limit("the one commit thread", 1 / cost.committer, f"1 / {micros(cost.committer)}"))
    return sorted(found, key=lambda limit: limit.rate)


def micros(seconds):
    return f"{seconds * 1e6:.3g} µs"


def memory_line(name, each_bytes, numbers):
    """How much memory so many of a thing take."""
    if each_bytes < CREDIBLE_BYTES:
        return f"{name}: {human(each_bytes, 'B')} each is not credible: they fitted into memory that the server had before."
    amounts = ", ".join(f"{number:,} take {human(each_bytes * number / 2**20, 'MiB')}" for number in numbers)
    return f"{name}: {human(each_bytes / 1024, 'KiB')} each; {amounts}."
