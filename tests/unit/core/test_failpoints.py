"""core/failpoints.py: the n-th pass of the armed name kills, nothing else does."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from antiphon.core.errors import BadRequest
from antiphon.core.failpoints import FAILPOINTS, arm, failpoint, parse_failpoint


@pytest.fixture
def kills(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    kills: list[int] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: kills.append(number) if pid == os.getpid() else None)
    yield kills
    arm(None)


def test_unarmed_nothing_happens(kills: list[int]) -> None:
    arm(None)
    for name in FAILPOINTS:
        failpoint(name)
    assert kills == []


def test_the_nth_pass_kills(kills: list[int]) -> None:
    arm("run.after_chunk:3")
    for _ in range(2):
        failpoint("run.after_chunk")
        failpoint("run.after_sources")
    assert kills == []
    failpoint("run.after_chunk")
    assert kills == [signal.SIGKILL]


def test_a_name_alone_is_its_first_pass() -> None:
    assert parse_failpoint("log.after_batch") == ("log.after_batch", 1)
    assert parse_failpoint("log.after_batch:12") == ("log.after_batch", 12)


@pytest.mark.parametrize(
    "text", ["", "nonsense", "run.after_chunk:0", "run.after_chunk:x", "run.after_chunk:-1", "run.after_chunk:1:2"]
)
def test_what_cannot_be_armed_is_said(text: str, kills: list[int]) -> None:
    with pytest.raises(BadRequest):
        parse_failpoint(text)
    if text:
        with pytest.raises(BadRequest):
            arm(text)
