"""core/failpoints.py; the kills themselves are in tests/integration/live/test_crash.py"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from antiphon.core.errors import BadRequest
from antiphon.core.failpoints import FAILPOINTS, arm, failpoint, parse_failpoint


@pytest.fixture
def kills(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[int, int]]]:
    found: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: found.append((pid, number)))
    yield found
    arm(None)


def test_names_and_counts() -> None:
    assert parse_failpoint("run.after_chunk") == ("run.after_chunk", 1)
    assert parse_failpoint("run.after_chunk:12") == ("run.after_chunk", 12)
    for name in FAILPOINTS:
        assert parse_failpoint(name) == (name, 1)


SUPERSCRIPT = pytest.mark.xfail(raises=ValueError, strict=True, reason="str.isdigit() takes digits that int() refuses")


@pytest.mark.parametrize(
    "text",
    ["", "run", "run.after_chunk:0", "run.after_chunk:-1", "run.after_chunk:x", "run.after_chunk:1:2", ":3",
     pytest.param("run.after_chunk:²", marks=SUPERSCRIPT)],
)  # fmt: skip
def test_anything_else_is_a_bad_request_that_names_it(text: str) -> None:
    with pytest.raises(BadRequest) as refused:
        parse_failpoint(text)
    assert repr(text) in refused.value.message


def test_unarmed_nothing_happens(kills: list[tuple[int, int]]) -> None:
    for name in FAILPOINTS:
        failpoint(name)
    assert kills == []


def test_the_nth_pass_of_the_armed_one_kills_this_process(kills: list[tuple[int, int]]) -> None:
    arm("run.after_chunk:3")
    failpoint("run.after_chunk")
    failpoint("run.after_sources")
    failpoint("run.after_chunk")
    assert kills == []
    failpoint("run.after_chunk")
    assert kills == [(os.getpid(), signal.SIGKILL)]


@pytest.mark.parametrize("off", [None, ""])
def test_disarming(kills: list[tuple[int, int]], off: str | None) -> None:
    arm("run.after_chunk")
    arm(off)
    failpoint("run.after_chunk")
    assert kills == []


def test_a_bad_name_arms_nothing(kills: list[tuple[int, int]]) -> None:
    with pytest.raises(BadRequest):
        arm("run.nowhere")
    for name in FAILPOINTS:
        failpoint(name)
    assert kills == []
