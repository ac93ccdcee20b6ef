"""The `/embeddings` and `/rerank` adapters against a real server: batches, back-off, keys, and answers that are wrong."""

from __future__ import annotations

import asyncio
import base64
import struct
from collections.abc import AsyncIterator
from typing import Any

import pytest

from antiphon.core.errors import AntiphonError, BadRequest, ModelError, ModelUnavailable, RateLimited
from antiphon.core.runtime import system_runtime
from antiphon.models.embedding import EmbeddingSpace, batched, is_cjk, unit_vectors
from antiphon.models.embedding_endpoint import EmbedRules, EndpointEmbedder
from antiphon.models.json_endpoint import JsonEndpoint
from antiphon.models.rerank_endpoint import EndpointReranker
from antiphon.models.transport import parse_server_address
from antiphon.models.transport_choice import choose_transport
from antiphon.testing.embedding_server import EmbeddingServer, Said, serve_embeddings


def endpoint(url: str, key: str | None = "sk-secret") -> JsonEndpoint:
    runtime = system_runtime()
    address = parse_server_address(url + "/v1")
    return JsonEndpoint(
        address, choose_transport(address, runtime), runtime, api_key=key, key_setting="ANTIPHON_EMBED_API_KEY", timeout_s=5.0
    )


@pytest.fixture
async def server() -> AsyncIterator[EmbeddingServer]:
    async with serve_embeddings() as server:
        yield server


def embedder(server: EmbeddingServer, **rules: Any) -> EndpointEmbedder:
    return EndpointEmbedder(endpoint(server.url), EmbedRules(model="bge", **rules))


async def test_batches_by_count_and_characters_with_key_model_and_prefixes(server: EmbeddingServer) -> None:
    made = embedder(server, batch=3, batch_characters=100, query_prefix="query: ", document_prefix="passage: ")
    vectors = await made.embed_documents(["a", "b", "c", "d", "x" * 300, "e"])
    assert vectors.count == 6
    sizes = [len(request["input"]) for request in server.requests[1:]]
    assert sizes == [3, 1, 1, 1]
    assert all(text.startswith("passage: ") for text in server.texts[1:])
    await made.embed_query("why")
    assert server.texts[-1] == "query: why"
    assert set(server.keys) == {"Bearer sk-secret"}
    assert {request["model"] for request in server.requests} == {"bge"}
    await made.close()


async def test_a_busy_server_is_waited_for_as_it_asks(server: EmbeddingServer) -> None:
    made = embedder(server)
    await made.open()
    server.replies = [Said(status=429, headers={"Retry-After": "0.3"}), Said(status=503), Said()]
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    assert (await made.embed_documents(["a"])).count == 1
    assert loop.time() - began_s >= 0.5
    assert len(server.requests) == 4
    server.replies = [Said(status=429)] * 9
    with pytest.raises(RateLimited):
        await made.embed_query("a question is not kept waiting")
    assert len(server.requests) == 5
    await made.close()


async def test_cancelling_ends_the_request(server: EmbeddingServer) -> None:
    made = embedder(server)
    await made.open()
    server.replies = [Said(delay_s=30)]
    task = asyncio.create_task(made.embed_documents(["a"]))
    await asyncio.sleep(0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await made.close()


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (Said(status=401, body={"error": {"message": "bad key sk-secret"}}), "refused the API key .401.. Check ANTIPHON_EMBED_API_KEY"),
        (Said(status=404, body={"error": "no such model"}), "does not know the model 'bge'"),
        (Said(status=200, body={"data": []}), "gave 0 embeddings for 1 texts"),
        (Said(status=200, body=[1, 2]), "no readable embeddings"),
        (Said(status=200, body={"data": [{"index": 0, "embedding": [0.0] * 64}]}), "zero"),
        (Said(status=200, body={"data": [{"index": 0, "embedding": [1.0, 2.0]}]}), "vector of 2 numbers where 64 were expected"),
        (Said(status=200, body={"data": [{"index": 0, "embedding": "???"}]}), "neither numbers nor base64"),
    ],
)  # fmt: skip
async def test_wrong_answers_are_said_in_words(server: EmbeddingServer, said: Said, words: str) -> None:
    made = embedder(server)
    await made.open()
    server.replies = [said]
    with pytest.raises(ModelError, match=words) as raised:
        await made.embed_query("x")
    assert "sk-secret" not in raised.value.message
    await made.close()


async def test_base64_is_understood(server: EmbeddingServer) -> None:
    made = embedder(server)
    await made.open()
    packed = base64.b64encode(struct.pack("<64f", *([2.0] + [0.0] * 63))).decode()
    server.replies = [Said(body={"data": [{"index": 0, "embedding": packed}]})]
    assert struct.unpack("<f", (await made.embed_query("x")).data[:4]) == (1.0,)
    await made.close()


async def test_nobody_there_is_unavailable() -> None:
    made = EndpointEmbedder(endpoint("http://127.0.0.1:1"), EmbedRules(model="m"))
    with pytest.raises(ModelUnavailable):
        await made.open()
    assert made.space is None
    with pytest.raises(BadRequest, match="ANTIPHON_EMBED_API_KEY"):
        endpoint("http://127.0.0.1:1", key="with space")


async def test_a_ranking_that_lacks_a_text_is_refused(server: EmbeddingServer) -> None:
    made = EndpointReranker(endpoint(server.url), model=None)
    server.replies = [Said(body={"results": [{"index": 0, "relevance_score": 1.0}, {"index": 7, "relevance_score": 1.0}]})]
    with pytest.raises(ModelError, match="ranked 1 of 2 texts"):
        await made.scores("q", ["a", "b"])
    assert "model" not in server.requests[0]
    server.replies = [Said(status=500)]
    with pytest.raises(AntiphonError):
        await made.scores("q", ["a"])
    await made.close()


def test_scripts_and_languages() -> None:
    assert is_cjk("产品 FM-200 的保修期")
    assert not is_cjk("The 保修 of the product is two years")
    assert not is_cjk("12 : 30")
    english, any_language = EmbeddingSpace(model="m", dimension=2, languages=["en"]), EmbeddingSpace(model="m", dimension=2)
    assert (english.covers("a pump"), english.covers("水泵"), any_language.covers("水泵")) == (True, False, True)
    assert EmbeddingSpace(model="m", dimension=2, languages=["zh"]).covers("a pump") is False
    assert english.fingerprint != any_language.fingerprint


def test_vectors_are_checked_and_batches_keep_their_order() -> None:
    for rows in ([[float("nan"), 1.0]], [[0.0, 0.0]], [[1.0], [1.0, 2.0]]):
        with pytest.raises(ModelError):
            unit_vectors(rows, source="It")
    texts = [str(n) * (n % 5 + 1) for n in range(30)]
    assert [text for batch in batched(texts, most=4, characters=9) for text in batch] == texts
