"""`ConfiguredModels`: the chat models this server has. Made by the composition root, used by the runs through `ChatModels`.

Providers: the one of the settings, and those that owners stored (library/providers.py), which may change at any time.
Tests: tests/unit/models/test_registry.py, tests/integration/test_openai_compatible.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from antiphon.config.settings import ChatServer
from antiphon.core.errors import AntiphonError, BadRequest
from antiphon.core.runtime import Runtime
from antiphon.models.chat import ChatModel, ModelInfo
from antiphon.models.extractive import EXTRACTIVE_MODEL, ExtractiveChat
from antiphon.models.guarded_transport import AddressGate
from antiphon.models.provider import ModelLimits, OfferedModel, ProviderSpec, open_provider
from antiphon.models.served import Provider, ServedModel

UNNAMED_MODEL: Final = "default"
"""The settings' server's first model, until its name is known."""
PROVIDER_NAMES: Final = {"openai": "openai-compatible", "anthropic": "anthropic", "transformers": "transformers"}


class ConfiguredModels:
    """`extractive` always; the default is the stored provider that is preferred, else that of the settings, else `extractive`.

    `gate` is asked with the address of every stored provider. `further`: models of plug-ins, by id. Raises BadRequest for
    settings that cannot be right. Neither `repr` nor errors hold a key."""

    def __init__(
        self,
        settings: ChatServer,
        runtime: Runtime,
        *,
        gate: AddressGate | None = None,
        further: Mapping[str, ChatModel] | None = None,
    ) -> None:
        self._runtime = runtime
        self._gate = gate
        self._limits = limits_of(settings)
        self._fallbacks = [name.strip() for name in settings.fallbacks.split(",") if name.strip()]
        self._extractive = ExtractiveChat(runtime)
        self._further = dict(further or {})
        self._stored: dict[str, Provider] = {}
        self._preferred: str | None = None
        self._configured: Provider | None = None
        spec = settings_provider(settings)
        if spec is not None:
            self._configured = Provider(spec, open_provider(spec, runtime, self._limits), None)

    def __repr__(self) -> str:
        return f"ConfiguredModels({', '.join(repr(info.id) for info in self.list())})"

    @property
    def limits(self) -> ModelLimits:
        return self._limits

    @property
    def gate(self) -> AddressGate | None:
        return self._gate

    @property
    def has_model(self) -> bool:
        """Whether anything but `extractive` can answer."""
        return self._configured is not None or bool(self._stored) or bool(self._further)

    # --- the registry ---------------------------------------------------------------------------------------------------

    def resolve(self, model: str | None) -> tuple[str, ChatModel]:
        """See `ChatModels.resolve`. Known are: the ids of `list`, `default` (the settings' first model), `slug` (a provider's
        first model), `slug/name` with any name, and a bare name that one provider has."""
        wanted = model or self._default()
        if wanted == EXTRACTIVE_MODEL:
            return wanted, self._extractive
        if wanted in self._further:
            return wanted, self._further[wanted]
        found = self._in_settings(wanted) or self._stored_model(wanted)
        if found is None:
            infos = self.list()
            known = ", ".join(repr(info.id) for info in infos)
            raise BadRequest(f"No model {wanted!r} here. Known are {known}.", data={"models": [info.id for info in infos]})
        return _id_of(found), found

    def list(self) -> list[ModelInfo]:
        """The default's provider first; `extractive` last."""
        default = self._default_id()
        providers = [self._stored[slug] for slug in sorted(self._stored, key=lambda slug: slug != self._preferred)]
        if self._configured is not None:
            providers.insert(0 if self._preferred is None else 1, self._configured)
        infos = [info for provider in providers for info in _infos(provider, default)]
        infos += [
            ModelInfo(id=name, provider="plug-in", kind="plug-in", label=name, default=name == default) for name in self._further
        ]
        return [
            *infos,
            ModelInfo(
                id=EXTRACTIVE_MODEL,
                provider="antiphon",
                kind="extractive",
                label="Literal sentences (no model)",
                default=default == EXTRACTIVE_MODEL,
            ),
        ]

    def describe(self, model: str) -> ModelInfo:
        """See `ChatModels.describe`."""
        name, found = self.resolve(model)
        if isinstance(found, ServedModel):
            return _info(found.provider, found.name, self._default_id())
        return next(info for info in self.list() if info.id == name)

    def fallbacks(self, model: str) -> Sequence[str]:
        """See `ChatModels.fallbacks`: those of the model's provider, else those of the settings."""
        slug = model.partition("/")[0]
        provider = self._stored.get(slug)
        named = provider.spec.fallbacks if provider is not None and provider.spec.fallbacks else self._fallbacks
        return [name for name in named if name != model]

    async def discover(self) -> None:
        """Asks a settings' server without a configured model for its first one now, instead of at first use."""
        if self._configured is not None and self._configured.first() is None:
            await self._configured.demand_first()

    async def refresh(self) -> None:
        """Asks every provider for its models; what does not answer stays listed with the reason."""
        for provider in [*([self._configured] if self._configured else []), *self._stored.values()]:
            try:
                await provider.discover()
            except AntiphonError:
                continue  # kept as the provider's trouble, and told by `list`

    async def close(self) -> None:
        for provider in [*([self._configured] if self._configured else []), *self._stored.values()]:
            await provider.close()

    # --- stored providers -----------------------------------------------------------------------------------------------

    def put_providers(self, specs: Sequence[ProviderSpec], *, preferred: str | None) -> None:
        """Replaces the stored providers. Those that stay as they were keep their connections; the others are closed when their
        last answer is out. A spec that cannot be opened is listed with the reason."""
        before, self._stored = self._stored, {}
        for spec in specs:
            kept = before.get(spec.slug)
            if kept is not None and kept.spec == spec:
                self._stored[spec.slug] = before.pop(spec.slug)
            else:
                self._stored[spec.slug] = self._open(spec)
        self._preferred = preferred if preferred in self._stored else None
        for provider in before.values():
            self._runtime.scheduler.spawn(provider.retire(), name=f"retire provider {provider.spec.slug}")

    @property
    def troubled(self) -> bool:
        """Whether a provider failed when it was last asked, and may be back by now."""
        return any(
            provider.trouble is not None for provider in (self._configured, *self._stored.values()) if provider is not None
        )

    def provider(self, slug: str) -> Provider | None:
        return self._stored.get(slug)

    def _open(self, spec: ProviderSpec) -> Provider:
        if spec.problem is not None:
            return Provider(spec, None, spec.problem)
        try:
            return Provider(spec, open_provider(spec, self._runtime, self._limits, gate=self._gate), None)
        except AntiphonError as error:
            return Provider(spec, None, error.message)

    # --- looking up -----------------------------------------------------------------------------------------------------

    def _default(self) -> str:
        if self._preferred is not None:
            return self._preferred
        if self._configured is not None:
            return self._configured.first() or UNNAMED_MODEL
        return next(iter(self._further), EXTRACTIVE_MODEL)

    def _default_id(self) -> str:
        return self.resolve(None)[0]

    def _in_settings(self, wanted: str) -> ServedModel | None:
        provider = self._configured
        if provider is None:
            return None
        if wanted == UNNAMED_MODEL and UNNAMED_MODEL not in provider.models:
            return ServedModel(provider, provider.first())
        return ServedModel(provider, wanted) if wanted in provider.models else None

    def _stored_model(self, wanted: str) -> ServedModel | None:
        slug, _, name = wanted.partition("/")
        provider = self._stored.get(slug)
        if provider is not None:
            return ServedModel(provider, name or provider.first())
        having = [provider for provider in self._stored.values() if wanted in provider.models]
        return ServedModel(having[0], wanted) if len(having) == 1 else None


