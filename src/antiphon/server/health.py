"""GET /healthz (for anybody: is it up, is something reduced) and GET /metrics (for this machine, or the server's owner).

Tests: tests/integration/http/test_http_health.py.
"""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from antiphon.access.origins import is_loopback
from antiphon.core.errors import Forbidden
from antiphon.server.credentials import identify
from antiphon.server.rest import json_response
from antiphon.server.surface import Surface

_EXPOSITION: Final = "text/plain; version=0.0.4; charset=utf-8"
_FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-real-ip")


class HealthRoutes:
    def __init__(self, house: Surface) -> None:
        self._house = house

    def routes(self) -> list[Route]:
        return [Route("/healthz", self.health, methods=["GET"]), Route("/metrics", self.metrics, methods=["GET"])]

    async def health(self, request: Request) -> Response:
        """Always 200 while the server answers: reduced is not down (security.md P14)."""
        del request
        reasons = list(self._house.health_reasons())
        return json_response({"status": "degraded" if reasons else "ok", "reasons": reasons})

    async def metrics(self, request: Request) -> Response:
        if not _comes_from_here(request):
            caller = await identify(request, self._house.accounts)
            if caller.identity is None or not caller.identity.server_owner:
                raise Forbidden("Only this machine, or the owner of the server, may read the metrics.")
        return Response(self._house.metrics.exposition(), media_type=_EXPOSITION, headers={"Cache-Control": "no-store"})


def _comes_from_here(request: Request) -> bool:
    """A peer on loopback that is not a proxy speaking for somebody else."""
    peer = request.client.host if request.client is not None else ""
    return is_loopback(peer) and not any(name in request.headers for name in _FORWARDED)
