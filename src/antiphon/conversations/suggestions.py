"""Taking back a suggestion of an answer: it is gone on every device. Called by commands/handlers/sessions.py.

Tests: tests/unit/conversations/test_suggestions.py.
"""

from __future__ import annotations

from collections.abc import Callable

from antiphon.access.scope import Scope, system_scope
from antiphon.protocol.events import Event, SuggestionDismissed
from antiphon.protocol.topics import session_topic
from antiphon.storage.records.contract import Store, Transaction
from antiphon.storage.records.rows import MESSAGES

Publish = Callable[[list[str], Event], object]


async def dismiss_suggestion(store: Store, publish: Publish, scope: Scope, session_id: str, suggestion_id: str) -> bool:
    """Whether it was there; doing it again is fine. The caller has checked that the session is the caller's own."""

    def work(tx: Transaction) -> str | None:
        for message in tx.find(
            MESSAGES, scope, {"session_id": session_id, "role": "assistant"}, order="ordinal", descending=True
        ):
            left = [one for one in message.suggestions or [] if one["suggestion_id"] != suggestion_id]
            if len(left) != len(message.suggestions or []):
                tx.update(MESSAGES, system_scope("suggestion"), message.id, suggestions=left)
                return message.id
        return None

    message_id = await store.write(work)
    if message_id is None:
        return False
    event = SuggestionDismissed(suggestion_id=suggestion_id, session_id=session_id, message_id=message_id)
    publish([session_topic(session_id)], event)
    return True
