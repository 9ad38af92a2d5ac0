"""A cable that is long, slow or bad, between a host and the switch: a program reads every packet at one end and writes it at the other.

`tc netem` does the same, where the kernel has it; this needs a TAP device only. As a program it is told its two ends and what it does.
"""

import collections
import fcntl
import os
import random
import select
import struct
import subprocess
import sys
import time

TUNSETIFF = 0x400454CA
IFF_TAP, IFF_NO_PI = 0x0002, 0x1000
PACKET_BYTES = 65_536
# What waits longer than this at a slow cable is dropped, as a switch does whose buffer is full.
BUFFER_S = 0.1
# Packets that are taken from one end before the other has its turn.
TURN = 64


def open_end(name):
    """Makes a network device in this thread's namespace; it goes when it is closed."""
    end = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    fcntl.ioctl(end, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    return end


class Cable:
    """The program between two ends, which are its own from now on."""

    def __init__(self, ends, delay_s=0.0, loss=0.0, bytes_per_s=None):
        words = [*map(str, ends), str(delay_s), str(loss), str(bytes_per_s or 0)]
        self._process = subprocess.Popen([sys.executable, __file__, *words], pass_fds=ends)
        for end in ends:
            os.close(end)

    def close(self):
        self._process.kill()
        self._process.wait()


class Way:
    """One direction."""

    def __init__(self, source, sink, delay_s, loss, bytes_per_s):
        self.source, self._sink, self._delay_s, self._loss, self._bytes_per_s = source, sink, delay_s, loss, bytes_per_s
        self._chance = random.Random(source)
        self._under_way = collections.deque()
        # When everything before has gone into the cable.
        self._free = 0.0

    def take(self):
        """Takes what has come."""
        for _ in range(TURN):
            try:
                packet = os.read(self.source, PACKET_BYTES)
            except BlockingIOError:
                return
            now = time.monotonic()
            starts = max(self._free, now)
            if starts - now > BUFFER_S or self._chance.random() < self._loss:
                continue
            self._free = starts + (len(packet) / self._bytes_per_s if self._bytes_per_s else 0.0)
            self._under_way.append((self._free + self._delay_s, packet))

    def give(self):
        """Gives what is due; says when the next one is, or None."""
        while self._under_way and self._under_way[0][0] <= time.monotonic():
            _, packet = self._under_way.popleft()
            try:
                os.write(self._sink, packet)
            except OSError:
                # That end is not up, or has no room.
                pass
        return self._under_way[0][0] if self._under_way else None


def main():
    one, other = map(int, sys.argv[1:3])
    what = tuple(map(float, sys.argv[3:6]))
    ways = [Way(one, other, *what), Way(other, one, *what)]
    while True:
        due = [at for at in (way.give() for way in ways) if at is not None]
        wait = max(0.0, min(due) - time.monotonic()) if due else None
        ready, _, _ = select.select([one, other], [], [], wait)
        for way in ways:
            if way.source in ready:
                way.take()


if __name__ == "__main__":
    main()
