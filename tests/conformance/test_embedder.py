"""The suites of embedders and rerankers over every backend: fakes, HTTP endpoints, tiny ONNX models in their process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from antiphon.core.runtime import system_runtime
from antiphon.models.embedding_endpoint import EmbedRules, EndpointEmbedder
from antiphon.models.json_endpoint import JsonEndpoint
from antiphon.models.onnx.local import LocalEmbedder, LocalReranker
from antiphon.models.rerank_endpoint import EndpointReranker
from antiphon.models.transport import parse_server_address
from antiphon.models.transport_choice import choose_transport
from antiphon.testing.conformance.embedder import EmbedderSuite, RerankerSuite
from antiphon.testing.embedders import WordEmbedder, WordReranker
from antiphon.testing.embedding_server import EmbeddingServer, serve_embeddings
from antiphon.testing.onnx_models import make_cross_encoder, make_encoder


def endpoint(server: EmbeddingServer) -> JsonEndpoint:
    runtime = system_runtime()
    address = parse_server_address(server.url + "/v1")
    return JsonEndpoint(address, choose_transport(address, runtime), runtime, api_key="sk-test", key_setting="X")


def local(folder: Path) -> LocalEmbedder:
    async def find() -> Path:
        return folder

    return LocalEmbedder(find, system_runtime(), memory_bytes=2**31)


class TestWordEmbedder(EmbedderSuite):
    @pytest.fixture
    def embedder(self) -> WordEmbedder:
        return WordEmbedder()


class TestEndpointEmbedder(EmbedderSuite):
    @pytest.fixture
    async def embedder(self) -> AsyncIterator[EndpointEmbedder]:
        async with serve_embeddings() as server:
            made = EndpointEmbedder(endpoint(server), EmbedRules(model="m", batch=32))
            yield made
            await made.close()


class TestLocalEmbedder(EmbedderSuite):
    @pytest.fixture
    async def embedder(self, tmp_path: Path) -> AsyncIterator[LocalEmbedder]:
        made = local(make_encoder(tmp_path / "model"))
        yield made
        await made.close()


class TestQuantisedLocalEmbedder(EmbedderSuite):
    """Dynamic quantisation: a text must not feel its batch mates."""

    @pytest.fixture
    async def embedder(self, tmp_path: Path) -> AsyncIterator[LocalEmbedder]:
        made = local(make_encoder(tmp_path / "model", quantised=True))
        yield made
        await made.close()


class TestWordReranker(RerankerSuite):
    @pytest.fixture
    def reranker(self) -> WordReranker:
        return WordReranker()


class TestEndpointReranker(RerankerSuite):
    @pytest.fixture(params=["documents", "texts"])
    async def reranker(self, request: pytest.FixtureRequest) -> AsyncIterator[EndpointReranker]:
        async with serve_embeddings(EmbeddingServer(rerank_field=request.param)) as server:
            made = EndpointReranker(endpoint(server), model="r")
            yield made
            await made.close()


class TestLocalReranker(RerankerSuite):
    @pytest.fixture
    async def reranker(self, tmp_path: Path) -> AsyncIterator[LocalReranker]:
        made = LocalReranker(make_cross_encoder(tmp_path / "cross"), system_runtime(), memory_bytes=2**31)
        yield made
        await made.close()
