"""Serving: one process that learns and answers, until it is told to stop."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from types import FrameType

import uvicorn

from olearn_core.api.app import create_app
from olearn_core.config import ApiSettings, Settings, is_loopback
from olearn_core.errors import ConfigError
from olearn_core.plugins import Plugins
from olearn_core.service import Service

GRACE_SECONDS = 5
SWITCH_SECONDS = 0.0005  # requests wait that long, at most, for threads that look back

OnReady = Callable[[str, Service], None]


class _Server(uvicorn.Server):
    """A server that leaves the signals to whoever runs it, and says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then tell."""
        await super().startup(sockets=sockets)
        self.listening.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


async def serve(
    settings: Settings,
    *,
    plugins: Plugins | None = None,
    on_ready: OnReady | None = None,
    stop: asyncio.Event | None = None,
    before_kill: Callable[[], None] | None = None,
) -> None:
    """
    Run a service and its API; return after a graceful stop.

    :param on_ready: called with the URL once requests are answered
    :param before_kill: called where a second signal ends the process, until that has ended
    :raises OlearnError: where something is missing, before anything is learned
    """
    refuse_open_address(settings)
    stop = stop or asyncio.Event()
    async with AsyncExitStack() as stack:
        stack.enter_context(_stopping(stop, before_kill))
        listening = stack.enter_context(bound(settings.api))
        service = await Service.open(settings, stack, plugins)
        await service.authenticator.start()
        _never_stall()
        server = _Server(_uvicorn_config(service))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(service.run(stop), name="service")
            tasks.create_task(_stop_server(server, service, stop), name="stop")
            ready = tasks.create_task(_announced(server, listening, service, on_ready))
            await server.serve(sockets=[listening])
            ready.cancel()
            stop.set()


def _never_stall() -> None:
    """Keep the collector from what stays to the end (70 ms), and threads from long turns."""
    gc.freeze()
    sys.setswitchinterval(SWITCH_SECONDS)


def bound(settings: ApiSettings) -> socket.socket:
    """
    Return a listening socket, so that a busy port is known before anything starts.

    :raises ConfigError: where the address is taken, or none of this machine's
    """
    try:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        listening = socket.create_server((settings.host, settings.port), family=family)
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {settings.host}:{settings.port}: {error.strerror};"
            " choose another with --port or [api] port"
        ) from error
    # Inherited by connections; without it each answer waits 40 ms for the client's late ACK.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def refuse_open_address(settings: Settings) -> None:
    """
    Make sure that only this machine can connect where nobody has to say who calls.

    :raises ConfigError: for any other address while authentication is off
    """
    host = settings.api.host
    if not (settings.auth.enabled or is_loopback(host)):
        raise ConfigError(
            f"[api] host {host} is not a loopback address, and authentication is switched off:"
            " set [auth] enabled = true, or listen on 127.0.0.1"
        )


def url_of(listening: socket.socket) -> str:
    """Return the URL of a listening socket."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _uvicorn_config(service: Service) -> uvicorn.Config:
    return uvicorn.Config(
        create_app(service),
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


async def _announced(
    server: _Server, listening: socket.socket, service: Service, on_ready: OnReady | None
) -> None:
    await server.listening.wait()
    if service.learns:
        await service.worker.loaded.wait()
    if on_ready is not None:
        on_ready(url_of(listening), service)


async def _stop_server(server: uvicorn.Server, service: Service, stop: asyncio.Event) -> None:
    await stop.wait()
    service.telling.hub.close()  # streams would be waited for
    server.should_exit = True


@contextmanager
def _stopping(stop: asyncio.Event, before_kill: Callable[[], None] | None) -> Iterator[None]:
    """Stop gracefully at the first signal; a second one ends the process at once."""
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM)
    was_told = False

    def on_signal() -> None:
        nonlocal was_told
        was_told = True
        for number in signals:  # replaced in one step: removed first, there would be a gap
            signal.signal(number, _ending(before_kill) if before_kill else signal.SIG_DFL)
        stop.set()

    for number in signals:
        loop.add_signal_handler(number, on_signal)
    try:
        yield
    finally:
        if not was_told:
            for number in signals:
                loop.remove_signal_handler(number)


def _ending(before_kill: Callable[[], None]) -> Callable[[int, FrameType | None], None]:
    """Return a handler that ends the process as if there were none, after one last act."""

    def end(number: int, _: FrameType | None) -> None:
        try:
            before_kill()
        finally:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    return end
