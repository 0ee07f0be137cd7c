"""The first key: an operator's, in a file that only its owner reads."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from olearn_core.auth.api_key import new_key
from olearn_core.auth.api_keys import ApiKeys
from olearn_core.errors import AuthenticationError, ConfigError

LARGEST_BYTES = 1_024


async def bootstrap(keys: ApiKeys, path: Path, environment: str) -> Path | None:
    """
    Give a database that never had keys its first one; return where it lies.

    A file that is there already brings the key: a deployment may have put it there,
    or the database was made anew. Where the database has keys, return the file if
    its key is good, else None.

    :raises ConfigError: where the file cannot be written, or is not fit for a secret
    """
    if not await keys.store.has_pepper():
        await _begin(keys, path, environment)
    return path if await _is_good(keys, path) else None


async def _begin(keys: ApiKeys, path: Path, environment: str) -> None:
    is_ours = _made(path, environment)
    try:
        began = await keys.begin(read_key(path))
    except AuthenticationError as error:
        raise ConfigError(f"[auth] bootstrap_key_file {path}: {error}; delete it") from None
    if is_ours and not began:
        _drop(path)  # another node was before us: its key counts


def read_key(path: Path) -> str:
    """
    Return the key in a file.

    :raises ConfigError: where it cannot be read, or others may read it too
    """
    try:
        with path.open() as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read(LARGEST_BYTES).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"[auth] bootstrap_key_file {path} cannot be read: {error}") from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(f"others may read the key in {path}: run `chmod 600 {path}`")
    return text


def _drop(path: Path) -> None:
    path.unlink(missing_ok=True)


async def _is_good(keys: ApiKeys, path: Path) -> bool:
    try:
        credential, _ = await keys.identified(read_key(path))
    except (AuthenticationError, ConfigError):
        return False
    return credential.is_operator


def _made(path: Path, environment: str) -> bool:
    """Write a new key where there is no file yet; tell whether there was none."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(new_key(environment) + "\n")
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        return False
    except OSError as error:
        raise ConfigError(
            f"the first API key cannot be written to {path}: {error.strerror};"
            " choose another place with [auth] bootstrap_key_file"
        ) from None
    return True
