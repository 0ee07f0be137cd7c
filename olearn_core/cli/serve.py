"""`olearn serve`: learn and answer until told to stop."""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from olearn_core.cli.options import ConfigFile

if TYPE_CHECKING:
    from olearn_core.config import Settings
    from olearn_core.service import Service

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"

Host = Annotated[str | None, typer.Option(help="Address to listen on, instead of [api] host.")]
Port = Annotated[
    int | None,
    typer.Option(min=0, max=65_535, help="Port to listen on, instead of [api] port; 0 for any."),
]


def serve(config: ConfigFile = None, host: Host = None, port: Port = None) -> None:
    """Learn from outcomes and answer which agent to send, until stopped by Ctrl-C."""
    from olearn_core.config import load_settings

    given = {"host": host, "port": port}
    api = {key: value for key, value in given.items() if value is not None}
    settings = load_settings(config, **({"api": api} if api else {}))
    log_to_stderr(settings.logging.level)
    asyncio.run(_serve(settings))


def log_to_stderr(level: str) -> None:
    """Send the log of this process to standard error."""
    logging.basicConfig(level=level, format=LOG_FORMAT, stream=sys.stderr, force=True)
    if level != "DEBUG":
        for library in ("aiokafka", "alembic", "uvicorn"):
            logging.getLogger(library).setLevel(logging.WARNING)  # they tell of every step


async def _serve(settings: Settings) -> None:
    from olearn_core.api.server import serve as serve_api
    from olearn_core.cli.checks import check_all

    for warning in await check_all(settings):
        logging.getLogger(__name__).warning(warning)
    await serve_api(settings, on_ready=_announce)


def _announce(url: str, service: Service) -> None:
    for name, value in description(url, service):
        typer.echo(f"{name:<9} {value}")
    sys.stdout.flush()


def description(url: str, service: Service) -> list[tuple[str, Any]]:
    """Return what a service is and stands on, in words."""
    kafka = service.settings.kafka
    source = "embedded log, fed by POST /api/learning/outcomes"
    if kafka.in_use:
        source = (
            f"Kafka topic {kafka.outcome_topic} at {kafka.bootstrap_servers}, group {kafka.group}"
        )
    return [
        ("olearn", url),
        ("source", source),
        ("database", service.database.url),
        ("models", service.settings.versions.storage_path),
        ("policy", service.models.policy.name),
    ]
