"""
An event loop without time or threads: seeded, virtual, the same every time.

Every callback belongs to a process, which is found in its context. Within a process
callbacks run in asyncio's own order; whose turn it is among processes is the seed's
choice. When nobody has anything to do the clock jumps to the next timer. So a process
can be frozen, as SIGSTOP does, and its timers all ring when it thaws.
"""

from __future__ import annotations

import asyncio
import heapq
import random
from collections import deque
from collections.abc import Coroutine
from contextvars import Context, ContextVar, copy_context
from typing import Any

EPOCH_SECONDS = 1_760_000_000.0
STEP_SECONDS = 20e-6
LOOK_SECONDS = 1e-6


class Process:
    """
    What lives, freezes and dies together.

    :ivar ready: callbacks whose turn has come
    :ivar thawed_at: when it last went on, on the loop's clock
    :ivar clock_offset: how wrong its wall clock goes, in seconds
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_frozen = False
        self.is_dead = False
        self.thawed_at = 0.0
        self.clock_offset = 0.0
        self.ready: deque[asyncio.Handle] = deque()
        self.tasks: dict[asyncio.Task[Any], None] = {}

    def __repr__(self) -> str:
        return self.name

    def thaw(self, now: float) -> None:
        """Go on after being frozen."""
        if self.is_frozen:
            self.is_frozen, self.thawed_at = False, now

    def kill(self) -> None:
        """End at once: whatever it waits for never comes."""
        self.is_dead, self.is_frozen = True, False
        for task in list(self.tasks):
            task.cancel()


_current: ContextVar[Process] = ContextVar("process")


def current_process() -> Process:
    """Return the process whose code is running."""
    return _current.get()


def wall_seconds() -> float:
    """Return what the running process takes for the time of day."""
    return EPOCH_SECONDS + asyncio.get_running_loop().time() + _current.get().clock_offset


def context_of(process: Process) -> Context:
    """Return a context whose callbacks and tasks belong to a process."""
    context = copy_context()
    context.run(_current.set, process)
    return context


async def travel(seconds: float) -> None:
    """Let time pass for a message; none reaches the dead, and none of theirs arrives."""
    await asyncio.sleep(seconds)
    if current_process().is_dead:
        raise asyncio.CancelledError


class Deadlock(AssertionError):
    """Nobody will ever do anything again."""


class SimulatedLoop(asyncio.BaseEventLoop):
    """
    Runs callbacks one by one; a callback takes 20 µs, waiting takes no time.

    :param seed: of all its choices
    """

    def __init__(self, seed: str) -> None:
        super().__init__()
        self._random = random.Random(seed)
        self._seconds = 0.0
        self._waiting: list[Process] = []
        self._world = Process("world")
        self.complaints: list[str] = []

    def time(self) -> float:
        """Return virtual seconds since the beginning; asking takes time, as any code does."""
        self._seconds += LOOK_SECONDS
        return self._seconds

    def create_task(self, coro: Any, *, name: Any = None, context: Any = None) -> Any:
        """Make a task that dies with its process."""
        task = super().create_task(coro, name=name, context=context)
        process = context.run(_current.get) if context is not None else current_process()
        process.tasks[task] = None
        task.add_done_callback(lambda done: process.tasks.pop(done, None))
        return task

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine to its end, in a process that never freezes nor dies."""
        return self.run_until_complete(self.spawn(self._world, coroutine))

    def spawn(self, process: Process, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a coroutine in a process."""
        task: asyncio.Task[Any] = self.create_task(coroutine, context=context_of(process))
        return task

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:
        """There are no threads here: what runs in one would not be repeatable."""
        raise AssertionError(f"{func} would run in a thread")

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Keep what asyncio would only log."""
        self.complaints.append(f"{context.get('message')}: {context.get('exception')!r}")

    def _run_once(self) -> None:
        self._ring()
        self._hand_out()
        able = [process for process in self._waiting if not process.is_frozen]
        if not able:
            self._jump()
            return
        process = self._random.choice(able) if len(able) > 1 else able[0]
        handle = process.ready.popleft()
        if not process.ready:
            self._waiting.remove(process)
        self._seconds += STEP_SECONDS
        if not handle.cancelled():
            handle._run()

    def _ring(self) -> None:
        """Make the callbacks of timers ready that are due."""
        while self._scheduled and self._scheduled[0]._when <= self._seconds:
            timer = heapq.heappop(self._scheduled)
            timer._scheduled = False
            if not timer.cancelled():
                self._ready.append(timer)

    def _hand_out(self) -> None:
        while self._ready:
            handle = self._ready.popleft()
            process = handle._context.get(_current, self._world)
            if not process.ready:
                self._waiting.append(process)
            process.ready.append(handle)

    def _jump(self) -> None:
        while self._scheduled and self._scheduled[0].cancelled():
            heapq.heappop(self._scheduled)._scheduled = False
        if not self._scheduled:
            raise Deadlock
        self._seconds = max(self._seconds, self._scheduled[0]._when)
