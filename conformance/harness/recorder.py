"""The oracle of the kill test: who sent what, what the broker confirmed, what came out of which queue.

Invariants, checked over all rounds:

no_confirmed_loss   a persistent message that was confirmed comes out of every queue it was routed to
no_phantom          nothing comes out of a queue that was not sent to it
no_torn             every body is, byte for byte, the one that was sent
fifo_per_publisher  first deliveries from a queue are in the order in which their publisher sent them
no_zombie           what was acked durably does not come again

An ack has no answer in AMQP, so "durably" needs a proof. Consumers work on a channel in confirm mode and publish, after
their acks and on the same channel, a persistent mark to the same queue. Both pass the queue's owner in that order; a
broker that confirms the mark has every earlier step of that queue on disk. Acks without a confirmed mark behind them
prove nothing, and a message that comes again after one is only counted.
"""

import threading
import zlib
from collections import defaultdict
from dataclasses import dataclass, field

SIZES = (24, 100, 100, 700, 700, 4_000, 9_000, 40_000)


def body_of(publisher, number):
    """The one body that message has: its identity, then filler that follows from it, of a size that follows from it."""
    identity = f"{publisher}:{number}:".encode()
    seed = zlib.crc32(identity)
    filler = seed.to_bytes(4, "big").hex().encode()
    size = SIZES[seed % len(SIZES)] if number % 500 else 300_000
    return (identity + filler * (size // 8 + 1))[:max(size, len(identity) + 8)]


def identity_of(body):
    """Publisher and number of a body, or None for one that no publisher makes."""
    try:
        publisher, number, _filler = body[:64].split(b":", 2)
        identity = publisher.decode(), int(number)
    except ValueError:
        return None
    return identity if body_of(*identity) == body else None


@dataclass
class Outlet:
    """What came out of one queue."""

    seen: set = field(default_factory=set)
    acked_durably: set = field(default_factory=set)
    newest: dict = field(default_factory=dict)


class Recorder:
    """Collects from all threads; `problems` lists what broke an invariant."""

    def __init__(self):
        self._lock = threading.Lock()
        self._routes = {}
        self._owed = defaultdict(set)
        self._outlets = defaultdict(Outlet)
        self.problems, self.sent, self.confirmed_count, self.duplicates, self.zombies = [], 0, 0, 0, 0

    def sending(self, identity, queues):
        """Before the first byte leaves: that message goes to those queues."""
        with self._lock:
            self._routes[identity] = queues
            self.sent += 1

    def confirmed(self, identities):
        """The broker has answered for those persistent messages."""
        with self._lock:
            for identity in identities:
                self.confirmed_count += 1
                for queue in self._routes[identity]:
                    if identity not in self._outlets[queue].seen:
                        self._owed[queue].add(identity)

    def delivered(self, queue, body):
        """A body came out of the queue; returns its identity."""
        identity = identity_of(body)
        with self._lock:
            if identity is None:
                self.problems.append(f"no_torn: {queue} gave {len(body)} bytes {body[:40]!r}…")
                return None
            if queue not in self._routes.get(identity, ()):
                self.problems.append(f"no_phantom: {queue} gave {identity}, which was never sent to it")
                return identity
            self._deliver(queue, identity)
        return identity

    def _deliver(self, queue, identity):
        outlet = self._outlets[queue]
        self._owed[queue].discard(identity)
        if identity in outlet.seen:
            self.duplicates += 1
            if identity in outlet.acked_durably:
                self.zombies += 1
            return
        outlet.seen.add(identity)
        publisher, number = identity
        newest = outlet.newest.get(publisher, -1)
        if number < newest:
            self.problems.append(f"fifo_per_publisher: {queue} gave {identity} after number {newest}")
        outlet.newest[publisher] = max(newest, number)

    def acked_durably(self, queue, identities):
        """A mark behind the acks of those messages was confirmed."""
        with self._lock:
            self._outlets[queue].acked_durably.update(identities)

    def drained(self, queue):
        """The queue has given all it has: whatever it still owes is lost."""
        with self._lock:
            for identity in sorted(self._owed[queue])[:5]:
                self.problems.append(f"no_confirmed_loss: {queue} never gave {identity}")
            if len(self._owed[queue]) > 5:
                self.problems.append(f"no_confirmed_loss: {queue}: {len(self._owed[queue])} messages in all")
            self._owed[queue].clear()
