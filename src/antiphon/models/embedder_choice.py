"""`configured_embedders`: from the settings to the embedders and the reranker of this server. Called by the composition root and
`doctor`.

`auto`: the server when its address and model are set, then a local model when there is one. Both may be there at once: the first is the
default, and a workspace may choose the other. Tests: tests/unit/models/test_embedder_choice.py.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

from antiphon.config.settings import EmbedServer, RerankServer
from antiphon.core.errors import BadRequest
from antiphon.core.runtime import Runtime
from antiphon.models.embedders import Embedders
from antiphon.models.embedding import Embedder, Reranker
from antiphon.models.embedding_endpoint import EmbedRules, EndpointEmbedder
from antiphon.models.json_endpoint import JsonEndpoint
from antiphon.models.onnx.folder import is_model_folder
from antiphon.models.onnx.hub import cached_folders, demand_repository, fetch_model, fetched_folder
from antiphon.models.onnx.local import Find, LocalEmbedder, LocalReranker
from antiphon.models.rerank_endpoint import EndpointReranker
from antiphon.models.transport import parse_server_address
from antiphon.models.transport_choice import choose_transport

SERVER: Final = "server"
LOCAL: Final = "local"


def configured_embedders(embed: EmbedServer, rerank: RerankServer, runtime: Runtime, *, data_dir: Path) -> Embedders:
    """Nothing is opened, asked or fetched yet. Raises BadRequest for settings that can't be right."""
    found: dict[str, Embedder] = {}
    absent: list[str] = []
    if embed.mode in {"auto", "server"}:
        if embed.base_url and embed.model:
            found[SERVER] = _server(embed, runtime)
        elif embed.base_url or embed.mode == "server":
            missing = "ANTIPHON_EMBED_MODEL" if embed.base_url else "ANTIPHON_EMBED_BASE_URL"
            absent.append(f"{missing} is not set")
    if embed.mode in {"auto", "local"}:
        finder, why = _local(embed, data_dir)
        if finder is not None:
            label = embed.repository or (embed.folder.name if embed.folder else "local model")
            found[LOCAL] = LocalEmbedder(finder, runtime, memory_bytes=embed.memory_bytes, timeout_s=embed.timeout_s, label=label)
        else:
            absent.append(why)
    if embed.mode == "none":
        absent.append("it is switched off (ANTIPHON_EMBED_MODE=none)")
    words = "" if found else f"Search goes by words only: {'; '.join(absent)}."
    reranker, no_reranker = _reranker(rerank, runtime, memory_bytes=embed.memory_bytes)
    return Embedders(found, runtime, absent=words, reranker=reranker, reranker_absent=no_reranker)


def _server(embed: EmbedServer, runtime: Runtime) -> EndpointEmbedder:
    address = parse_server_address(embed.base_url or "")
    endpoint = JsonEndpoint(
        address, choose_transport(address, runtime), runtime, api_key=embed.api_key, key_setting="ANTIPHON_EMBED_API_KEY",
        timeout_s=embed.timeout_s,
    )  # fmt: skip
    languages = [code.strip().lower() for code in embed.languages.split(",") if code.strip()]
    rules = EmbedRules(
        model=embed.model or "", batch=embed.batch, batch_characters=embed.batch_characters, query_prefix=embed.query_prefix,
        document_prefix=embed.document_prefix, languages=languages or None,
    )  # fmt: skip
    return EndpointEmbedder(endpoint, rules)


def _local(embed: EmbedServer, data_dir: Path) -> tuple[Find | None, str]:
    """How to find the folder, or why there is none. A folder that was named and is broken is an error said later, not a silence."""
    folder = embed.folder
    if folder is not None:

        async def named() -> Path:
            return folder

        return named, ""
    if embed.repository:
        repository = demand_repository(embed.repository)
        return _repository_finder(embed, repository, data_dir / "models"), ""
    cached = cached_folders(embed.hub_cache, None)
    if len(cached) > 1:
        names = ", ".join(path.parent.parent.name.removeprefix("models--").replace("--", "/") for path in cached)
        return None, f"the hub cache has several local models ({names}); name one (ANTIPHON_EMBED_REPOSITORY)"
    if not cached:
        return None, "no embedding server is set (ANTIPHON_EMBED_BASE_URL), and no local model was named or found"

    async def only() -> Path:
        return cached[0]

    return only, ""


def _repository_finder(embed: EmbedServer, repository: str, models: Path) -> Find:
    async def find() -> Path:
        fetched = fetched_folder(models, repository)
        if await asyncio.to_thread(is_model_folder, fetched):
            return fetched
        cached = await asyncio.to_thread(cached_folders, embed.hub_cache, repository)
        if cached:
            return cached[0]
        if embed.hub_url is None:
            raise BadRequest(
                f"The model {repository!r} is not in {str(embed.hub_cache)!r}, and no hub is set to fetch it from (ANTIPHON_EMBED_HUB_URL)."
            )
        return await fetch_model(embed.hub_url, repository, models)

    return find


def _reranker(rerank: RerankServer, runtime: Runtime, *, memory_bytes: int) -> tuple[Reranker | None, str]:
    if rerank.mode in {"auto", "server"} and rerank.base_url:
        address = parse_server_address(rerank.base_url)
        endpoint = JsonEndpoint(
            address, choose_transport(address, runtime), runtime, api_key=rerank.api_key, key_setting="ANTIPHON_RERANK_API_KEY",
            timeout_s=rerank.timeout_s,
        )  # fmt: skip
        return EndpointReranker(endpoint, model=rerank.model), ""
    if rerank.mode in {"auto", "local"} and rerank.folder is not None:
        return LocalReranker(rerank.folder.expanduser(), runtime, memory_bytes=memory_bytes), ""
    if rerank.mode == "none":
        return None, "Reranking is switched off (ANTIPHON_RERANK_MODE=none)."
    return None, "No reranker is set (ANTIPHON_RERANK_BASE_URL, ANTIPHON_RERANK_FOLDER)."
