"""What an OpenAI-compatible server says when it does not answer, as one of our errors, and whether to try again.

Called by openai_compatible.py. The key never stands in a message: not ours, and not where a server repeats it.
Tests: tests/unit/models/test_openai_errors.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Final, cast

import msgspec

from antiphon.core.errors import AntiphonError, ContextTooLong, ModelError, ModelUnavailable, RateLimited, Timeout

LONGEST_WAIT_S: Final = 60.0  # a server that wants more is not waited for: the person is told instead
_WORDS_CHARACTERS: Final = 300
_CONTEXT = re.compile(
    r"context.{0,20}(length|window|size)|maximum context|too many tokens|prompt is too long|exceeds? the (available )?context"
    r"|reduce the length|max(imum)?[_ ]model[_ ]len",
    re.IGNORECASE,
)
_RATE_CODES: Final = frozenset({"rate_limit_exceeded", "rate_limit_error", "too_many_requests", "429", "overloaded_error"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Complaint:
    """What the server said: its words (one line, cut, without the key), and its code or type in lower case."""

    words: str
    code: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """`again`: whether the same request may succeed soon. `wait_s`: how long the server asked to wait; None: it did not say."""

    error: AntiphonError
    again: bool = False
    wait_s: float | None = None


def read_complaint(body: bytes | Mapping[str, Any] | str, *, key: str | None) -> Complaint:
    """Reads `{"error": {"message", "code", "type"}}`, `{"error": "..."}`, `{"detail": ...}`, `{"message": ...}`, or plain text."""
    value: Any = body
    if isinstance(body, bytes):
        try:
            value = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            text = body.decode("utf-8", "replace")
            value = "" if text.lstrip()[:1] == "<" else text
    code = ""
    for _ in range(3):
        if not isinstance(value, Mapping):
            break
        fields = cast("Mapping[str, Any]", value)
        code = next((str(fields[name]) for name in ("code", "type") if isinstance(fields.get(name), str | int)), code)
        value = next((fields[name] for name in ("error", "message", "detail", "msg") if fields.get(name)), "")
    words = value if isinstance(value, str) else msgspec.json.encode(value).decode() if value else ""
    return Complaint(words=_presentable(words, key), code=code.lower())


def judge_status(
    status: int, headers: Mapping[str, str], complaint: Complaint, *, server: str, model: str, now_s: float
) -> Verdict:
    """The error for an answer with this status. `server` is `host:port`, `now_s` wall-clock seconds for dates in headers."""
    said = f" It said: {complaint.words}" if complaint.words else ""
    if status in {401, 403}:
        # Its words are left out: servers like to repeat a part of the key.
        return Verdict(
            error=ModelError(
                f"The model server at {server} refused the API key ({status}). Check the key: "
                "ANTIPHON_CHAT_API_KEY, or that of the provider.",
                data={"status": status},
            )
        )
    if status in {408, 504}:
        return Verdict(error=Timeout(_whole(f"The model server at {server} gave up waiting ({status}).{said}")), again=True)
    if status == 429:
        return _rate_limited(headers, complaint, server=server, now_s=now_s)
    if status in {400, 413, 422} and says_context_too_long(complaint):
        return Verdict(
            error=ContextTooLong(_whole(f"The question with its passages and history is too long for {model!r}.{said}"))
        )
    if status == 404:
        return Verdict(
            error=ModelError(
                _whole(f"The model server at {server} does not know the model {model!r}, or the address lacks its `/v1`.{said}"),
                data={"model": model},
            )
        )
    if 300 <= status < 400:
        return Verdict(error=ModelError(f"The model server at {server} points elsewhere ({status}). Set its final address."))
    if status >= 500:
        error = ModelError(_whole(f"The model server at {server} failed ({status}).{said}"))
        wait_s = retry_after_s(headers, now_s=now_s)
        return Verdict(error=error, again=status != 501 and (wait_s or 0.0) <= LONGEST_WAIT_S, wait_s=wait_s)
    return Verdict(error=ModelError(_whole(f"The model server at {server} did not accept the request ({status}).{said}")))


def judge_stream_error(told: Any, *, server: str, model: str, key: str | None) -> AntiphonError:
    """The error for an `error` object that came inside a stream."""
    complaint = read_complaint(cast("Mapping[str, Any]", {"error": told}), key=key)
    said = f" It said: {complaint.words}" if complaint.words else ""
    if says_context_too_long(complaint):
        return ContextTooLong(_whole(f"The question with its passages and history is too long for {model!r}.{said}"))
    if complaint.code in _RATE_CODES:
        return RateLimited(_whole(f"The model server at {server} is handling too many requests.{said}"))
    return ModelError(_whole(f"The model server at {server} reported an error within the answer.{said}"))


def says_context_too_long(complaint: Complaint) -> bool:
    return complaint.code == "context_length_exceeded" or _CONTEXT.search(complaint.words) is not None


def may_try_again(error: AntiphonError) -> bool:
    """For errors of the connection: whether another try before the first delta makes sense. Not after a long silence."""
    return isinstance(error, ModelUnavailable | ModelError)


def retry_after_s(headers: Mapping[str, str], *, now_s: float) -> float | None:
    """From `retry-after-ms`, or `retry-after` in seconds or as a date (RFC 9110, 10.2.3). None when absent or malformed."""
    try:
        if "retry-after-ms" in headers:
            return _sane(float(headers["retry-after-ms"]) / 1000)
        text = headers.get("retry-after", "").strip()
        if not text:
            return None
        if text.replace(".", "", 1).isascii() and text.replace(".", "", 1).isdigit():
            return _sane(float(text))
        return _sane(parsedate_to_datetime(text).timestamp() - now_s)
    except (ValueError, OverflowError):
        return None


def _rate_limited(headers: Mapping[str, str], complaint: Complaint, *, server: str, now_s: float) -> Verdict:
    wait_s = retry_after_s(headers, now_s=now_s)
    said = f" It said: {complaint.words}" if complaint.words else ""
    if complaint.code == "insufficient_quota":
        return Verdict(error=ModelError(_whole(f"The account at the model server {server} has no quota left.{said}")))
    when = "" if wait_s is None else f" Try again in {wait_s:.0f} s."
    data = {} if wait_s is None else {"retry_after_ms": int(wait_s * 1000)}
    error = RateLimited(_whole(f"The model server at {server} is handling too many requests.{when}{said}"), data=data)
    return Verdict(error=error, again=wait_s is None or wait_s <= LONGEST_WAIT_S, wait_s=wait_s)


def _sane(wait_s: float) -> float | None:
    return min(max(wait_s, 0.0), 86_400.0) if wait_s == wait_s else None  # noqa: PLR0124 - not a number is not itself


def _presentable(words: str, key: str | None) -> str:
    if key:
        words = words.replace(key, "[key]")
    words = " ".join("".join(c if c.isprintable() else " " for c in words[: 4 * _WORDS_CHARACTERS]).split())
    return words if len(words) <= _WORDS_CHARACTERS else words[:_WORDS_CHARACTERS] + "…"


def _whole(sentence: str) -> str:
    return sentence if sentence.endswith((".", "!", "?", "…", "。")) else sentence + "."
