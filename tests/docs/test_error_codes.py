"""The codes: each once, each documented with what to do, all of the protocol's there."""

from __future__ import annotations

PROTOCOL = [
    "bad_request",
    "unknown_type",
    "unauthorized",
    "token_expired",
    "forbidden",
    "not_found",
    "conflict",
    "run_active",
    "rate_limited",
    "quota_exceeded",
    "too_large",
    "unsupported",
    "model_unavailable",
    "model_error",
    "context_too_long",
    "retrieval_failed",
    "tool_failed",
    "run_interrupted",
    "timeout",
    "shutting_down",
    "internal",
]


def test_codes_are_unique_and_complete(generator):
    codes = [kind.code for kind in generator.error_classes()]
    assert len(codes) == len(set(codes))
    assert set(PROTOCOL) <= set(codes)


def test_each_says_what_happened(generator):
    for kind in generator.error_classes():
        assert len((kind.__doc__ or "").split()) >= 6, kind
        assert (kind.__doc__ or "").strip().endswith("."), kind


def test_the_tree_at_the_top_of_the_file_is_complete(generator):
    from antiphon.core import errors

    for kind in generator.error_classes():
        assert kind.__name__ in (errors.__doc__ or ""), f"{kind.__name__} is missing in the drawing"
