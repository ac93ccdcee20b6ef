"""`SharedLock`: many searches at once, or one change. For threads. Used by loaded_space.py; tests: tests/unit/retrieve/test_matrix.py."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager


class SharedLock:
    """A waiting change goes before later searches, so that it is not kept out for ever."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._shared = 0
        self._waiting = 0
        self._alone = False

    @contextmanager
    def shared(self) -> Generator[None]:
        with self._condition:
            while self._alone or self._waiting:
                self._condition.wait()
            self._shared += 1
        try:
            yield
        finally:
            with self._condition:
                self._shared -= 1
                self._condition.notify_all()

    @contextmanager
    def alone(self) -> Generator[None]:
        with self._condition:
            self._waiting += 1
            while self._alone or self._shared:
                self._condition.wait()
            self._waiting -= 1
            self._alone = True
        try:
            yield
        finally:
            with self._condition:
                self._alone = False
                self._condition.notify_all()
