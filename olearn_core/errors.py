"""
Every error olearn raises on purpose.

A message says what happened and what to do next; the docstring is the message
where none is given.
"""

from __future__ import annotations


class OlearnError(Exception):
    """Something went wrong in olearn."""

    def __init__(self, message: str | None = None) -> None:
        says = self.__doc__ or type(self).__name__  # no docstrings under python -OO
        super().__init__(message or says.strip().splitlines()[0])


class ConfigError(OlearnError):
    """The configuration is not valid; `olearn config check` names the key."""


class EventError(OlearnError):
    """
    An outcome cannot be read; it becomes a dead letter.

    :param reason: what is wrong, in one sentence
    :param pointer: JSON Pointer to the field, empty where the whole is wrong
    """

    def __init__(self, reason: str, pointer: str = "") -> None:
        super().__init__(f"{pointer}: {reason}" if pointer else reason)
        self.reason = reason
        self.pointer = pointer


class UnreadableEventError(EventError):
    """An outcome is not even JSON."""


class SumOverflowError(OlearnError):
    """A sum has passed 2^61; the shard stops before an integer could wrap."""


class CorruptArtifactError(OlearnError):
    """A stored table does not match its checksum; the previous good one is used."""


class PluginError(OlearnError):
    """A plugin cannot be used; `olearn plugins` shows why."""


class TokenError(OlearnError):
    """The decision_id is not one that this service has signed."""


class NotFoundError(OlearnError):
    """There is no such thing here."""


class StorageError(OlearnError):
    """The database refuses; `olearn db check` says why."""


class SourceError(OlearnError):
    """The source of outcomes cannot be read; check the broker's address and topic."""


class FencedError(OlearnError):
    """Another worker owns this partition now; what was held for it is dropped."""


class NotReadyError(OlearnError):
    """The service is not ready yet; try again in a moment."""


class ServiceError(OlearnError):
    """The service cannot be reached; start it with `olearn serve` or give its --url."""
