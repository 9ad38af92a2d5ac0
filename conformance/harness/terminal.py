"""A program on a terminal of its own: a pseudo-terminal with a screen that reads what terminals read (pyte)."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time

import pyte

KEYS = {"enter": "\r", "up": "\x1b[A", "down": "\x1b[B", "tab": "\t", "esc": "\x1b", "f1": "\x1bOP", "page up": "\x1b[5~"}


class TerminalProgram:
    """A program and what stands on its screen. `columns` and `rows` are its size."""

    def __init__(self, command, columns=80, rows=24, environment=None):
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self.written = b""
        ours, theirs = pty.openpty()
        self._file = ours
        self._set_size(columns, rows)
        variables = {**os.environ, "TERM": "xterm-256color", "LANG": "C.UTF-8", **(environment or {})}
        self._process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, env=variables, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        # Kept open: what the terminal is set to is still of interest when the program has ended.
        self._theirs = theirs

    def _set_size(self, columns, rows):
        fcntl.ioctl(self._file, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize(self, columns, rows):
        self.screen.resize(rows, columns)
        self._set_size(columns, rows)
        os.killpg(self._process.pid, signal.SIGWINCH)

    def type(self, text):
        os.write(self._file, text.encode())

    def press(self, *keys):
        for key in keys:
            self.type(KEYS.get(key, key))

    def paste(self, text):
        """As a terminal pastes that was asked to say so."""
        self.type(f"\x1b[200~{text}\x1b[201~")

    def click(self, text):
        """Presses the mouse where a text stands on the screen, as soon as it does."""
        self.wait_for(text)
        row, column = next((y, line.index(text)) for y, line in enumerate(self.screen.display) if text in line)
        self.type(f"\x1b[<0;{column + 1};{row + 1}M\x1b[<0;{column + 1};{row + 1}m")

    def wheel(self, *, up, column=40, row=5):
        self.type(f"\x1b[<{64 if up else 65};{column};{row}M")

    def focus(self, *, has):
        """As a terminal tells a program that asked for it."""
        self.type("\x1b[I" if has else "\x1b[O")

    @property
    def text(self):
        return "\n".join(line.rstrip() for line in self.screen.display)

    def _read(self, seconds):
        readable, _, _ = select.select([self._file], [], [], seconds)
        if not readable:
            return
        try:
            piece = os.read(self._file, 65536)
        except OSError:
            return
        self.written += piece
        self._stream.feed(piece)

    def wait_for(self, condition, seconds=20):
        """Reads until the screen's text holds a text, or a function of it says so; returns it."""
        holds = condition if callable(condition) else lambda text: condition in text
        deadline = time.monotonic() + seconds
        while not holds(self.text):
            if time.monotonic() > deadline:
                raise AssertionError(f"never saw {condition!r} on\n{self.text}")
            self._read(0.05)
        return self.text

    def wait_end(self, seconds=20):
        """Reads until the program has ended; returns its exit code."""
        deadline = time.monotonic() + seconds
        while self._process.poll() is None:
            if time.monotonic() > deadline:
                raise AssertionError(f"it does not end:\n{self.text}")
            self._read(0.05)
        self._read(0)
        return self._process.returncode

    def send_signal(self, number):
        self._process.send_signal(number)

    @property
    def is_raw(self):
        """Whether the terminal is still set for a program that draws."""
        return not termios.tcgetattr(self._theirs)[3] & termios.ICANON

    def close(self):
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        os.close(self._file)
        os.close(self._theirs)
