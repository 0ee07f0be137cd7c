"""Names in paths: one that holds a slash is one segment, where it is sent as %2F."""

from __future__ import annotations

from urllib.parse import unquote

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send


class KeptSlashes:
    """
    Leaves `%2F` and `%25` of a path as they were sent; `segment` decodes them.

    A server hands paths over decoded, where `meta/llama` as a name cannot be
    told from two segments any more.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        raw: bytes | None = scope.get("raw_path")
        if raw is not None and b"%2f" in raw.lower():
            scope["path"] = _decoded(raw.partition(b"?")[0].decode("latin-1"))
        await self._app(scope, receive, send)


def segment(request: Request, parameter: str) -> str:
    """Return a parameter of the path as its sender meant it."""
    value = str(request.path_params[parameter])
    raw: bytes = request.scope.get("raw_path") or b""
    return unquote(value) if b"%2f" in raw.lower() else value


def _decoded(raw: str) -> str:
    """Decode all but percent signs and slashes."""
    return unquote(raw.replace("%25", "%2525").replace("%2f", "%252F").replace("%2F", "%252F"))
