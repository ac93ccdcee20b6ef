"""Payloads of model providers, and of tests of a connection."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from antiphon.commands.payloads.fields import Id, Name
from antiphon.commands.payloads.workspaces import Fallbacks, ModelId
from antiphon.protocol.commands import Payload

Kind = Literal["openai", "anthropic", "transformers"]
Address = Annotated[str, Meta(min_length=1, max_length=2000)]
ApiKey = Annotated[str, Meta(min_length=1, max_length=4096)]
Slug = Annotated[str, Meta(min_length=1, max_length=40)]
Window = Annotated[int, Meta(ge=512, le=100_000_000)]


class ModelOffer(Payload):
    """A model to offer. `context_window` and `capabilities` None: what the server tells."""

    name: ModelId
    context_window: Window | None = None
    capabilities: Annotated[list[Literal["tools", "images", "reasoning"]], Meta(max_length=3)] | None = None


Offers = Annotated[list[ModelOffer], Meta(max_length=200)]


class ProviderCreate(Payload):
    """`slug` None: made from the label or the address. No `models`: those the server lists. `preferred`: its model is the
    server's default."""

    kind: Kind = "openai"
    slug: Slug | None = None
    label: Name | None = None
    base_url: Address | None = None
    api_key: ApiKey | None = None
    models: Offers = []
    default_model: ModelId | None = None
    context_window: Window | None = None
    fallbacks: Fallbacks = []
    preferred: bool = False
    enabled: bool = True


class ProviderOne(Payload):
    """`provider_id`: the id or the slug."""

    provider_id: Id


class ProviderUpdate(Payload):
    """`api_key` None removes the key; a new address needs it again."""

    provider_id: Id
    label: Name | UnsetType | None = UNSET
    base_url: Address | UnsetType | None = UNSET
    api_key: ApiKey | UnsetType | None = UNSET
    models: Offers | UnsetType = UNSET
    default_model: ModelId | UnsetType | None = UNSET
    context_window: Window | UnsetType | None = UNSET
    fallbacks: Fallbacks | UnsetType = UNSET
    preferred: bool | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET


class ModelTest(Payload):
    """Either `provider` (id or slug of a stored one), or `base_url` with `kind` and `api_key`. `model` None: the provider's, else
    the first that the server lists. Neither: the server's settings."""

    provider: Id | None = None
    kind: Kind = "openai"
    base_url: Address | None = None
    api_key: ApiKey | None = None
    model: ModelId | None = None
