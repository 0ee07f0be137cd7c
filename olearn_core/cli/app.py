"""The command `olearn`."""

from __future__ import annotations

import logging
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

import olearn_core
from olearn_core.cli import (
    agents,
    alerts,
    config,
    dashboard,
    db,
    dead_letters,
    demo,
    doctor,
    evaluate,
    keys,
    models,
    partitions,
    plugins,
    replay,
    serve,
    signing_keys,
)
from olearn_core.cli.output import one_line
from olearn_core.errors import OlearnError


class Commands(TyperGroup):
    """Commands whose mistakes get one clear line and a non-zero exit."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command; say what is wrong where it raises one of our errors."""
        try:
            return super().invoke(ctx)
        except OlearnError as error:
            _fail(error)
        except BaseExceptionGroup as group:
            known = group.subgroup(OlearnError)
            if known is None:
                raise
            _fail(_first(known))


def _fail(error: BaseException) -> NoReturn:
    typer.echo(f"olearn: {one_line(str(error))}", err=True)
    raise typer.Exit(1)


def _first(group: BaseExceptionGroup[OlearnError]) -> BaseException:
    """Return the first error inside a task group's."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


app = typer.Typer(
    cls=Commands,
    help="olearn learns from every execution which agent to send the next task to.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

app.command()(serve.serve)
app.command()(demo.demo)
app.command()(dashboard.dashboard)
app.command()(replay.replay)
app.command()(evaluate.evaluate)
app.add_typer(models.app, name="models")
app.add_typer(agents.app, name="agents")
app.command()(alerts.alerts)
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(partitions.app, name="partitions")
app.add_typer(keys.app, name="keys")
app.add_typer(signing_keys.app, name="signing-keys")
app.add_typer(db.app, name="db")
app.command()(plugins.plugins)
app.add_typer(config.app, name="config")
app.command()(doctor.doctor)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"olearn {olearn_core.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    del version
    # Its errors come back to us as exceptions, and are told once.
    logging.getLogger("aiokafka").addHandler(logging.NullHandler())


def main() -> None:
    """Run the command line."""
    app(prog_name="olearn")
