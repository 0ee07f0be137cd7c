"""A terminal with nobody before it: what is painted is read, and how long a key takes."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from benchmarks.usage import PAGE_BYTES

STEERING = re.compile(rb"\x1b(?:\[[0-9;?<>=$ ]*[@-~]|[()][AB0]|\][^\x07\x1b]*(?:\x07|\x1b\\))")
CHUNK_BYTES = 1 << 16
LONGEST_SECONDS = 30.0
STOP_SECONDS = 10.0
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class Terminal:
    """
    Runs a command in a pseudo-terminal while the block lasts.

    :param size: columns and rows
    :ivar painted_bytes: how much was written to the screen
    """

    def __init__(
        self, command: Sequence[str], size: tuple[int, int], environment: Mapping[str, str]
    ) -> None:
        self._command = command
        self._size = size
        self._environment = {**environment, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        self._came = threading.Condition()
        self._seen = bytearray()
        self.painted_bytes = 0

    def __enter__(self) -> Self:
        self._master, slave = pty.openpty()
        width, height = self._size
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
        self.process = subprocess.Popen(
            self._command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=self._environment,
            start_new_session=True,
        )
        os.close(slave)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join(STOP_SECONDS)
        os.close(self._master)

    def _read(self) -> None:
        while True:
            try:
                chunk = os.read(self._master, CHUNK_BYTES)
            except OSError:  # so Linux says that nobody has the other end any more
                return
            with self._came:
                self.painted_bytes += len(chunk)
                self._seen += chunk
                del self._seen[:-4_000_000]
                self._came.notify_all()

    def shows(self, text: str, seconds: float = LONGEST_SECONDS) -> None:
        """
        Wait until a text is painted.

        :raises TimeoutError: where it is not
        """
        wanted = text.encode()
        with self._came:
            if not self._came.wait_for(lambda: wanted in self._text(), seconds):
                raise TimeoutError(f"{text!r} was not painted: {self._tail()}")

    def press(self, key: str, text: str) -> float:
        """Press a key; return the seconds until a text is painted."""
        with self._came:
            self._seen.clear()
        pressed = time.perf_counter()
        os.write(self._master, key.encode())
        self.shows(text)
        return time.perf_counter() - pressed

    def _text(self) -> bytes:
        return STEERING.sub(b"", bytes(self._seen))

    def _tail(self) -> str:
        return self._text()[-2_000:].decode(errors="replace")

    def cpu_seconds(self) -> float:
        """Return the command's CPU time, user and system, of all threads."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND

    def resident_bytes(self) -> int:
        """Return the command's resident memory."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * PAGE_BYTES
