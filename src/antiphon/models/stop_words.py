"""`StopWords`: cuts a growing text before the first stop word, also when it comes in pieces. For models without a server.

Tests: tests/unit/models/test_stop_words.py.
"""

from __future__ import annotations

from collections.abc import Sequence


class StopWords:
    """`hit`: a stop word was seen; nothing comes after."""

    def __init__(self, words: Sequence[str]) -> None:
        self._words = [word for word in words if word]
        self._held = ""
        self.hit = False

    def feed(self, text: str) -> str:
        """What may be shown of everything fed so far: never a part of a stop word."""
        if self.hit:
            return ""
        window = self._held + text
        starts = [place for word in self._words if (place := window.find(word)) >= 0]
        if starts:
            self.hit, self._held = True, ""
            return window[: min(starts)]
        keep = max((self._overlap(window, word) for word in self._words), default=0)
        self._held = window[len(window) - keep :]
        return window[: len(window) - keep]

    def end(self) -> str:
        """What was held back, now that nothing more comes."""
        held, self._held = self._held, ""
        return held

    @staticmethod
    def _overlap(text: str, word: str) -> int:
        """How much of the end of `text` is a beginning of `word`."""
        return next((size for size in range(min(len(word) - 1, len(text)), 0, -1) if text.endswith(word[:size])), 0)
