"""A service as its users start it: a process of its own, in an empty folder."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2


@dataclass(frozen=True, slots=True)
class Running:
    """
    A running service.

    :param environment: in which its commands find it
    """

    address: str
    folder: Path
    environment: Mapping[str, str]


@contextmanager
def running_service(folder: Path) -> Iterator[Running]:
    """Start `olearn serve` and wait until it is ready; stop it as Ctrl-C does."""
    port = _free_port()
    binaries = Path(sys.executable).parent
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("OLEARN", "KAFKA"))} | {
        "PATH": f"{binaries}:{os.environ['PATH']}",
        "OLEARN_URL": f"http://127.0.0.1:{port}",
        "OLEARN_API__PORT": str(port),
    }
    command = [str(binaries / "olearn"), "serve"]
    with (folder / "serve.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        _wait_until_ready(f"http://127.0.0.1:{port}/readyz", process, folder / "serve.log")
        yield Running(f"127.0.0.1:{port}", folder, environment)
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0, (folder / "serve.log").read_text()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    transport = httpx2.HTTPTransport(retries=8)  # waits longer before each
    with httpx2.Client(transport=transport, timeout=30) as client:
        for _ in range(200):
            assert process.poll() is None, log.read_text()
            if client.get(url).status_code == 200:
                return
            _pause()
    raise AssertionError(log.read_text())


def _pause() -> None:
    """Wait on nothing that will come, for a twentieth of a second."""
    left, right = socket.socketpair()
    with left, right:
        left.settimeout(0.05)
        try:
            left.recv(1)
        except TimeoutError:
            return