def limits_of(settings: ChatServer) -> ModelLimits:
    return ModelLimits(
        retries=settings.retries,
        connect_timeout_s=settings.connect_timeout_s,
        idle_timeout_s=settings.idle_timeout_s,
        temperature=settings.temperature,
        max_tokens=settings.max_tokens,
    )


def settings_provider(settings: ChatServer) -> ProviderSpec | None:
    """The provider that the settings name. None: they name none. Raises BadRequest for what cannot be right."""
    named = settings.base_url or (settings.kind != "openai" and (settings.model or settings.api_key))
    if not named:
        return None
    if settings.model == EXTRACTIVE_MODEL:
        raise BadRequest(f"The name {EXTRACTIVE_MODEL!r} is taken: the model server's model needs another one.")
    return ProviderSpec(
        slug="",
        kind=settings.kind,
        base_url=settings.base_url,
        api_key=settings.api_key,
        models=[OfferedModel(name=settings.model)] if settings.model else [],
        default_model=settings.model,
        context_window=settings.context_tokens,
    )


def _id_of(model: ServedModel) -> str:
    slug = model.provider.spec.slug
    if not slug:
        return model.name or UNNAMED_MODEL
    return f"{slug}/{model.name}" if model.name else slug


def _infos(provider: Provider, default: str) -> list[ModelInfo]:
    names: Sequence[str | None] = list(provider.models) or [provider.first()]
    return [_info(provider, name, default) for name in names]


def _info(provider: Provider, name: str | None, default: str) -> ModelInfo:
    """`name` None: the first model of a server that was not asked yet."""
    spec, reason = provider.spec, provider.reason
    ident = _id_of(ServedModel(provider, name))
    server = getattr(provider.chat, "server_name", spec.label or spec.slug)
    known = provider.models.get(name) if name is not None else None
    return ModelInfo(
        id=ident,
        provider=spec.slug or PROVIDER_NAMES[spec.kind],
        label=f"First model of {server}" if name is None else f"{name} ({spec.label})" if spec.label else name,
        kind=spec.kind,
        context_window=known.context_window if known is not None else spec.context_window,
        capabilities=known.capabilities if known is not None else [],
        default=ident == default,
        available=reason is None,
        reason=reason,
    )
