"""Words that an agent has to repeat before what cannot be overlooked is done."""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections.abc import Callable
from typing import Any

from pipeline.errors import UsageError

SECONDS = 600.0  # that a word counts


class Confirmations:
    """A word confirms one action with just these arguments, once."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._given: dict[str, tuple[str, float]] = {}  # word to what it confirms, until when

    def word(self, *what: Any) -> str:
        self._given = {word: kept for word, kept in self._given.items() if kept[1] > self._clock()}
        word = secrets.token_hex(4)
        self._given[word] = _digest(what), self._clock() + SECONDS
        return word

    def check(self, word: str, *what: Any) -> None:
        """UsageError unless the word was given for this, and lately."""
        meant, until = self._given.pop(word, ("", 0.0))
        if meant != _digest(what) or until < self._clock():
            raise UsageError(
                "this word confirms nothing; call without it first, then again with the word and the same arguments"
            )


def _digest(what: Any) -> str:
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()
