"""`HubRights`: what the hub asks again and again of open connections, answered by accounts and the topic table.

Made by composition.py. Tests: tests/integration/live/test_revocation.py.
"""

from __future__ import annotations

from antiphon.access.identity import Identity
from antiphon.commands.topics import Topics
from antiphon.library.accounts import Accounts


class HubRights:
    """The hub's questions, answered by accounts and the topic table."""

    def __init__(self, accounts: Accounts, topics: Topics) -> None:
        self._accounts = accounts
        self._topics = topics

    async def is_still_valid(self, identity: Identity, /) -> bool:
        return await self._accounts.is_still_valid(identity)

    async def may_subscribe(self, identity: Identity, topic: str, /) -> bool:
        return await self._topics.may_subscribe(identity, topic)
