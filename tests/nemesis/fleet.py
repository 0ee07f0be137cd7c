"""Worker processes, each started again when it ends, as an orchestrator would."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from asyncio.subprocess import Process
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.credentials import lay_key
from tests.support.services import GROUP_SECONDS, eventually

Settings = dict[str, dict[str, Any]]

FENCED = "fenced: another worker owns"
STOP_SECONDS = 30.0
BACKOFF_SECONDS = 0.3


@dataclass
class Life:
    """
    One process of a worker.

    :ivar froze: when it was frozen and went on, Unix seconds
    :ivar told: how it was told to end, if it was
    """

    process: Process
    out: Path
    log: Path
    began: float = field(default_factory=time.time)
    ended: float | None = None
    froze: list[tuple[float, float]] = field(default_factory=list)
    told: signal.Signals | None = None

    @property
    def url(self) -> str | None:
        """Where it answers, once it says so."""
        for line in self.out.read_text().splitlines():
            name, _, value = line.partition(" ")
            if name == "olearn":
                return value.strip()
        return None

    def signal(self, which: signal.Signals) -> None:
        """Send a signal, where there is still somebody."""
        with suppress(ProcessLookupError):
            self.process.send_signal(which)

    def end(self, how: signal.Signals) -> None:
        """Tell it to end."""
        self.told = how
        self.signal(how)

    def cpu_seconds(self) -> float:
        """Return its CPU time, user and system, of all threads."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_bytes(self) -> int:
        """Return its resident memory."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def refusals(self) -> list[float]:
        """Return when its saves were refused, Unix seconds."""
        lines = self.log.read_text(errors="replace").splitlines()
        return [_logged_at(line) for line in lines if FENCED in line]


class Worker:
    """
    One place in a fleet: a process, and the next one when it ends.

    :param role: of the service, "learner" or "all"
    """

    def __init__(self, folder: Path, name: str, settings: Settings, role: str = "learner") -> None:
        self.name = name
        self._role = role
        self.lives: list[Life] = []
        self._folder = folder
        self._config = folder / f"{name}.toml"
        settings = settings | {"versions": {"storage_path": str(folder / f"{name}-models")}}
        self._config.write_text(_toml(settings))
        self._keeping: asyncio.Task[None] | None = None
        self._wanted = False

    @property
    def life(self) -> Life:
        """The newest process."""
        return self.lives[-1]

    async def start(self) -> None:
        """Run from now on."""
        self._wanted = True
        await self._begin()
        self._keeping = asyncio.create_task(self._keep())

    async def _keep(self) -> None:
        while self._wanted:
            life = self.life
            await life.process.wait()
            life.ended = time.time()
            await asyncio.sleep(BACKOFF_SECONDS)
            if self._wanted:
                await self._begin()

    async def _begin(self) -> None:
        lay_key(self._folder)
        number = len(self.lives)
        out = self._folder / f"{self.name}-{number:03}.out"
        log = self._folder / f"{self.name}-{number:03}.log"
        with out.open("wb") as stdout, log.open("wb") as stderr:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "olearn_core", "serve", "--role", self._role),
                *("--port", "0", "--config", str(self._config)),
                cwd=self._folder,
                env=_environment(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
            )
        self.lives.append(Life(process, out, log))

    async def next_life(self, after: Life) -> Life:
        """Wait until another process has taken a process's place."""
        await eventually(lambda: self.life is not after, f"{self.name} starts again", STOP_SECONDS)
        return self.life

    async def answers(self, seconds: float = GROUP_SECONDS) -> str:
        """Wait until it says where it answers."""
        return str(await eventually(lambda: self.life.url, f"{self.name} answers", seconds))

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> bool:
        """End it for good; tell whether it did so in time, else it is killed."""
        self._wanted = False
        if self._keeping is None:
            return True
        self.life.end(how)
        _, waiting = await asyncio.wait([self._keeping], timeout=STOP_SECONDS)
        if waiting:
            self.life.end(signal.SIGABRT)  # its log then shows where it hung
            await self._keeping
        return not waiting


def last_words(folder: Path, lines: int = 12) -> list[str]:
    """Return the ends of what the newest processes logged, for whoever must find out why."""
    newest = {log.name.rpartition("-")[0]: log for log in sorted(folder.glob("*-[0-9]*.log"))}
    return [
        line
        for log in newest.values()
        for line in (f"--- {log.name}", *log.read_text(errors="replace").splitlines()[-lines:])
    ]


def _environment() -> dict[str, str]:
    """Leave out what would configure or measure the process besides its file."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("OLEARN_", "COVERAGE_"))}
    return kept | {"PYTHONFAULTHANDLER": "1"}


def _toml(settings: Settings) -> str:
    lines = []
    for section, keys in settings.items():
        lines.append(f"[{section}]")
        lines += [f"{key} = {json.dumps(value)}" for key, value in keys.items()]
    return "\n".join(lines) + "\n"


def _logged_at(line: str) -> float:
    moment, _, milliseconds = line[:23].partition(",")
    return time.mktime(time.strptime(moment, "%Y-%m-%d %H:%M:%S")) + int(milliseconds) / 1e3
