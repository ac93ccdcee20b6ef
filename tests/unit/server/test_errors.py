from __future__ import annotations

import msgspec
import pytest

from antiphon.core import errors as tree
from antiphon.core.errors import AntiphonError, NotFound, RateLimited, Unauthorized
from antiphon.server.errors import STATUSES, WrongRange, defect, error_headers, error_response, status_of

COMMAND_LINE_ONLY = {"folder_in_use", "unsafe_settings"}


def _codes() -> set[str]:
    return {kind.code for kind in AntiphonError.__subclasses__() if kind.__module__ == tree.__name__} - COMMAND_LINE_ONLY


def test_every_code_that_can_reach_http_has_a_status():
    assert set(STATUSES) == _codes()
    assert all(400 <= status < 600 for status in STATUSES.values())


def test_the_shape_is_exact_and_data_is_left_out_when_empty():
    body = msgspec.json.decode(error_response(NotFound("No such thing."), "req_1").body)
    assert body == {"error": {"code": "not_found", "message": "No such thing.", "retryable": False, "request_id": "req_1"}}
    body = msgspec.json.decode(error_response(NotFound("No.", data={"kind": "run"}), "req_1").body)
    assert body["error"]["data"] == {"kind": "run"}


@pytest.mark.parametrize(("error", "expected"), [
    (RateLimited("x", data={"retry_after_ms": 2500}), {"Retry-After": "3"}), (RateLimited("x"), {"Retry-After": "1"}),
    (RateLimited("x", data={"retry_after_ms": 1}), {"Retry-After": "1"}),
    (Unauthorized("x"), {"WWW-Authenticate": 'Bearer realm="antiphon"'}), (NotFound("x"), {}),
    (WrongRange("x", size_bytes=7), {"Content-Range": "bytes */7"}),
])  # fmt: skip
def test_headers_that_a_status_asks_for(error, expected):
    assert error_headers(error) == expected


def test_an_unknown_code_is_500_and_a_defect_says_nothing_but_the_id():
    assert status_of(AntiphonError("x")) == 500
    assert "req_9" in defect("req_9").message
