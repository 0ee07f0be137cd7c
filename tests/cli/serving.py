"""`olearn serve` in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from tests.support.credentials import lay_key

FOREIGN = ("OLEARN_", "KAFKA_", "MODEL_", "ENABLE_KAFKA")
STOP_SECONDS = 30


def environment(**more: str) -> dict[str, str]:
    """Return the environment without what would configure olearn."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(FOREIGN)}
    return kept | more


def olearn(*arguments: str) -> list[str]:
    """Return the command line of a command."""
    return [sys.executable, "-m", "olearn_core", *arguments]


class Serving:
    """
    A service that runs while the block does; its database and models live in the folder.

    :param own_key: whether it writes its first key itself, rather than take the tests'
    :param port: where it listens, 0 for any
    """

    def __init__(self, folder: Path, *, own_key: bool = False, port: int = 0, **more: str) -> None:
        self.folder = folder
        self._port = port
        self._own_key = own_key
        self._environment: Mapping[str, str] = environment(**more)
        self.url = ""
        self.said: list[str] = []

    @property
    def log(self) -> str:
        """What the service has logged."""
        return (self.folder / "stderr.txt").read_text()

    def __enter__(self) -> Self:
        if not self._own_key:
            lay_key(self.folder)
        with (self.folder / "stderr.txt").open("w") as log:
            self.process = subprocess.Popen(
                olearn("serve", "--port", str(self._port)),
                cwd=self.folder,
                env=self._environment,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        self.said = [self.process.stdout.readline() for _ in range(8)]
        if not self.said[0]:
            self.process.wait()
            raise AssertionError(f"olearn serve ended: {self.log}")
        self.url = self.said[0].split()[1]
        return self

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(how)
        return self.process.wait(STOP_SECONDS)

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
