"""What processes use while something runs."""

import os
import resource
import subprocess
import time
from dataclasses import dataclass

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass
class Used:
    """What was used: seconds, processor seconds, and the most memory of the largest process in MiB (none where it is not known)."""

    seconds: float
    cpu_s: float
    peak_mib: float | None = None


def cpu_s(pid):
    """Processor seconds of a process that runs, with its children that have ended."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return sum(int(field) for field in fields[11:15]) / TICKS_PER_S


def peak_mib(pid):
    """The most memory that a process had resident."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return 0.0


def resident_mib(pid):
    """The memory that a process has resident."""
    with open(f"/proc/{pid}/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize() / 2**20


def measure(commands, servers, place):
    """Runs commands side by side to their end and syncs what they wrote; the servers that they speak to are counted in."""
    before = sum(cpu_s(pid) for pid in servers)
    began = time.monotonic()
    own = resource.getrusage(resource.RUSAGE_CHILDREN)
    running = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) for command in commands]
    for command, process in zip(commands, running):
        _, wrong = process.communicate(timeout=300)
        if process.returncode != 0:
            raise RuntimeError(f"{command[0]} failed: {wrong.strip()[-300:]}")
    subprocess.run(["sync", "--file-system", place], check=True)
    seconds = time.monotonic() - began
    now = resource.getrusage(resource.RUSAGE_CHILDREN)
    children = now.ru_utime + now.ru_stime - own.ru_utime - own.ru_stime
    served = sum(cpu_s(pid) for pid in servers) - before
    return Used(seconds, children + served, max((peak_mib(pid) for pid in servers), default=0.0))
