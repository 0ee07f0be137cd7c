"""Mistakes in a configuration, in words that lead to their mending."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError

from olearn_core.errors import ConfigError

SEPARATOR = "__"
OF_KUBERNETES = "tcp://"  # it tells of a service called olearn-api by OLEARN_API_PORT=tcp://…


def explained(error: ValidationError, kind: type[BaseModel]) -> str:
    """Return every wrong key of settings of this kind, and what is wrong with it."""
    lines = []
    for problem in error.errors():
        path = tuple(map(str, problem["loc"]))
        said = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            said = "there is no such key" + _nearest(path[-1], _names_beside(path, kind))
        lines.append(f"{'.'.join(path)}: {said}")
    return "the configuration is not valid:\n  " + "\n  ".join(lines)


def refuse_wrong_variables(
    environ: Mapping[str, str], prefix: str, sections: Mapping[str, Any]
) -> None:
    """
    Look for variables that would be passed over in silence.

    :param sections: their types by name
    :raises ConfigError: where a section does not exist, or stands one underscore from its key
    """
    meant = {
        f"{prefix}{section}_{key}".upper(): f"{prefix}{section}{SEPARATOR}{key}".upper()
        for section, kind in sections.items()
        for key in getattr(kind, "model_fields", ())
    }
    for name, value in environ.items():
        if name in meant and not value.startswith(OF_KUBERNETES):
            raise ConfigError(f"{name} sets nothing: write {meant[name]}, with two underscores")
        section, separator, _ = name.removeprefix(prefix).lower().partition(SEPARATOR)
        if name.startswith(prefix) and separator and section not in sections:
            known = ", ".join(sections)
            raise ConfigError(f"{name}: there is no section {section!r}, but {known}")


def _names_beside(path: tuple[str, ...], kind: type[Any]) -> list[str]:
    """Return the keys of the table that a key stands in, where they are known."""
    for name in path[:-1]:
        field = getattr(kind, "model_fields", {}).get(name)
        if field is None:
            return []
        kind = field.annotation
    return list(getattr(kind, "model_fields", ()))


def _nearest(name: str, known: list[str]) -> str:
    near = get_close_matches(name, known, n=1)
    return f", but {near[0]}" if near else ""
