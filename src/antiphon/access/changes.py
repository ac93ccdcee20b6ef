"""`AccessChanges`: who may what has just changed. Open sockets listen, and check themselves again at once (promise P7).

library and conversations tell, after their change is committed; transports listen. In process only: several processes
will pass the same notices on through their bus. Tests: tests/unit/access/test_changes.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True, slots=True)
class AccessChange:
    """Whom it touches: `user_id` None is everybody. `credential`, `workspace_id`, `session_id`: when it is only about that
    one. `kind` `granted` takes nothing away."""

    kind: Literal["granted", "lowered", "revoked"]
    user_id: str | None = None
    credential: str | None = None
    workspace_id: str | None = None
    session_id: str | None = None


AccessListener = Callable[[AccessChange], None]
"""Called in the loop's thread, right after the commit. Must not raise or wait."""


class AccessChanges:
    def __init__(self) -> None:
        self._listeners: list[AccessListener] = []

    def notify(self, change: AccessChange) -> None:
        """Listeners are called in the order they came; one that leaves meanwhile is passed over."""
        for listener in list(self._listeners):
            if listener in self._listeners:
                listener(change)

    def listen(self, listener: AccessListener) -> Callable[[], None]:
        """Calls `listener` at every later change; the returned function ends that (idempotent)."""
        self._listeners.append(listener)

        def leave() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return leave
