"""Versions as files: written whole or not at all, readable by their owner only."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from olearn_core.storage.versions import ModelVersion


class Exporter:
    """
    Keeps the newest version of each model, and metrics.json, in a folder.

    The database remains the truth; these files are for people and other tools.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, versions: Sequence[ModelVersion], artifacts: Mapping[str, bytes]) -> None:
        """Write artifacts and metrics.json, each by rename."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for version in versions:
            artifact = artifacts[version.model_type]
            _write(self._path(version.model_type, artifact), artifact)
        metrics = {version.model_type: _described(version) for version in versions}
        _write(self._folder / "metrics.json", json.dumps(metrics, indent=2).encode())
        _sync(self._folder)

    def check(
        self, version: ModelVersion, artifact: bytes, checksums: Collection[str]
    ) -> list[str]:
        """
        Compare a version's file with its artifact; write it anew where it differs.

        An earlier version is nothing to speak of: another node has saved
        since, or this one ended before its files were written.

        :param checksums: SHA-256 of all versions of this model, in hexadecimal
        """
        path = self._path(version.model_type, artifact)
        if not path.is_file() or (found := path.read_bytes()) == artifact:
            return []
        known = {*checksums, self._said(version.model_type)}
        _write(path, artifact)
        _sync(self._folder)
        if hashlib.sha256(found).hexdigest() in known:
            return []
        name = f"version {version.version_number} of {version.model_type}"
        return [f"{path} did not match {name}; it is refused and written anew from the database"]

    def _said(self, model_type: str) -> str:
        """Return what metrics.json says of a file: its version may be pruned by now."""
        try:
            metrics = json.loads((self._folder / "metrics.json").read_bytes())
            return str(metrics[model_type]["sha256"])
        except (OSError, ValueError, KeyError, TypeError):
            return ""

    def _path(self, model_type: str, artifact: bytes) -> Path:
        """A table is an npz; what is not (a policy's options) is JSON."""
        suffix = "npz" if artifact.startswith(b"PK") else "json"
        return self._folder / f"{model_type}.{suffix}"


def _described(version: ModelVersion) -> dict[str, Any]:
    names = ("id", "version_number", "status", "metrics", "parameters", "training_samples")
    more = ("sha256", "covered_offsets", "parent_version_id", "created_at")
    return {name: getattr(version, name) for name in (*names, *more)}


def _write(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    flags = os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_NOFOLLOW
    descriptor = os.open(temporary, flags, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _sync(path: Path) -> None:
    """Make the renames in a folder durable."""
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
