"""What is wanted of a figure, and whether a run reaches it."""

from dataclasses import dataclass

from .text import human
from .servers import SYSTEMS


@dataclass(frozen=True)
class Goal:
    """A limit on Chaski's figure, on its ratio to a peer's, or on processor time."""

    limit: float
    at_least: bool
    unit: str = "×"
    key: str = "value"
    peer: str = ""
    # A smaller figure cannot be true, as memory that shrinks under load: it shows a disturbed measurement, not a target met.
    credible_from: float = 0.0

    def wanted(self):
        sign = "≥" if self.at_least else "≤"
        what = "CPU s per million " if self.key == "cpu" else ""
        peer = f" {SYSTEMS[self.peer].title}" if self.peer else ""
        return f"{what}{sign} {self.number(self.limit)}{peer}"

    def number(self, value):
        if self.unit == "×" and 0 < value < 0.1:
            return f"1/{1 / value:.3g} ×"
        return human(value, self.unit)

    def figure(self, row, results):
        """The figure in question; none when it was not measured."""
        ours = results.median(row, "chaski", self.key)
        if not self.peer:
            return ours
        theirs = results.median(row, self.peer, self.key)
        return ours / theirs if ours is not None and theirs else None

    def met(self, row, results):
        value = self.figure(row, results)
        if value is None or value < self.credible_from:
            return None
        return value >= self.limit if self.at_least else value <= self.limit

    def verdict(self, row, results):
        """One line for the table: what is wanted, what was found."""
        value = self.figure(row, results)
        if value is None:
            return f"{self.wanted()}: not measured"
        if value < self.credible_from:
            return f"{self.wanted()}: {self.number(value)} is not credible, not judged"
        return f"{self.wanted()}: {self.number(value)}, {'met' if self.met(row, results) else 'NOT met'}"


def at_least_peer(limit, peer):
    return Goal(limit, True, peer=peer)


def at_most_peer(limit, peer, credible_from=0.0):
    return Goal(limit, False, peer=peer, credible_from=credible_from)


def cpu_at_most_peer(limit, peer):
    return Goal(limit, False, key="cpu", peer=peer)


def per_million_at_most(limit):
    return Goal(limit, False, unit="", key="cpu")


def at_least(limit, unit):
    return Goal(limit, True, unit)


def at_most(limit, unit, credible_from=0.0):
    return Goal(limit, False, unit, credible_from=credible_from)
