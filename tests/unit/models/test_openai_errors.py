from __future__ import annotations

import pytest

from antiphon.core.errors import ContextTooLong, ModelError, RateLimited, Timeout
from antiphon.models.openai_errors import Complaint, Verdict, judge_status, judge_stream_error, read_complaint, retry_after_s

NOW_S = 1_795_000_000.0
KEY = "sk-abcdef0123456789"


def judge(status: int, words: str = "", *, code: str = "", **headers: str) -> Verdict:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return judge_status(status, named, Complaint(words=words, code=code), server="h:1", model="m", now_s=NOW_S)


@pytest.mark.parametrize("status", [401, 403])
def test_refused_key(status: int) -> None:
    verdict = judge(status, f"Incorrect API key provided: {KEY[:8]}")
    assert isinstance(verdict.error, ModelError)
    assert "refused the API key" in verdict.error.message
    assert KEY[:8] not in verdict.error.message
    assert not verdict.again


def test_unknown_model_is_named() -> None:
    verdict = judge(404, "model not found")
    assert "does not know the model 'm'" in verdict.error.message
    assert "It said: model not found." in verdict.error.message
    assert not verdict.again


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("whatever", "context_length_exceeded"),
        ("This model's maximum context length is 8192 tokens. However, you requested 9000 tokens.", "400"),
        ("the request exceeds the available context size. try increasing the context size", "500"),
        ("Please reduce the length of the messages", ""),
        ("prompt is too long: 210000 tokens > 200000 maximum", ""),
    ],
)
def test_context_too_long(words: str, code: str) -> None:
    assert isinstance(judge(400, words, code=code).error, ContextTooLong)


def test_other_bad_requests_are_model_errors() -> None:
    verdict = judge(400, "tools are not supported")
    assert isinstance(verdict.error, ModelError)
    assert not verdict.again


def test_rate_limit_tells_when() -> None:
    verdict = judge(429, "slow down", retry_after="7")
    assert isinstance(verdict.error, RateLimited)
    assert verdict.error.data == {"retry_after_ms": 7000}
    assert (verdict.again, verdict.wait_s) == (True, 7.0)


def test_too_long_a_wait_is_told_instead_of_waited() -> None:
    assert not judge(429, retry_after="3600").again
    assert not judge(503, retry_after="3600").again
    assert judge(503, retry_after="2").again


def test_empty_account_is_no_rate_limit() -> None:
    verdict = judge(429, "You exceeded your current quota", code="insufficient_quota")
    assert isinstance(verdict.error, ModelError)
    assert not verdict.again


@pytest.mark.parametrize(("status", "again"), [(500, True), (502, True), (503, True), (529, True), (501, False)])
def test_server_errors(status: int, again: bool) -> None:
    verdict = judge(status)
    assert isinstance(verdict.error, ModelError)
    assert verdict.again is again


def test_gateway_timeouts() -> None:
    assert isinstance(judge(504).error, Timeout)


def test_redirect_says_what_to_do() -> None:
    assert "Set its final address" in judge(307).error.message


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({}, None),
        ({"retry-after": "5"}, 5.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Wed, 18 Nov 2026 11:06:50 GMT"}, 10.0),
        ({"retry-after": "Wed, 18 Nov 2026 11:06:30 GMT"}, 0.0),
        ({"retry-after": "9" * 400}, 86_400.0),
        ({"retry-after-ms": "nan"}, None),
    ],
)
def test_retry_after(headers: dict[str, str], wait_s: float | None) -> None:
    assert retry_after_s(headers, now_s=NOW_S) == wait_s


@pytest.mark.parametrize(
    ("body", "words", "code"),
    [
        (b'{"error":{"message":"no","code":"bad","type":"t"}}', "no", "bad"),
        (b'{"error":{"message":"no","code":null,"type":"T_x"}}', "no", "t_x"),
        (b'{"error":"no"}', "no", ""),
        (b'{"detail":"no"}', "no", ""),
        (b'{"detail":[{"loc":["body"],"msg":"no"}]}', '[{"loc":["body"],"msg":"no"}]', ""),
        (b'{"message":"no","code":400}', "no", "400"),
        (b"plain  words\r\n", "plain words", ""),
        (b"<html><body>502</body></html>", "", ""),
        (b"", "", ""),
        (b"\xff\xfe", "\ufffd\ufffd", ""),
        (b"[" * 100_000, "[" * 300 + "\u2026", ""),
    ],
)
def test_complaints(body: bytes, words: str, code: str) -> None:
    complaint = read_complaint(body, key=None)
    assert (complaint.words, complaint.code) == (words, code)


def test_key_is_never_repeated() -> None:
    body = b'{"error":{"message":"I do not know %b"}}' % KEY.encode()
    assert read_complaint(body, key=KEY).words == "I do not know [key]"


def test_key_cut_by_the_length_limit_is_not_repeated_either() -> None:
    body = b'{"error":"%b%b"}' % (b"x" * 290, KEY.encode())
    assert KEY[:6] not in read_complaint(body, key=KEY).words


def test_words_are_one_short_line() -> None:
    words = read_complaint(b'{"error":"a\\nb\\u202e' + b"c" * 2000 + b'"}', key=None).words
    assert words.startswith("a b c")
    assert len(words) <= 301


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        ({"message": "overloaded", "type": "server_error"}, ModelError),
        ({"message": "x", "code": "context_length_exceeded"}, ContextTooLong),
        ({"message": "x", "code": 429}, RateLimited),
        ("just words", ModelError),
        (7, ModelError),
    ],
)
def test_errors_inside_a_stream(told: object, kind: type[Exception]) -> None:
    error = judge_stream_error(told, server="h:1", model="m", key=None)
    assert type(error) is kind
    assert error.message.endswith(".")
