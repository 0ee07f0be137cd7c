"""Versions of a model as a tree: which one came from which."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from olearn_core.schemas import VersionBody


@dataclass(frozen=True, slots=True)
class Descended:
    """
    A version and the branches before its number.

    :param parent: the number of the version that it came from, None where that is not known
    """

    version: VersionBody
    branches: str
    parent: int | None = None


def lineage(versions: Sequence[VersionBody]) -> list[Descended]:
    """
    Return versions newest first, those of a side line drawn in from the main line.

    The main line goes from the newest version back to its first ancestor.
    """
    known = {version.id: version for version in versions}
    newest = sorted(versions, key=lambda version: -version.version_number)
    main = set(_ancestors(newest[0], known)) if newest else set()
    depth = {version.id: _depth(version, known, main) for version in newest}
    return [
        Descended(version, _branch(depth[version.id]), _parent(version, known))
        for version in newest
    ]


def _parent(version: VersionBody, known: dict[int, VersionBody]) -> int | None:
    parent = known.get(version.parent_version_id or -1)
    return parent.version_number if parent else None


def _ancestors(version: VersionBody, known: dict[int, VersionBody]) -> Iterator[int]:
    current: VersionBody | None = version
    seen: set[int] = set()
    while current is not None and current.id not in seen:
        seen.add(current.id)
        yield current.id
        current = known.get(current.parent_version_id or -1)


def _depth(version: VersionBody, known: dict[int, VersionBody], main: set[int]) -> int:
    """Return how many side lines lie between a version and the main one."""
    return 0 if version.id in main else int(any(True for _ in _ancestors(version, known)))


def _branch(depth: int) -> str:
    return "● " if depth == 0 else "├─○ "
