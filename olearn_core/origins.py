"""Where each effective setting comes from."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic_settings import EnvSettingsSource, TomlConfigSettingsSource

from olearn_core.config import OLDER_NAMES, PREFIX, OlderNames, Settings, masked
from olearn_core.schemas import ConfigurationResponse, Origin, SettingBody

SEPARATOR = "__"

Keys = tuple[str, ...]
Tree = Mapping[str, Any]


def configuration(settings: Settings) -> ConfigurationResponse:
    """
    Return every key with its effective value and origin, secrets hidden.

    Options of models are those that are configured; their defaults stand with the models.
    """
    path = _file_of(settings)
    found = _Origins(settings, path)
    return ConfigurationResponse(
        file=str(path.resolve()) if path else None,
        settings=[
            SettingBody(
                key=".".join(keys),
                value=value,
                origin=found.of(keys),
                variable=found.variable(keys),
            )
            for keys, value in _leaves(masked(settings))
        ],
    )


class _Origins:
    """The sources of settings, read once more to see what each of them says."""

    def __init__(self, settings: Settings, path: Path | None) -> None:
        kind = type(settings)
        self._settings = settings.model_dump()
        self._without_given = _dumped_without_given(kind)
        self._environment: Tree = EnvSettingsSource(kind)()
        self._older: Tree = OlderNames(kind)()
        self._file: Tree = TomlConfigSettingsSource(kind, path)() if path else {}

    def of(self, keys: Keys) -> Origin:
        """Return the source of a key; `given` is what code or a command line said."""
        if _at(self._settings, keys) != _at(self._without_given, keys):
            return "given"
        if self.variable(keys):
            return "environment"
        return "file" if _has(self._file, keys) else "default"

    def variable(self, keys: Keys) -> str | None:
        """Return the environment's name for a key, where it has one that counts."""
        if _at(self._settings, keys) != _at(self._without_given, keys):
            return None
        if _has(self._environment, keys):
            return _set_variable(keys)
        if _has(self._older, keys):
            return next(name for name, place in OLDER_NAMES.items() if place == keys[:2])
        return None


def _dumped_without_given(kind: type[Settings]) -> Tree:
    """Return what file, environment and defaults say by themselves."""
    return kind().model_dump()


def _set_variable(keys: Keys) -> str:
    """Return the variable that sets a key, or the table that it stands in."""
    names = {name.upper(): name for name in os.environ}
    for length in range(len(keys), 0, -1):
        name = (PREFIX + SEPARATOR.join(keys[:length])).upper()
        if name in names:
            return names[name]
    return PREFIX + SEPARATOR.join(keys).upper()


def _file_of(settings: Settings) -> Path | None:
    path = type(settings).model_config.get("toml_file")
    return path if isinstance(path, Path) and path.is_file() else None


def _leaves(table: Tree, keys: Keys = ()) -> Iterator[tuple[Keys, Any]]:
    for key, value in table.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, (*keys, key))
        else:
            yield (*keys, key), value


def _has(tree: Any, keys: Keys) -> bool:
    if not keys:
        return True
    return isinstance(tree, Mapping) and keys[0] in tree and _has(tree[keys[0]], keys[1:])


def _at(tree: Any, keys: Keys) -> Any:
    for key in keys:
        tree = tree.get(key) if isinstance(tree, Mapping) else None
    return tree
