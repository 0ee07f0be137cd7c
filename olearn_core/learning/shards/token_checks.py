"""What an outcome's decision_id is worth: ours and in time, or refused and counted."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from olearn_core.errors import EventError, TokenError
from olearn_core.events import Outcome
from olearn_core.learning.shards.tick import Tick
from olearn_core.sources.source import Record
from olearn_core.statistics.buckets import DAY_SECONDS
from olearn_core.tokens import Decided, SigningKey, verify

POINTER = "/decision_id"

Keys = Callable[[], Mapping[int, SigningKey]]


class TokenCheck:
    """
    Verifies decision tokens; each kind of refusal has a count of its own.

    :param keys: gives the keys that decisions are signed with
    A decision is late where its earlier outcome may be forgotten, and would count twice.

    :param most_days: its age, when the log takes its outcome, beyond which it is late too
    :ivar is_required: whether outcomes without a good token are refused
    """

    def __init__(self, keys: Keys, most_days: float, *, is_required: bool) -> None:
        self._keys = keys
        self._most_seconds = most_days * DAY_SECONDS
        self.is_required = is_required

    def decided(self, record: Record, outcome: Outcome, tick: Tick) -> Decided | None:
        """
        Return the decision that an outcome belongs to, None where it bears no good token.

        :raises EventError: where the outcome is refused for that
        """
        if outcome.decision_id:
            try:
                return self._checked(record, outcome, tick)
            except TokenError as error:
                tick.counts["bad_tokens"] += 1
                tick.counts[f"token_{error.refusal}"] += 1
                if error.refusal == "late":
                    raise EventError(str(error), POINTER) from None
        if self.is_required:
            raise EventError("a decision_id signed by this service is required", POINTER)
        return None

    def _checked(self, record: Record, outcome: Outcome, tick: Tick) -> Decided:
        decided = verify(self._keys(), outcome.decision_id or "")
        if decided.tenant != outcome.tenant:
            raise TokenError("the decision_id belongs to another tenant", "wrong_tenant")
        came_at = record.timestamp / 1e3 if record.timestamp > 0 else tick.reference_seconds
        if came_at - decided.issued_at_seconds > self._most_seconds:
            days = self._most_seconds / DAY_SECONDS
            found = f"the decision is more than {days:g} days older than its outcome"
            raise TokenError(f"{found}, see [decisions] token_days", "late")
        since = tick.ratings_since if outcome.status is None else tick.executions_since
        # What lay in the log before that is read anew, and cannot be remembered.
        if since is not None and decided.issued_at_seconds < since <= came_at:
            found = "the decision is older than what is remembered of outcomes"
            raise TokenError(f"{found}, see [learning] dedup_ids and dedup_ratings", "late")
        return decided
