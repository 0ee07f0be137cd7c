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
    """
    The decision_id is not one that this service has signed.

    :param refusal: under which name it is counted, see `tokens.REFUSALS`
    """

    def __init__(self, message: str | None = None, refusal: str = "tampered") -> None:
        super().__init__(message or "the decision_id is not one that this service has signed")
        self.refusal = refusal


class NotFoundError(OlearnError):
    """There is no such thing here."""


class QuestionError(OlearnError):
    """
    A decision cannot be made as it was asked for.

    :param pointer: JSON Pointer to the field, empty where the whole is wrong
    """

    def __init__(self, reason: str, pointer: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.pointer = pointer


class AuthenticationError(OlearnError):
    """
    The request needs an API key or a token; make a key with `olearn keys create`.

    :param is_wrong: whether it bears one that is not good, rather than none
    """

    def __init__(self, message: str | None = None, *, is_wrong: bool = True) -> None:
        super().__init__(message)
        self.is_wrong = is_wrong


class ForbiddenError(OlearnError):
    """
    The credential does not allow this; another one may.

    :param scope: the one that would be needed, empty where none would help
    :param pointer: JSON Pointer to the field that asks too much, empty for the whole
    """

    def __init__(self, message: str | None = None, scope: str = "", pointer: str = "") -> None:
        super().__init__(message)
        self.scope = scope
        self.pointer = pointer


class TooManyRequestsError(OlearnError):
    """
    More came from one caller than it may send; less gets through.

    :param retry_seconds: when it is worth trying again
    """

    def __init__(self, message: str | None = None, retry_seconds: int = 1) -> None:
        super().__init__(message)
        self.retry_seconds = retry_seconds


class StorageError(OlearnError):
    """The database refuses; `olearn db check` says why."""


class SourceError(OlearnError):
    """The source of outcomes cannot be read; check the broker's address and topic."""


class RecreatedLogError(SourceError):
    """
    A log is not the one whose offsets are stored; learning on would be a guess.

    :param name: topic/partition
    :param found: what shows it, a clause
    """

    def __init__(self, name: str, found: str) -> None:
        super().__init__(
            f"{found}: the topic was made anew, or belongs to another cluster; say where to go on"
            f" with `olearn partitions reset {name} --to earliest`"
        )


class StalledError(OlearnError):
    """Learning does not get on; the process ends so that a new one starts afresh."""


class FencedError(OlearnError):
    """Another worker owns this partition now; what was held for it is dropped."""


class NotReadyError(OlearnError):
    """The service is not ready yet; try again in a moment."""


class WrongNodeError(OlearnError):
    """The node only learns; ask one that answers (role all or api)."""


class ServiceError(OlearnError):
    """The service cannot be reached; start it with `olearn serve` or give its --url."""
