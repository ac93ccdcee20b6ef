"""`JsonEndpoint`: one JSON request to a model server, with back-off; for adapters that do not stream.

Called by embedding_endpoint.py and rerank_endpoint.py. Tests: tests/unit/models/test_json_endpoint.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from antiphon.core.errors import AntiphonError, BadRequest, ModelError
from antiphon.core.runtime import Runtime
from antiphon.models.openai_errors import Verdict, judge_status, may_try_again, read_complaint
from antiphon.models.transport import HttpRequest, ResponseControl, ServerAddress, Transport

FIRST_BACKOFF_S: Final = 0.5
LONGEST_BACKOFF_S: Final = 8.0
_COMPLAINT_BYTES: Final = 65_536
_ANSWER_BYTES: Final = 256 * 2**20


class JsonEndpoint:
    """`key_setting` is the name of the setting that holds the key, for errors. Raises BadRequest for a key that can't be one."""

    def __init__(
        self, address: ServerAddress, transport: Transport, runtime: Runtime, *, api_key: str | None, key_setting: str,
        retries: int = 3, connect_timeout_s: float = 10.0, timeout_s: float = 60.0,
    ) -> None:  # fmt: skip
        self._address = address
        self._transport = transport
        self._runtime = runtime
        self._key = api_key or None
        self._key_setting = key_setting
        self._retries = retries
        self._connect_timeout_s = connect_timeout_s
        self._timeout_s = timeout_s
        self._headers = _headers(self._key, key_setting)

    def __repr__(self) -> str:
        return f"JsonEndpoint({self._address.name!r})"

    @property
    def server_name(self) -> str:
        return self._address.name

    async def post(self, path: str, body: Mapping[str, Any], *, model: str, retries: int | None = None) -> bytes:
        """The body of a 200. Tries again when the server is busy or away, as it asks for (`Retry-After`).

        Raises ModelUnavailable, ModelError, RateLimited, Timeout, ContextTooLong."""
        content = msgspec.json.encode(body)
        left = self._retries if retries is None else retries
        backoff_s = FIRST_BACKOFF_S
        while True:
            outcome = await self._once(path, content, model)
            if isinstance(outcome, bytes):
                return outcome
            if not outcome.again or left <= 0:
                raise outcome.error
            left -= 1
            jittered_s = backoff_s * self._runtime.random.uniform(0.75, 1.25)
            await self._runtime.scheduler.sleep(max(jittered_s, outcome.wait_s or 0.0))
            backoff_s = min(2 * backoff_s, LONGEST_BACKOFF_S)

    async def close(self) -> None:
        await self._transport.close()

    async def _once(self, path: str, content: bytes, model: str) -> bytes | Verdict:
        answer = _Answer()
        request = HttpRequest(
            address=self._address, path=path, headers=self._headers, body=content, connect_timeout_s=self._connect_timeout_s,
            idle_timeout_s=self._timeout_s,
        )  # fmt: skip
        try:
            await self._transport.send(request, answer)
        except AntiphonError as error:
            return Verdict(error=error, again=may_try_again(error))
        if answer.too_long:
            raise ModelError(f"The model server at {self._address.name} answered with more than {_ANSWER_BYTES // 2**20} MiB.")
        if answer.status == 200:
            return bytes(answer.body)
        if answer.status in {401, 403}:
            return Verdict(
                error=ModelError(
                    f"The model server at {self._address.name} refused the API key ({answer.status}). Check {self._key_setting}."
                )
            )
        complaint = read_complaint(bytes(answer.body), key=self._key)
        return judge_status(
            answer.status, answer.headers, complaint, server=self._address.name, model=model, now_s=self._runtime.clock.now()
        )


class _Answer:
    """Collects a whole body."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self.body = bytearray()
        self.too_long = False

    def on_head(self, status: int, headers: Mapping[str, str], control: ResponseControl) -> None:
        self.status, self.headers, self._control = status, headers, control

    def on_body(self, piece: bytes) -> None:
        limit = _ANSWER_BYTES if self.status == 200 else _COMPLAINT_BYTES
        self.body += piece[: limit - len(self.body)]
        if len(self.body) >= limit:
            self.too_long = self.status == 200
            self._control.finish()


def _headers(key: str | None, setting: str) -> dict[str, str]:
    headers = {
        "Accept": "application/json", "Accept-Encoding": "identity", "Content-Type": "application/json", "User-Agent": "antiphon",
    }  # fmt: skip
    if key is not None:
        if not (key.isascii() and key.isprintable()) or " " in key:
            raise BadRequest(f"The API key of the model server has characters that no key has. Check {setting}.")
        headers["Authorization"] = f"Bearer {key}"
    return headers
