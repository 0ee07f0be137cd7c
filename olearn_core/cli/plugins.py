"""`olearn plugins`: what is installed."""

from __future__ import annotations

import logging
from dataclasses import asdict

import typer

from olearn_core.cli.options import AsJson, ConfigFile
from olearn_core.cli.output import print_json, print_table


def plugins(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """List installed plugins, the models they provide, and why one is left out."""
    from olearn_core.config import load_settings
    from olearn_core.plugins import Plugins

    logging.disable(logging.ERROR)  # the table says it
    infos = Plugins.found(load_settings(config).plugins.disabled).infos
    logging.disable(logging.NOTSET)
    if as_json:
        print_json([asdict(info) for info in infos])
    else:
        rows = [
            (i.name, i.version, i.distribution, ", ".join(i.models), i.problem or "none")
            for i in infos
        ]
        print_table(("plugin", "version", "distribution", "models", "problem"), rows, left=5)
    if any(info.problem for info in infos):
        raise typer.Exit(1)
