"""core/errors.py: one tree, stable codes, sentences. The pages made of it: tests/docs/test_error_codes.py."""

from __future__ import annotations

from antiphon.core import errors
from antiphon.core.errors import AntiphonError, RateLimited

PROTOCOL_CODES = {
    "bad_request", "unknown_type", "unauthorized", "token_expired", "forbidden", "not_found", "conflict", "run_active",
    "rate_limited", "quota_exceeded", "too_large", "unsupported", "model_unavailable", "model_error", "context_too_long",
    "retrieval_failed", "tool_failed", "run_interrupted", "timeout", "shutting_down", "internal", "url_refused", "url_unreachable",
    "url_disallowed", "url_not_found", "url_denied", "url_too_large", "url_duplicate",
}  # fmt: skip
ALL = [
    each
    for each in vars(errors).values()
    if isinstance(each, type) and issubclass(each, AntiphonError) and each is not AntiphonError
]


def test_codes_are_unique_and_those_of_the_protocol() -> None:
    codes = [each.code for each in ALL]
    assert len(set(codes)) == len(codes)
    assert set(codes) - {"folder_in_use", "unsafe_settings"} == PROTOCOL_CODES


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    for each in ALL:
        assert each.__name__ in str(errors.__doc__)
        assert each.code in str(errors.__doc__)
        assert str(each.__doc__).strip().endswith(".")


def test_which_ones_are_worth_another_try() -> None:
    assert {each.code for each in ALL if each.retryable} == {
        "run_active", "rate_limited", "model_unavailable", "model_error", "retrieval_failed", "run_interrupted", "timeout",
        "shutting_down", "internal", "url_unreachable",
    }  # fmt: skip


def test_an_error_keeps_its_sentence_and_its_own_copy_of_the_data() -> None:
    data = {"retry_after_ms": 5}
    error = RateLimited("Too fast.", data=data)
    data.clear()
    assert (str(error), error.message, error.data, repr(error)) == (
        "Too fast.", "Too fast.", {"retry_after_ms": 5}, "RateLimited('Too fast.')",
    )  # fmt: skip
    assert AntiphonError("x").data == {}
