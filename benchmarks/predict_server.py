"""
A server that answers predictions, or one that only parses the same body.

Each line on standard input is answered with the CPU seconds used so far.
"""

from __future__ import annotations

import asyncio
import gc
import socket
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.in_process import learned, service_at
from benchmarks.usage import cpu_seconds
from olearn_core.api.app import create_app
from olearn_core.schemas import PredictRequest
from tests.support.credentials import KEY

PATH = "/api/learning/predict/agent-selection"
EVENTS = 50_000


async def _parse_only(request: Request) -> Response:
    PredictRequest.model_validate_json(await request.body())
    return Response(b"{}", media_type="application/json")


async def _serve(app: Starlette) -> None:
    server = uvicorn.Server(
        uvicorn.Config(
            app, log_config=None, access_log=False, lifespan="off", timeout_keep_alive=60
        )
    )
    gc.freeze()  # as `olearn serve` does
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        print(listening.getsockname()[1], flush=True)
        asyncio.get_running_loop().add_reader(sys.stdin, _answer, server)
        await server.serve(sockets=[listening])


def _answer(server: uvicorn.Server) -> None:
    if sys.stdin.readline():
        print(cpu_seconds(), flush=True)
    else:
        server.should_exit = True


async def main(kind: str) -> None:
    """Serve the kind that is asked for until standard input ends."""
    if kind == "empty":
        await _serve(Starlette(routes=[Route(PATH, _parse_only, methods=["POST"])]))
        return
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        service = await service_at(folder, stack)
        learned(service, EVENTS)
        await service.authenticator.keys.begin(KEY)
        await _serve(create_app(service))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
