"""Serving: one process that learns and answers, until it is told to stop."""

from __future__ import annotations

import asyncio
import gc
import ipaddress
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager

import uvicorn

from olearn_core.api.app import create_app
from olearn_core.config import ApiSettings, Settings
from olearn_core.errors import ConfigError
from olearn_core.plugins import Plugins
from olearn_core.service import Service

GRACE_SECONDS = 5

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
) -> None:
    """
    Run a service and its API; return after a graceful stop.

    :param on_ready: called with the URL once requests are answered
    :raises OlearnError: where something is missing, before anything is learned
    """
    stop = stop or asyncio.Event()
    async with AsyncExitStack() as stack:
        stack.enter_context(_stopping(stop))
        listening = stack.enter_context(bound(settings.api))
        service = await Service.open(settings, stack, plugins)
        gc.freeze()  # looking through all that stays to the end would stall the loop for 70 ms
        server = _Server(_uvicorn_config(service))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(service.run(stop), name="service")
            tasks.create_task(_stop_server(server, stop), name="stop")
            ready = tasks.create_task(_announced(server, listening, service, on_ready))
            await server.serve(sockets=[listening])
            ready.cancel()
            stop.set()


def bound(settings: ApiSettings) -> socket.socket:
    """
    Return a listening socket, so that a busy port is known before anything starts.

    :raises ConfigError: where the address is not loopback, or taken
    """
    refuse_open_address(settings.host)
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


def refuse_open_address(host: str) -> None:
    """
    Make sure that only this machine can connect.

    :raises ConfigError: for any other address: requests are not authenticated
    """
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise ConfigError(
            f"[api] host {host} is not a loopback address; the API has no authentication yet,"
            " so it listens on 127.0.0.1 only: put a proxy that authenticates before it"
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
    await service.worker.loaded.wait()
    if on_ready is not None:
        on_ready(url_of(listening), service)


async def _stop_server(server: uvicorn.Server, stop: asyncio.Event) -> None:
    await stop.wait()
    server.should_exit = True


@contextmanager
def _stopping(stop: asyncio.Event) -> Iterator[None]:
    """Stop gracefully at the first signal; a second one ends the process at once."""
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM)

    def on_signal() -> None:
        for number in signals:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)
        stop.set()

    for number in signals:
        loop.add_signal_handler(number, on_signal)
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
