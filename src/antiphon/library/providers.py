"""`Providers`: where models come from, stored by the server's owner: made, read, changed, removed, and put into the registry.

A key is sealed before it is stored (access/sealing.py) and never given out again; only the registry gets it, in memory.
Tests: tests/unit/library/test_providers.py, tests/integration/live/test_providers_live.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol, TypeVar

import msgspec
import structlog

from antiphon.access.missing import missing
from antiphon.access.scope import system_scope
from antiphon.access.sealing import CannotOpen, SecretBox, hint_of
from antiphon.core.completion import to_the_end
from antiphon.core.display_names import clean_name
from antiphon.core.errors import AntiphonError, BadRequest, Conflict, QuotaExceeded
from antiphon.core.runtime import Runtime, rfc3339
from antiphon.models.extractive import EXTRACTIVE_MODEL
from antiphon.models.openai_compatible import demand_header_key
from antiphon.models.provider import OfferedModel, ProviderSpec
from antiphon.models.registry import PROVIDER_NAMES, UNNAMED_MODEL
from antiphon.models.transport import parse_server_address
from antiphon.storage.records.contract import Store, Transaction
from antiphon.storage.records.rows import PROVIDERS, ProviderRow

MOST_PROVIDERS: Final = 100
MOST_SLUG_CHARACTERS: Final = 40
LOOK_AGAIN_S: Final = 10.0
_TAKEN: Final = frozenset({UNNAMED_MODEL, EXTRACTIVE_MODEL, *PROVIDER_NAMES.values()})
_EVERYTHING = system_scope("providers: they belong to the server; the command table admits its owner only")
T = TypeVar("T")
_log = structlog.get_logger(__name__)


class ProviderRegistry(Protocol):
    """`models.registry.ConfiguredModels`, as it is seen from here."""

    def put_providers(self, specs: Sequence[ProviderSpec], *, preferred: str | None) -> None: ...

    async def refresh(self) -> None: ...

    @property
    def has_model(self) -> bool: ...

    @property
    def troubled(self) -> bool: ...


class Providers:
    def __init__(self, store: Store, runtime: Runtime, box: SecretBox, registry: ProviderRegistry) -> None:
        self._store = store
        self._runtime = runtime
        self._box = box
        self._registry = registry
        self._asked_s = -LOOK_AGAIN_S

    async def load(self) -> None:
        """Puts what is stored into the registry; called at start, and after each change."""
        rows = await self._store.read(lambda tx: tx.find(PROVIDERS, _EVERYTHING, {"enabled": True}, order="created_at"))
        preferred = next((row.slug for row in rows if row.preferred), None)
        self._registry.put_providers([self._spec(row) for row in rows], preferred=preferred)
        if self._registry.has_model:
            self._runtime.scheduler.spawn(self._refresh(), name="ask providers for their models")

    def look_again(self) -> None:
        """What was away is asked again in the background, at most every `LOOK_AGAIN_S`; called when somebody looks at the list."""
        now_s = self._runtime.clock.monotonic()
        if self._registry.troubled and now_s >= self._asked_s + LOOK_AGAIN_S:
            self._asked_s = now_s
            self._runtime.scheduler.spawn(self._refresh(), name="ask providers again")

    async def list(self) -> list[ProviderRow]:
        return await self._store.read(lambda tx: tx.find(PROVIDERS, _EVERYTHING, order="created_at"))

    async def get(self, provider: str) -> ProviderRow:
        """By id or slug. Raises NotFound."""
        return await self._store.read(lambda tx: _found(tx, provider))

    async def create(self, *, slug: str | None, api_key: str | None, **fields: Any) -> ProviderRow:
        """Raises BadRequest (address, key, slug), Conflict (slug), QuotaExceeded."""
        ident, now = self._runtime.ids.new("prov"), self._runtime.clock.now()
        fields = self._checked(fields)
        chosen = slug or _free_slug(fields, {row.slug for row in await self.list()})
        _demand_slug(chosen)
        row = ProviderRow(id=ident, slug=chosen, created_at=now, updated_at=now, **self._sealed(ident, api_key), **fields)
        _demand_usable(self._spec(row))

        def insert(tx: Transaction) -> None:
            if tx.count(PROVIDERS, _EVERYTHING) >= MOST_PROVIDERS:
                raise QuotaExceeded(f"There are {MOST_PROVIDERS} providers already. Remove one that is not needed.")
            if tx.count(PROVIDERS, _EVERYTHING, {"slug": chosen}):
                raise Conflict(f"There is a provider {chosen!r} already. Give another `slug`.")
            if row.preferred:
                _prefer_none(tx)
            tx.insert(PROVIDERS, row)

        await self._commit(insert)
        return row

    async def update(self, provider: str, *, api_key: Any = msgspec.UNSET, **fields: Any) -> ProviderRow:
        """Changes what is given; `api_key` None removes the key. A new address needs the key again: it is not sent to a place
        that its giver did not name. Raises NotFound, BadRequest."""
        before = await self.get(provider)
        changes = {**self._checked(fields), "updated_at": self._runtime.clock.now()}
        if api_key is not msgspec.UNSET:
            changes.update(self._sealed(before.id, api_key))
        elif before.key_sealed is not None and _place(fields.get("base_url", before.base_url)) != _place(before.base_url):
            raise BadRequest("A new address needs the key again: give `api_key` (or null) together with `base_url`.")
        _demand_usable(self._spec(msgspec.structs.replace(before, **changes)))

        def update(tx: Transaction) -> ProviderRow:
            if changes.get("preferred"):
                _prefer_none(tx)
            if not tx.update(PROVIDERS, _EVERYTHING, before.id, **changes):
                raise missing("provider", provider)
            return _found(tx, before.id)

        return await self._commit(update)

    async def remove(self, provider: str) -> ProviderRow:
        """Answers that it is writing are finished. Raises NotFound."""
        row = await self.get(provider)
        await self._commit(lambda tx: tx.delete(PROVIDERS, _EVERYTHING, {"id": row.id}))
        return row

    async def spec(self, provider: str) -> ProviderSpec:
        """With the key, for a test of the connection. Raises NotFound."""
        return self._spec(await self.get(provider))

    async def _commit(self, work: Callable[[Transaction], T]) -> T:
        async def commit() -> T:
            result = await self._store.write(work)
            await self.load()
            return result

        return await to_the_end(self._runtime.scheduler, commit(), name="change providers")

    async def _refresh(self) -> None:
        try:
            await self._registry.refresh()
        except Exception as error:  # noqa: BLE001 - the boundary of the task: models stay listed as they were
            _log.warning("providers_not_asked", error=type(error).__name__)

    def _sealed(self, ident: str, key: str | None) -> dict[str, Any]:
        if not key:
            return {"key_sealed": None, "key_hint": None}
        return {"key_sealed": self._box.seal(demand_header_key(key.strip()), bound_to=ident), "key_hint": hint_of(key.strip())}

    def _checked(self, fields: dict[str, Any]) -> dict[str, Any]:
        checked = dict(fields)
        if "label" in checked:
            checked["label"] = clean_name(checked["label"] or "", max_characters=80)
        if checked.get("base_url"):
            checked["base_url"] = checked["base_url"].strip().rstrip("/")
        return checked

    def _spec(self, row: ProviderRow) -> ProviderSpec:
        key, problem = None, None
        if row.key_sealed is not None:
            try:
                key = self._box.open(row.key_sealed, bound_to=row.id)
            except CannotOpen:
                problem = (
                    f"The key of {row.slug!r} was sealed with another secret (`secret.key`, ANTIPHON_SECRET_KEY). Give it again."
                )
            except AntiphonError as error:
                problem = error.message
        return ProviderSpec(
            slug=row.slug,
            kind=row.kind,
            label=row.label,
            base_url=row.base_url,
            api_key=key,
            models=msgspec.convert(row.models, list[OfferedModel]),
            default_model=row.default_model,
            context_window=row.context_window,
            fallbacks=row.fallbacks,
            problem=problem,
        )


def provider_json(row: ProviderRow) -> dict[str, Any]:
    """What its owner sees: all but the key."""
    return {
        "id": row.id, "slug": row.slug, "label": row.label, "kind": row.kind, "base_url": row.base_url,
        "has_key": row.key_sealed is not None, "key_hint": row.key_hint, "models": row.models, "default_model": row.default_model,
        "context_window": row.context_window, "fallbacks": row.fallbacks, "preferred": row.preferred, "enabled": row.enabled,
        "created_at": rfc3339(row.created_at), "updated_at": rfc3339(row.updated_at),
    }  # fmt: skip


def _found(tx: Transaction, provider: str) -> ProviderRow:
    row = tx.get(PROVIDERS, _EVERYTHING, provider)
    if row is None:
        row = next(iter(tx.find(PROVIDERS, _EVERYTHING, {"slug": provider}, limit=1)), None)
    if row is None:
        raise missing("provider", provider)
    return row


def _prefer_none(tx: Transaction) -> None:
    for other in tx.find(PROVIDERS, _EVERYTHING, {"preferred": True}):
        tx.update(PROVIDERS, _EVERYTHING, other.id, preferred=False)


def _demand_usable(spec: ProviderSpec) -> None:
    """Raises BadRequest for what could never work; nothing is connected to."""
    if spec.kind == "transformers":
        if not spec.models:
            raise BadRequest("A provider of the kind 'transformers' names its `models`: folders, or names in the hub's cache.")
        return
    if spec.base_url:
        parse_server_address(spec.base_url)
    elif spec.kind == "openai":
        raise BadRequest("A provider of the kind 'openai' needs `base_url`: write http://host:port/v1.")


def _demand_slug(slug: str) -> None:
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", slug) or len(slug) > MOST_SLUG_CHARACTERS or slug in _TAKEN:
        raise BadRequest(
            f"{slug[:MOST_SLUG_CHARACTERS]!r} can't be a provider's slug: take lower-case letters, digits, `-`, `_` and `.`, "
            f"{MOST_SLUG_CHARACTERS} at most."
        )


def _free_slug(fields: dict[str, Any], taken: set[str]) -> str:
    """Of the label, else of the host's name, else of the kind; with a number when it is taken."""
    address = fields.get("base_url")
    name = fields.get("label") or (parse_server_address(address).host if address else fields.get("kind", ""))
    stem = re.sub(r"[^a-z0-9]+", "-", name.lower())[: MOST_SLUG_CHARACTERS - 4].strip("-") or "provider"
    candidates = (stem if n == 1 else f"{stem}-{n}" for n in range(1, MOST_PROVIDERS + len(_TAKEN) + 2))
    return next(slug for slug in candidates if slug not in taken and slug not in _TAKEN)


def _place(base_url: str | None) -> tuple[str, str, int] | None:
    if not base_url:
        return None
    address = parse_server_address(base_url)
    return address.scheme, address.host, address.port
