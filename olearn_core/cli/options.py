"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DEFAULT_URL = "http://127.0.0.1:8000"

Url = Annotated[
    str, typer.Option("--url", envvar="OLEARN_URL", help="Address of the service to ask.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for other programs.")]
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        help="Configuration file; else $OLEARN_CONFIG, else ./config.toml where it is there.",
    ),
]
