"""The one error tree. One place each maps it to HTTP, to socket acks and to the command line.

    AntiphonError                code, message, retryable, data
    +-- BadRequest               bad_request         +-- ModelUnavailable   model_unavailable
    +-- UnknownType              unknown_type        +-- ModelError         model_error
    +-- Unauthorized             unauthorized        +-- ContextTooLong     context_too_long
    +-- TokenExpired             token_expired       +-- RetrievalFailed    retrieval_failed
    +-- Forbidden                forbidden           +-- ToolFailed         tool_failed
    +-- NotFound                 not_found           +-- RunInterrupted     run_interrupted
    +-- Conflict                 conflict            +-- Timeout            timeout
    +-- RunActive                run_active          +-- ShuttingDown       shutting_down
    +-- RateLimited              rate_limited        +-- Internal           internal
    +-- QuotaExceeded            quota_exceeded      +-- FolderInUse        folder_in_use (command line only)
    +-- TooLarge                 too_large           +-- UnsafeSettings     unsafe_settings (command line only)
    +-- Unsupported              unsupported         +-- UrlRefused         url_refused
    +-- UrlUnreachable           url_unreachable     +-- UrlDisallowed      url_disallowed
    +-- UrlNotFound              url_not_found       +-- UrlDenied          url_denied
    +-- UrlTooLarge              url_too_large       +-- UrlDuplicate       url_duplicate

The docstring of a class is the sentence a reader gets in `docs/errors.md`: what happened and what to do.
Tests: tests/unit/core/test_errors.py, tests/docs/test_error_codes.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


class AntiphonError(Exception):
    """Root of all errors a user can meet.

    `message` is a whole sentence for people and never holds a secret; `data` is small, JSON-able and machine-readable.
    """

    code: ClassVar[str] = "internal"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, data: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.data: dict[str, Any] = dict(data or {})

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.message!r})"


class BadRequest(AntiphonError):
    """The request has a missing, extra or wrong field. The message names it; correct it and send again."""

    code = "bad_request"


class UnknownType(AntiphonError):
    """This server does not know the command. Look at `features` in `welcome`, or update one of the two sides."""

    code = "unknown_type"


class Unauthorized(AntiphonError):
    """No valid credentials came with the request. Sign in, or send `Authorization: Bearer KEY`."""

    code = "unauthorized"


class TokenExpired(AntiphonError):
    """The credentials were valid once and have expired. Sign in again; nothing was lost."""

    code = "token_expired"


class Forbidden(AntiphonError):
    """You can see this object, but your role may not do that. Ask an owner of the workspace."""

    code = "forbidden"


class NotFound(AntiphonError):
    """There is no such object, or you have no right to know of it."""

    code = "not_found"


class Conflict(AntiphonError):
    """Somebody else changed it first, or the name is taken. Read the present state and try again."""

    code = "conflict"


class RunActive(AntiphonError):
    """An answer is being written in this session. Wait for it, stop it, or send with another `on_busy`."""

    code = "run_active"
    retryable = True


class RateLimited(AntiphonError):
    """Too many requests in a short time. Wait `retry_after_ms` and send the same again (with the same id)."""

    code = "rate_limited"
    retryable = True


class QuotaExceeded(AntiphonError):
    """A limit of your account or of this server is used up. Free something, or ask the server's owner."""

    code = "quota_exceeded"


class TooLarge(AntiphonError):
    """What was sent is larger than the limit named in the message. Send less, or in parts."""

    code = "too_large"


class Unsupported(AntiphonError):
    """This kind of file, option or method is not supported here. The message names what is."""

    code = "unsupported"


class ModelUnavailable(AntiphonError):
    """The model server could not be reached, or is not set up. Check its address, or use the model `extractive`."""

    code = "model_unavailable"
    retryable = True


class ModelError(AntiphonError):
    """The model server answered with an error. The message holds its words; the partial answer was kept."""

    code = "model_error"
    retryable = True


class ContextTooLong(AntiphonError):
    """The question with its passages and history is longer than the model takes. Shorten it, or start a new session."""

    code = "context_too_long"


class RetrievalFailed(AntiphonError):
    """The documents could not be searched. Try again; if it stays, run `antiphon doctor`."""

    code = "retrieval_failed"
    retryable = True


class ToolFailed(AntiphonError):
    """A tool, or a node of the flow, failed. The message names it and says why."""

    code = "tool_failed"


class RunInterrupted(AntiphonError):
    """The server stopped while the answer was written. What had arrived was kept; ask again to go on."""

    code = "run_interrupted"
    retryable = True


class Timeout(AntiphonError):
    """It took longer than the limit named in the message. Try again, or raise the limit."""

    code = "timeout"
    retryable = True


class ShuttingDown(AntiphonError):
    """The server is stopping. Connect again in a moment; nothing acknowledged is lost."""

    code = "shutting_down"
    retryable = True


class Internal(AntiphonError):
    """A defect of ours. The log of the server has the details under the request id."""

    code = "internal"
    retryable = True


class UrlRefused(AntiphonError):
    """The address leads where this server does not go (this machine, private networks, a redirect there). Use a public one."""

    code = "url_refused"


class UrlUnreachable(AntiphonError):
    """The site could not be reached, broke off, or is too slow. Check the address, and try again later."""

    code = "url_unreachable"
    retryable = True


class UrlDisallowed(AntiphonError):
    """The site asks programs not to fetch this address (robots.txt). Ask its owner, or upload the file."""

    code = "url_disallowed"


class UrlNotFound(AntiphonError):
    """The site has nothing at this address (any more). Check it for typing errors."""

    code = "url_not_found"


class UrlDenied(AntiphonError):
    """The site does not give this address to strangers, or not in this way. Sign in there and upload the file."""

    code = "url_denied"


class UrlTooLarge(AntiphonError):
    """What is at this address is larger than the limit named in the message. Download it, and upload it in parts."""

    code = "url_too_large"


class UrlDuplicate(AntiphonError):
    """Another document of the workspace has the same content, so it was not indexed twice. Use that one."""

    code = "url_duplicate"


class FolderInUse(AntiphonError):
    """Another process owns the data folder. The message names its pid and address; stop it, or use that server."""

    code = "folder_in_use"


class UnsafeSettings(AntiphonError):
    """These settings together would open the server to strangers. The message names a safe combination."""

    code = "unsafe_settings"
