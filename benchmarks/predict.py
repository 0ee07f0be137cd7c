"""CPU of a prediction over HTTP, beside an endpoint that does nothing with the same body."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from typing import Self

from benchmarks.predict_server import PATH
from benchmarks.usage import ROOT, cores, pinned
from tests.support.credentials import KEY

CONNECTIONS = 8
BODY = json.dumps(
    {"task_type": "code_review", "context": {"complexity": 3, "domain": "legal"}, "top_k": 3}
).encode()
REQUEST = (
    f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    f"Authorization: Bearer {KEY}\r\n"
    f"Content-Length: {len(BODY)}\r\n\r\n"
).encode() + BODY


class Target:
    """A server in a process of its own, with connections that stay open."""

    def __init__(self, kind: str) -> None:
        with pinned(cores()[0]):
            self._process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.predict_server", kind],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        address = ("127.0.0.1", int(self._line()))
        self._sockets = [socket.create_connection(address) for _ in range(CONNECTIONS)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for connection in self._sockets:
            connection.close()
        self._process.communicate()

    def round(self, requests: int) -> dict[str, float]:
        """Send requests, one on each connection at a time; return what each took."""
        before, started = self._cpu_seconds(), time.perf_counter()
        for _ in range(requests // CONNECTIONS):
            for connection in self._sockets:
                connection.sendall(REQUEST)
            for connection in self._sockets:
                _read_response(connection)
        wall = time.perf_counter() - started
        cpu = self._cpu_seconds() - before
        return {"cpu_us": cpu / requests * 1e6, "requests_per_second": requests / wall}

    def _cpu_seconds(self) -> float:
        if self._process.stdin is None:
            raise RuntimeError("the server has no standard input")
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return float(self._line())

    def _line(self) -> str:
        if self._process.stdout is None:
            raise RuntimeError("the server has no standard output")
        return self._process.stdout.readline()


def _read_response(connection: socket.socket) -> None:
    data = connection.recv(65_536)
    head, _, body = data.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(data.decode())
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(65_536)


def measure(rounds: int, requests: int) -> list[dict[str, dict[str, float]]]:
    """Return rounds of both kinds of server, in turns, after one that is not counted."""
    with ExitStack() as stack:
        stack.enter_context(pinned(cores()[1]))
        targets = {kind: stack.enter_context(Target(kind)) for kind in ("empty", "predict")}
        for target in targets.values():
            target.round(requests)
        return [
            {kind: target.round(requests) for kind, target in targets.items()}
            for _ in range(rounds)
        ]
