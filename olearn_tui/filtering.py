"""Which rows a filter lets through."""

from __future__ import annotations


def matches(pattern: str, text: str) -> bool:
    """
    Return whether a text has every word of a pattern.

    A word is there where its letters stand in the text in this order, not
    necessarily side by side; one behind `!` must not be there, side by side. Case does not matter.
    """
    text = text.casefold()
    return all(_has(word, text) for word in pattern.casefold().split())


def _has(word: str, text: str) -> bool:
    if word.startswith("!"):
        return len(word) == 1 or word[1:] not in text
    letters = iter(text)
    return all(letter in letters for letter in word)
