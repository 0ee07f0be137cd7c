"""
Real servers for the tests, each one a process of its own on a loopback port.

A server is a context manager: entering starts it and waits until it answers, leaving ends it and
deletes its data.  Between the two it can be stopped, killed and started again on the same port.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from contextlib import ExitStack
from pathlib import Path
from random import SystemRandom
from typing import Any, Self

HOST = "127.0.0.1"


class ServerError(Exception):
    """A server of the tests could not be started."""


class Server(ABC):
    """A process that listens on a loopback port and logs to ``<folder>/<name>.log``."""

    name: str
    start_seconds = 60.0
    stop_seconds = 30.0
    stop_signal = signal.SIGTERM
    crash_signal = signal.SIGKILL

    def __init__(self, folder: Path) -> None:
        self.port = free_ports(1)[0]
        self.log = folder / f"{self.name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def _command(self) -> list[str]:
        """Return the command line; called at each start."""

    @abstractmethod
    def _answers(self) -> bool:
        """Tell whether the server answers a request of its protocol; must not block for long."""

    def _popen_options(self) -> dict[str, Any]:
        return {}

    @property
    def bootstrap(self) -> str:
        """The address to connect to, ``host:port``."""
        return f"{HOST}:{self.port}"

    @property
    def pid(self) -> int:
        """
        The process id of the running server.

        :raises ServerError: if it is stopped.
        """
        if self._process is None:
            raise ServerError(f"{self.name} is not running; call start() first.")
        return self._process.pid

    def start(self) -> None:
        """
        Start the process and return when it answers.

        :raises ServerError: if it ends or stays silent; the message has the end of its log.
        """
        if self._process is not None and self._process.poll() is None:
            raise ServerError(f"{self.name} is running already, as process {self._process.pid}.")
        if self._answers():
            raise ServerError(f"Another server answers on {self.bootstrap}.")
        with self.log.open("ab") as log:
            # A session of its own: Ctrl-C goes to the tests, which then end the server in order.
            self._process = subprocess.Popen(
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **self._popen_options(),
            )
        self._wait_for_answer(self._process)

    def _wait_for_answer(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + self.start_seconds
        while not self._answers():
            if _ended_within(process, seconds=0.02):
                self._process = None
                raise ServerError(f"{self.name} ended by itself.\n{self._log_end()}")
            if time.monotonic() > deadline:
                self.kill()
                raise ServerError(f"{self.name} did not answer in time.\n{self._log_end()}")

    def _log_end(self) -> str:
        return f"{self.log}:\n" + self.log.read_text(errors="replace")[-4000:]

    def stop(self) -> None:
        """End the process in order, keeping its data; does nothing if it is stopped."""
        self._end(self.stop_signal)

    def kill(self) -> None:
        """End the process at once, as a crash would; does nothing if it is stopped."""
        self._end(self.crash_signal)

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(how)
        if not _ended_within(self._process, self.stop_seconds):
            self._process.kill()
            self._process.wait()
        self._process = None

    def restart(self) -> None:
        """Stop and start on the same port."""
        self.stop()
        self.start()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()


def _ended_within(process: subprocess.Popen[bytes], seconds: float) -> bool:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def free_ports(count: int) -> list[int]:
    """Return ports that nothing listens on, all different."""
    with ExitStack() as held:
        return [held.enter_context(_bound_socket()).getsockname()[1] for _ in range(count)]


def _bound_socket() -> socket.socket:
    # Below the ephemeral range: there, a client that keeps dialling a stopped server's port can
    # connect to itself and so take the port away from the server's next start.
    random = SystemRandom()
    while True:
        bound = socket.socket()
        try:
            bound.bind((HOST, random.randrange(20_000, 32_000)))
        except OSError:
            bound.close()
        else:
            return bound


def answers_kafka(port: int) -> bool:
    """Tell whether a Kafka broker on this loopback port answers an ApiVersions request."""
    correlation = b"\x00\x00\x00\x2a"
    body = b"\x00\x12" + b"\x00\x00" + correlation + b"\xff\xff"
    try:
        with socket.create_connection((HOST, port), timeout=1.0) as connection:
            connection.sendall(len(body).to_bytes(4, "big") + body)
            answer = connection.recv(8, socket.MSG_WAITALL)
    except OSError:
        return False
    return answer[4:] == correlation
