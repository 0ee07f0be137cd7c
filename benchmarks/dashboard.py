"""
The dashboard beside a service that learns all it can: its CPU, key to paint, its memory.

`python -m benchmarks.dashboard --minutes 2` starts both in processes of their own, the dashboard
in a pseudo-terminal of 200 by 60, presses a key every other second and prints what it took.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, cycle
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.terminal import Terminal
from benchmarks.usage import ROOT, cores, pinned

RATE = 50_000
SIZE = (200, 60)
KEY_SECONDS = 2.0
LINES_SAID = 7
# A key, and what only stands there once it has done what it does.
KEYS = (
    ("2", "last seen"),
    ("/", "filter: words"),
    ("7", "filter 7"),
    ("\x1b", "agents · 200 "),
    ("3", "nothing is logged"),
    ("4", "root of the mean"),
    ("5", "not retried"),
    ("6", "what is wrong"),
    ("7", "log end"),
    ("1", "throughput"),
    (" ", "HELD"),
    (" ", "read-only"),
)


@contextmanager
def serving(folder: Path, rate: float) -> Iterator[str]:
    """Run a service that learns so many outcomes a second; give its address."""
    with pinned(cores()[0]), (folder / "stderr.txt").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.endless", str(rate)],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        said = [process.stdout.readline() for _ in range(LINES_SAID)] if process.stdout else []
        if not said or not said[0]:
            raise RuntimeError(f"the service ended: {(folder / 'stderr.txt').read_text()}")
        yield said[0].split()[1]
    finally:
        process.terminate()
        process.communicate()


def measure(minutes: float, rate: float = RATE) -> dict[str, Any]:
    """Return what the dashboard took in so many minutes."""
    with tempfile.TemporaryDirectory() as name, serving(Path(name), rate) as url:
        key = (Path(name) / "olearn-bootstrap.key").read_text().split()[-1]
        command = [sys.executable, "-m", "olearn_core", "dashboard", "--url", url]
        environment = {**os.environ, "OLEARN_API_KEY": key, "PYTHONPATH": str(ROOT)}
        with pinned(cores()[1]), Terminal(command, SIZE, environment) as terminal:
            terminal.shows("agent-0")
            return _watched(terminal, 60.0 * minutes)


def _watched(terminal: Terminal, seconds: float) -> dict[str, Any]:
    took: dict[str, list[float]] = {text: [] for _, text in KEYS}
    resident: list[float] = []
    for key, text in KEYS:  # every screen is made once
        terminal.press(key, text)
        if key == "3":
            terminal.press("\x1b", "Filter")  # else what follows is typed into the form
        time.sleep(KEY_SECONDS)  # escape and a key right behind it would be one key
    started, cpu, painted = time.monotonic(), terminal.cpu_seconds(), terminal.painted_bytes
    for key, text in cycle(KEYS):
        if (spent := time.monotonic() - started) >= seconds:
            break
        took[text].append(1e3 * terminal.press(key, text))
        resident.append(terminal.resident_bytes() / (1 << 20))
        time.sleep(KEY_SECONDS)
    used = terminal.cpu_seconds() - cpu
    ordered = sorted(chain(*took.values()))
    return {
        "seconds": spent,
        "cpu_percent": 100.0 * used / spent,
        "keys": len(ordered),
        "key_to_paint_p50_ms": ordered[len(ordered) // 2],
        "key_to_paint_p99_ms": ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))],
        "resident_mib": resident[-1],
        "grown_mib": resident[-1] - resident[len(resident) // 2],
        "key_to_paint_ms": {text: median(found) for text, found in took.items() if found},
        "painted_kib_per_second": (terminal.painted_bytes - painted) / spent / 1024,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure the dashboard beside a busy service.")
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--rate", type=float, default=RATE, help="outcomes a second")
    given = parser.parse_args()
    print(json.dumps(measure(given.minutes, given.rate), indent=1))


if __name__ == "__main__":
    main()
