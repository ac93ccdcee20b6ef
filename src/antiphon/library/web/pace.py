"""`Pace`: keeps requests to one site apart, over all crawls of the process. Tests: tests/unit/library/test_robots.py."""

from __future__ import annotations

from typing import Final

from antiphon.core.runtime import Runtime

_MOST_SITES: Final = 1000


class Pace:
    """Loop-thread only."""

    def __init__(self, runtime: Runtime) -> None:
        self._clock = runtime.clock
        self._scheduler = runtime.scheduler
        self._free_at: dict[str, float] = {}

    async def turn(self, origin: str, gap_s: float) -> None:
        """Returns when `gap_s` have passed since the turn before; turns are given in the order of asking."""
        now_s = self._clock.monotonic()
        mine_s = max(now_s, self._free_at.get(origin, now_s))
        if len(self._free_at) > _MOST_SITES:
            self._free_at = {site: at_s for site, at_s in self._free_at.items() if at_s > now_s}
        self._free_at[origin] = mine_s + gap_s
        if mine_s > now_s:
            await self._scheduler.sleep(mine_s - now_s)
