"""What goes first when a window is small."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.models.chat import ChatMessage
from antiphon.runs.context_fitting import KEPT_PASSAGES, estimate_tokens, fit_context
from antiphon.testing.flows import sample_passage


def turn(n: int, size: int = 400) -> list[ChatMessage]:
    return [
        ChatMessage(role="user", content=f"q{n} " * (size // 4)),
        ChatMessage(role="assistant", content=f"a{n} " * (size // 4)),
    ]


HISTORY = [*turn(1), *turn(2), *turn(3)]
PASSAGES = [sample_passage(n, text="word " * 200) for n in range(1, 7)]  # about 330 tokens each


def fit(window: int, history=HISTORY, passages=PASSAGES, **fields):
    return fit_context(window, question="Why?", system="Rules.", history=history, passages=passages, **fields)


def test_everything_fits_a_large_window() -> None:
    fitted = fit(32_000)
    assert (fitted.history, fitted.passages) == (HISTORY, PASSAGES)
    assert (fitted.dropped_messages, fitted.dropped_passages) == (0, 0)
    assert 2_400 < fitted.tokens < 4_000


@pytest.mark.parametrize(
    ("window", "messages", "passages"),
    [(4_300, 6, 6), (3_400, 4, 6), (3_100, 2, 6), (2_800, 2, 5), (1_500, 2, 2), (1_100, 0, 2), (800, 0, 1), (512, 0, 1)],
)
def test_order_of_leaving(window: int, messages: int, passages: int) -> None:
    fitted = fit(window)
    assert (len(fitted.history), len(fitted.passages)) == (messages, passages)
    assert fitted.history == HISTORY[len(HISTORY) - messages :], "the latest turns stay, whole"
    assert fitted.passages == PASSAGES[:passages], "the best passages stay, so that their numbers do"


def test_room_for_the_answer() -> None:
    assert len(fit(3_400, answer_tokens=100).history) > len(fit(3_400, answer_tokens=1_500).history)


def test_estimates_are_on_the_safe_side() -> None:
    assert estimate_tokens("The quick brown fox jumps over the lazy dog. " * 100) >= 1_000  # 10 tokens a sentence
    assert estimate_tokens("员工每年享有二十天带薪年假。" * 100) >= 1_000
    assert estimate_tokens("") == 1


@given(
    window=st.integers(512, 20_000),
    sizes=st.lists(st.integers(1, 4_000), max_size=8),
    turns=st.integers(0, 6),
    answer=st.one_of(st.none(), st.integers(1, 4_000)),
)
def test_whatever_comes(window: int, sizes: list[int], turns: int, answer: int | None) -> None:
    history = [message for n in range(turns) for message in turn(n, 40 + 200 * n)]
    passages = [sample_passage(n, text="字" * size) for n, size in enumerate(sizes, 1)]
    fitted = fit(window, history, passages, answer_tokens=answer)
    assert fitted.passages == passages[: len(fitted.passages)]
    assert fitted.history == history[len(history) - len(fitted.history) :]
    assert not fitted.history or fitted.history[0].role == "user"
    assert len(fitted.passages) >= min(1, len(passages))
    assert fitted.tokens <= window or (len(fitted.passages) <= 1 and not fitted.history)
    if len(fitted.passages) < min(KEPT_PASSAGES, len(passages)):
        assert not fitted.history
