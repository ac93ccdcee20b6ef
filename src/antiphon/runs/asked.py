"""`Asked`: what a question is asked of, kept with its run, so that it can wait, be asked again, or be repeated.

Used by commands (made from the payload), runs/waiting.py and runs/branches.py. Tests: tests/unit/runs/test_asked.py.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from antiphon.access.identity import Identity, Role
from antiphon.core.ids import UserId, WorkspaceId
from antiphon.core.runtime import RandomSource
from antiphon.storage.lexical.contract import SearchFilter

SEED_BYTES = 4
MOST_SEED = 2**31


class Asked(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`key_workspace`, `key_role`: how far the key reached that the question came with; who asks later for somebody (the
    queue) reaches no further. `again`: an answer is asked for anew, its question is not told again."""

    workspace_ids: list[str]
    filter: SearchFilter | None = None
    seed: int = 0
    fixed_seed: bool = False
    key_workspace: str | None = None
    key_role: int | None = None
    again: bool = False

    def to_record(self) -> dict[str, Any]:
        return msgspec.to_builtins(self)

    @staticmethod
    def of_record(record: Any) -> Asked | None:
        """None for a run of an older version, which recorded nothing."""
        return msgspec.convert(record, Asked) if record else None

    def identity(self, user_id: str, name: str) -> Identity:
        """The asker, as far as the key reached."""
        return Identity(
            user_id=UserId(user_id), name=name, credential="queue",
            key_workspace=None if self.key_workspace is None else WorkspaceId(self.key_workspace),
            key_role=None if self.key_role is None else Role(self.key_role),
        )  # fmt: skip


def draw_seed(random: RandomSource) -> int:
    """Small enough for every model server."""
    return int.from_bytes(random.token(SEED_BYTES), "big") % MOST_SEED
