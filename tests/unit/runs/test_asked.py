"""runs/asked.py: there and back through a record, and who asks later for somebody reaches no further."""

from __future__ import annotations

from antiphon.access.identity import Role
from antiphon.runs.asked import MOST_SEED, Asked, draw_seed
from antiphon.storage.lexical.contract import SearchFilter
from antiphon.testing.simulated import SimulatedRandom


def test_it_comes_back_as_it_was() -> None:
    asked = Asked(
        workspace_ids=["ws_1"],
        filter=SearchFilter(tags=["a"]),
        seed=9,
        fixed_seed=True,
        key_workspace="ws_1",
        key_role=1,
        again=True,
    )
    assert Asked.of_record(asked.to_record()) == asked
    assert Asked.of_record(Asked(workspace_ids=[]).to_record()) == Asked(workspace_ids=[])
    assert Asked.of_record(None) is None


def test_the_key_narrows_who_asks_later() -> None:
    identity = Asked(workspace_ids=[], key_workspace="ws_1", key_role=1).identity("usr_1", "Ada")
    assert (identity.user_id, identity.key_workspace, identity.key_role) == ("usr_1", "ws_1", Role.VIEWER)
    assert Asked(workspace_ids=[]).identity("usr_1", "Ada").key_workspace is None


def test_drawn_seeds_are_small_and_differ() -> None:
    random = SimulatedRandom(3)
    drawn = [draw_seed(random) for _ in range(50)]
    assert len(set(drawn)) == 50
    assert all(0 <= seed < MOST_SEED for seed in drawn)
