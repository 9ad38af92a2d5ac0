"""What the server's process takes of the machine, as the kernel counts it."""

import os
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def ticks(stat):
    fields = stat.rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def cpu_s(pid):
    """Processor time so far, user and system."""
    return ticks(Path(f"/proc/{pid}/stat").read_text())


def threads(pid):
    """Processor time by the threads' names."""
    times = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            stat = (task / "stat").read_text()
        except OSError:
            continue
        times[stat[stat.index("(") + 1:stat.rindex(")")]] = ticks(stat)
    return times


def memory(pid, what="VmRSS"):
    """Resident memory in bytes: now, or the most so far (`VmHWM`)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{what}:"):
            return int(line.split()[1]) * 1024
    return 0


def written(pid):
    """Bytes that went towards the disk."""
    for line in Path(f"/proc/{pid}/io").read_text().splitlines():
        if line.startswith("write_bytes:"):
            return int(line.split()[1])
    return 0


def sockets(pid):
    """Open files, nearly all of them sockets where that matters."""
    return len(os.listdir(f"/proc/{pid}/fd"))


@dataclass
class Span:
    """What was used between two moments."""

    shards_s: float
    committer_s: float
    all_s: float
    written: int
    # The part of the time in which the busiest shard ran.
    busiest: float


class Meter:
    """Begins to measure a process."""

    def __init__(self, pid):
        self.pid = pid
        self.begun = (cpu_s(pid), threads(pid), written(pid))

    def read(self, seconds=0.0):
        cpu, times, before = self.begun
        used = {name: time - times.get(name, 0.0) for name, time in threads(self.pid).items()}
        shards = [time for name, time in used.items() if name.startswith("shard-")]
        return Span(sum(shards), used.get("store-commit", 0.0), cpu_s(self.pid) - cpu, written(self.pid) - before,
                    max(shards, default=0.0) / seconds if seconds else 0.0)
