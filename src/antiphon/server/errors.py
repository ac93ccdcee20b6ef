"""The one place that maps errors to HTTP: status, headers and the body `{"error": {...}}`. Used by all of server/.

Tests: tests/unit/server/test_errors.py.
"""

from __future__ import annotations

import math
from typing import Any, Final

from starlette.responses import Response

from antiphon.core.errors import AntiphonError, BadRequest, Internal, Timeout, TooLarge
from antiphon.protocol.codec import encode_json

STATUSES: Final[dict[str, int]] = {
    "bad_request": 422,
    "unknown_type": 400,
    "unauthorized": 401,
    "token_expired": 401,
    "forbidden": 403,
    "not_found": 404,
    "conflict": 409,
    "run_active": 409,
    "rate_limited": 429,
    "quota_exceeded": 403,
    "too_large": 413,
    "unsupported": 415,
    "model_unavailable": 503,
    "model_error": 502,
    "context_too_long": 422,
    "retrieval_failed": 503,
    "tool_failed": 502,
    "run_interrupted": 503,
    "timeout": 504,
    "shutting_down": 503,
    "internal": 500,
    "url_refused": 403,
    "url_unreachable": 502,
    "url_disallowed": 403,
    "url_not_found": 404,
    "url_denied": 403,
    "url_too_large": 413,
    "url_duplicate": 409,
}
"""Status of each error code that can reach HTTP. A code that is missing here fails the test of this module."""

_SCALE_MS = 1000


class MalformedRequest(BadRequest):
    """The body is not what its content type says, or the head of the request is wrong. Correct it and send again."""


class SlowRequest(Timeout):
    """The request came too slowly. Send it again over a better connection, or in smaller parts."""


class WrongMethod(AntiphonError):
    """The address exists, but not for this method. The header `Allow` lists those it has."""

    code = "unsupported"


class WrongRange(BadRequest):
    """The range asked for does not lie in the file, or is more than one. Ask for one range inside of it."""

    def __init__(self, message: str, *, size_bytes: int) -> None:
        super().__init__(message)
        self.size_bytes = size_bytes


_STATUSES_BY_KIND: Final[dict[type[AntiphonError], int]] = {
    MalformedRequest: 400, SlowRequest: 408, WrongMethod: 405, WrongRange: 416,
}  # fmt: skip


def status_of(error: AntiphonError) -> int:
    return _STATUSES_BY_KIND.get(type(error)) or STATUSES.get(error.code, 500)


def error_object(error: AntiphonError, request_id: str) -> dict[str, Any]:
    """The inner object of the error shape, the same over HTTP and in an `ack`."""
    shape: dict[str, Any] = {
        "code": error.code, "message": error.message, "retryable": error.retryable, "request_id": request_id,
    }  # fmt: skip
    if error.data:
        shape["data"] = error.data
    return shape


def error_headers(error: AntiphonError) -> dict[str, str]:
    """Retry-After, WWW-Authenticate and Content-Range where the status asks for them."""
    headers: dict[str, str] = {}
    retry_after_ms = error.data.get("retry_after_ms")
    if isinstance(retry_after_ms, int | float):
        headers["Retry-After"] = str(max(1, math.ceil(retry_after_ms / _SCALE_MS)))
    elif error.code == "rate_limited":
        headers["Retry-After"] = "1"
    if status_of(error) == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="antiphon"'
    if isinstance(error, WrongRange):
        headers["Content-Range"] = f"bytes */{error.size_bytes}"
    return headers


def error_response(error: AntiphonError, request_id: str, *, headers: dict[str, str] | None = None) -> Response:
    return Response(
        encode_json({"error": error_object(error, request_id)}),
        status_code=status_of(error),
        headers={**error_headers(error), **(headers or {})},
        media_type="application/json",
    )


def defect(request_id: str) -> Internal:
    """What a caller is told of an exception we did not foresee: no word of its text, but the id under which it is logged."""
    return Internal(f"Something went wrong inside the server. Its log has the details under {request_id!r}.")


def body_too_large(limit_bytes: int) -> TooLarge:
    return TooLarge(f"The body is larger than {limit_bytes} bytes.", data={"limit_bytes": limit_bytes})
