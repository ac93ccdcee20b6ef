from __future__ import annotations

import pytest

from antiphon.retrieve.fusion import fuse_rankings


def test_what_several_rankings_hold_comes_first() -> None:
    assert fuse_rankings([[1, 2, 3], [9, 3, 8]])[0][0] == 3
    assert fuse_rankings([[5]]) == [(5, 1 / 61)]
    assert fuse_rankings([]) == []


def test_weights_and_ties() -> None:
    assert [item for item, _ in fuse_rankings([[1], [2]])] == [1, 2]
    assert [item for item, _ in fuse_rankings([[1], [2]], [0.5, 1.0])] == [2, 1]
    assert dict(fuse_rankings([[1, 2], [2]], [1.0, 2.0]))[2] == pytest.approx(1 / 62 + 2 / 61)
