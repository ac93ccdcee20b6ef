"""`Retries`: how often, and after which pause, a request that failed before its first delta is sent again.

Used by the adapters of this room, one for each answer. Tests: tests/unit/models/test_openai_compatible.py.
"""

from __future__ import annotations

from typing import Final

from antiphon.core.runtime import Runtime
from antiphon.models.openai_errors import Verdict

FIRST_BACKOFF_S: Final = 0.5
LONGEST_BACKOFF_S: Final = 8.0


class Retries:
    """`tries`: further ones after the first."""

    def __init__(self, tries: int, runtime: Runtime) -> None:
        self._left = tries
        self._runtime = runtime
        self._backoff_s = FIRST_BACKOFF_S

    async def wait(self, verdict: Verdict) -> None:
        """Returns when it is time for the next try. Raises the verdict's error when none is left."""
        if self._left <= 0:
            raise verdict.error
        self._left -= 1
        jittered_s = self._backoff_s * self._runtime.random.uniform(0.75, 1.25)
        await self._runtime.scheduler.sleep(max(jittered_s, verdict.wait_s or 0.0))
        self._backoff_s = min(2 * self._backoff_s, LONGEST_BACKOFF_S)
