"""What is wrong now, in words, by subject."""

from __future__ import annotations

import logging

logger = logging.getLogger(__name__)


class Problems(dict[str, str]):
    """Problems by subject; each is logged once, when it comes."""

    def note(self, subject: str, problem: str) -> None:
        """Say what is wrong with a subject."""
        if self.get(subject) != problem:
            logger.error("%s: %s", subject, problem)
        self[subject] = problem

    def clear_of(self, subject: str) -> None:
        """Say that all is well with a subject."""
        if self.pop(subject, None) is not None:
            logger.info("%s: well again", subject)
