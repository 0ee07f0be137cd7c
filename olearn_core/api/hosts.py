"""
Which names the service answers to, and to whose pages.

A page that a browser has loaded from somewhere else may have its own name resolve
to this machine (DNS rebinding); such a request still carries that name. Or it sends
requests to this machine by its name: browsers say so in `Sec-Fetch-Site` and `Origin`.
"""

from __future__ import annotations

from collections.abc import Collection

from starlette.types import ASGIApp, Receive, Scope, Send

from olearn_core.api.problems import problem_response
from olearn_core.config import ApiSettings, is_loopback

MOST_KNOWN = 256
HARMLESS = frozenset({"GET", "HEAD", "OPTIONS"})
FOREIGN_SITES = frozenset({b"cross-site", b"same-site"})


class HostCheck:
    """Refuses requests for other hosts, where it is known which those are."""

    def __init__(self, app: ASGIApp, settings: ApiSettings) -> None:
        self._app = app
        self._allowed: Collection[str] = {name.lower() for name in settings.allowed_hosts}
        self._is_local = is_loopback(settings.host)
        self._known: set[bytes] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or self._is_for_us(_host(scope)):
            await self._app(scope, receive, send)
            return
        response = problem_response(
            421, "the service does not answer to this Host; name it in [api] allowed_hosts"
        )
        await response(scope, receive, send)

    def _is_for_us(self, host: bytes) -> bool:
        """Tell the same as `_is_ours`, at once for what was asked for before."""
        if host in self._known:
            return True
        is_ours = self._is_ours(host.decode("latin-1"))
        if is_ours and len(self._known) < MOST_KNOWN:
            self._known.add(host)
        return is_ours

    def _is_ours(self, host: str) -> bool:
        if not (self._is_local or self._allowed):
            return True
        name = _without_port(host).lower()
        return name in self._allowed or (self._is_local and is_loopback(name))


class ForeignPages:
    """Refuses what a foreign web page would change, where nobody has to show a credential."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["method"] in HARMLESS or not _is_foreign(scope):
            await self._app(scope, receive, send)
            return
        response = problem_response(
            403, "a web page from elsewhere sent this; while authentication is off none may"
        )
        await response(scope, receive, send)


def _is_foreign(scope: Scope) -> bool:
    """Tell whether a page of another origin sends a request; only browsers say anything."""
    if _header(scope, b"sec-fetch-site") in FOREIGN_SITES:
        return True
    origin = _header(scope, b"origin")
    return bool(origin) and origin.partition(b"://")[2].lower() != _host(scope).lower()


def _host(scope: Scope) -> bytes:
    return _header(scope, b"host")


def _header(scope: Scope, wanted: bytes) -> bytes:
    for name, value in scope["headers"]:
        if name == wanted:
            return bytes(value)
    return b""


def _without_port(host: str) -> str:
    """Return the name in a Host header: `[::1]:8000` is `::1`."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]
