"""`Surface`: what the HTTP side needs of the house. The composition root's `House` has it; tests give a small one.

Nothing here holds state: the Protocols are the seam between server/composition.py and the routes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from antiphon.access.origins import Origins
from antiphon.commands.table import CommandTable
from antiphon.config.settings import Settings
from antiphon.core.runtime import Runtime
from antiphon.server.credentials import Authenticator
from antiphon.server.metrics import Metrics
from antiphon.storage.blobs.contract import BlobStore


class Log(Protocol):
    """The part of a structlog logger that is used here. Fields must never hold a secret or a query string."""

    def debug(self, event: str, /, **fields: Any) -> Any: ...

    def info(self, event: str, /, **fields: Any) -> Any: ...

    def warning(self, event: str, /, **fields: Any) -> Any: ...

    def exception(self, event: str, /, **fields: Any) -> Any: ...


class Surface(Protocol):
    @property
    def settings(self) -> Settings: ...

    @property
    def runtime(self) -> Runtime: ...

    @property
    def commands(self) -> CommandTable[Any]: ...

    @property
    def accounts(self) -> Authenticator: ...

    @property
    def origins(self) -> Origins:
        """Asked at each request: it needs the port that was bound in the end."""
        ...

    @property
    def blobs(self) -> BlobStore: ...

    @property
    def metrics(self) -> Metrics: ...

    @property
    def log(self) -> Log: ...

    def health_reasons(self) -> Sequence[str]:
        """Whole sentences: what is reduced just now. Empty: all is well."""
        ...

    async def release_blobs(self, sha256s: Sequence[str], /) -> None:
        """Removes those of the blobs that no document refers to (an upload was broken off after they were stored)."""
        ...
