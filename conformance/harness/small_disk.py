"""A disk of a few MiB that fills up, which only programs see that are started on it. Needs root and util-linux."""

import subprocess
from pathlib import Path

MOUNT = 'mount -t tmpfs -o size="$1" tmpfs "$0" && echo mounted && exec cat'


class SmallDisk:
    """The disk, at a folder that is there; it goes with the program that holds it, and that with its input."""

    def __init__(self, place, size):
        self.place = place
        self._holder = subprocess.Popen(["unshare", "--mount", "sh", "-c", MOUNT, str(place), size],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._holder.stdout.readline() == "mounted\n", "this needs a mount namespace of its own"
        # What runs a program that has it.
        self.prefix = ["nsenter", "--target", str(self._holder.pid), "--mount", "--"]
        # The folder as it is seen from outside.
        self.outside = Path(f"/proc/{self._holder.pid}/root{place}")

    def grow(self, size):
        subprocess.run([*self.prefix, "mount", "-o", f"remount,size={size}", str(self.place)], check=True)

    def close(self):
        self._holder.communicate()
