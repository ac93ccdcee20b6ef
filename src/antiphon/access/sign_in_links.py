"""The owner's one-time sign-in link, printed on stderr at start: its token lives in memory and works exactly once.

Made by the composition root, redeemed by the handler of `sign_in` (a POST: the linked page only has a button, so that a
link preview uses nothing up). Tests: tests/unit/access/test_sign_in_links.py.
"""

from __future__ import annotations

from antiphon.access.secrets import hash_secret, is_plausible, new_secret, same_secret
from antiphon.core.errors import Unauthorized
from antiphon.core.ids import UserId
from antiphon.core.runtime import Runtime


class SignInLinks:
    """At most one link is open; a new one replaces it. `lifetime_s` None: until it is used or the process ends."""

    def __init__(self, runtime: Runtime, *, lifetime_s: float | None = 24 * 3600.0) -> None:
        self._runtime = runtime
        self._lifetime_s = lifetime_s
        self._open: tuple[str, UserId, float] | None = None

    def issue(self, user_id: UserId) -> str:
        """The token of the link. The caller shows it to the owner only, and never logs it."""
        secret = new_secret("as", self._runtime.random)
        self._open = (hash_secret(secret), user_id, self._runtime.clock.monotonic())
        return secret

    def redeem(self, secret: str) -> UserId:
        """Whom the link signs in. A wrong token uses nothing up. Raises Unauthorized, always with the same words."""
        expected, user_id, issued = self._open or (hash_secret(""), UserId(""), 0.0)
        matches = is_plausible(secret) and same_secret(hash_secret(secret), expected)
        age_s = self._runtime.clock.monotonic() - issued
        if self._open is None or not matches or (self._lifetime_s is not None and age_s >= self._lifetime_s):
            raise Unauthorized("This sign-in link is used up or not valid. Start the server again to get a new one.")
        self._open = None
        return user_id
