"""core/errors.py"""

from __future__ import annotations

import inspect
import re

import msgspec
import pytest

from antiphon.core import errors
from antiphon.core.errors import AntiphonError, RateLimited, RunActive

CLASSES = [
    each
    for _, each in inspect.getmembers(errors, inspect.isclass)
    if issubclass(each, AntiphonError) and each is not AntiphonError
]
OF_THE_PROTOCOL = {
    "bad_request", "unknown_type", "unauthorized", "token_expired", "forbidden", "not_found", "conflict", "run_active",
    "rate_limited", "quota_exceeded", "too_large", "unsupported", "model_unavailable", "model_error", "context_too_long",
    "retrieval_failed", "tool_failed", "run_interrupted", "timeout", "shutting_down", "internal",
}  # fmt: skip
RETRYABLE = {
    "run_active", "rate_limited", "model_unavailable", "model_error", "retrieval_failed", "run_interrupted", "timeout",
    "shutting_down", "internal",
}  # fmt: skip


def test_the_codes_are_the_protocols_and_two_of_the_command_line() -> None:
    codes = [each.code for each in CLASSES]
    assert len(set(codes)) == len(codes)
    assert set(codes) == OF_THE_PROTOCOL | {"folder_in_use", "unsafe_settings"}


@pytest.mark.parametrize("error", CLASSES, ids=lambda error: error.__name__)
def test_a_code_is_its_class_in_other_letters_and_says_what_to_do(error: type[AntiphonError]) -> None:
    assert error.code == re.sub(r"(?<!^)(?=[A-Z])", "_", error.__name__).lower()
    assert error.retryable is (error.code in RETRYABLE)
    assert error.__doc__ is not None
    assert error.__doc__.endswith(".")


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    drawn = dict(re.findall(r"\+-- (\w+)\s+([a-z_]+)", errors.__doc__ or ""))
    assert drawn == {each.__name__: each.code for each in CLASSES}


def test_message_and_data() -> None:
    data = {"retry_after_ms": 20}
    error = RateLimited("Too many questions.", data=data)
    data["retry_after_ms"] = 0
    assert (error.message, str(error), error.data) == ("Too many questions.", "Too many questions.", {"retry_after_ms": 20})
    assert repr(error) == "RateLimited('Too many questions.')"
    assert msgspec.json.encode(error.data) == b'{"retry_after_ms":20}'
    assert RunActive("Busy.").data == {}
