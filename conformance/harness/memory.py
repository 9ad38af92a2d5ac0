"""What a peer costs a broker in memory, read from /proc."""

from pathlib import Path

KIB, MIB = 1 << 10, 1 << 20


def resident(broker):
    """Resident memory of the broker's process in bytes, or None where it is not known."""
    if broker.kind != "chaski":
        return None
    status = Path(f"/proc/{broker.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


def cost_each(broker, act, rounds=200, warm_up=50):
    """Bytes that the broker's memory grows by for each call of `act`, all of whose connections stay open till the end.

    The slope of many calls: what only the first ones cost (a thread's first touch, the allocator's first pages) is paid by those of
    the warm-up, and nothing is used twice, since nothing is given back. `act` returns what is to be closed. None where memory is not
    known: then `act` is called once.
    """
    held = []
    try:
        if resident(broker) is None:
            held.append(act())
            return None
        held += [act() for _ in range(warm_up)]
        before = resident(broker)
        held += [act() for _ in range(rounds)]
        return (resident(broker) - before) / rounds
    finally:
        for each in held:
            each.close()


def costs_at_most(broker, limit, act, **how):
    """Asserts that each call of `act` costs the broker at most that many bytes."""
    cost = cost_each(broker, act, **how)
    assert cost is None or cost <= limit, f"{cost / KIB:.1f} KiB each, not {limit / KIB:.1f}"
