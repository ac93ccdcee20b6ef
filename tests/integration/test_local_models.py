"""A local model in its process: priority, death, hanging, memory, languages, and the ways its folder is found or fetched."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import psutil
import pytest

from antiphon.config.settings import EmbedServer, RerankServer
from antiphon.core.errors import BadRequest, ModelUnavailable, Timeout
from antiphon.core.runtime import system_runtime
from antiphon.models.embedder_choice import configured_embedders
from antiphon.models.embedders import Embedders
from antiphon.models.onnx.hub import fetch_model
from antiphon.models.onnx.local import LocalEmbedder
from antiphon.models.onnx.wire import Vectorise
from antiphon.testing.embedding_server import EmbeddingServer, serve_embeddings
from antiphon.testing.onnx_models import make_encoder


def local(folder: Path, *, memory_bytes: int = 2**31, timeout_s: float = 30.0) -> LocalEmbedder:
    async def find() -> Path:
        return folder

    return LocalEmbedder(find, system_runtime(), memory_bytes=memory_bytes, timeout_s=timeout_s)


async def test_it_runs_niced_apart_and_ends_with_the_server(tmp_path: Path) -> None:
    made = local(make_encoder(tmp_path / "m"))
    await made.open()
    assert made.process is not None
    process = psutil.Process(made.process.pid)
    assert process.nice() >= 10
    assert not [name for name in process.environ() if name.startswith("ANTIPHON")]
    await made.close()
    assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


async def test_a_killed_process_is_started_again_and_the_text_is_not_lost(tmp_path: Path) -> None:
    made = local(make_encoder(tmp_path / "m"))
    await made.open()
    assert made.process is not None
    before = (await made.embed_query("the red car")).data
    os.kill(made.process.pid or 0, signal.SIGKILL)
    assert (await made.embed_query("the red car")).data == before
    assert made.process.starts == 2
    await made.close()


async def test_a_process_that_hangs_is_ended(tmp_path: Path) -> None:
    made = local(make_encoder(tmp_path / "m"), timeout_s=0.5)
    await made.open()
    assert made.process is not None
    os.kill(made.process.pid or 0, signal.SIGSTOP)
    with pytest.raises(Timeout, match=r"longer than 0\.5 s"):
        await made.embed_query("the red car")
    assert (await made.embed_query("the red car")).count == 1
    await made.close()


async def test_a_question_goes_before_waiting_documents(tmp_path: Path) -> None:
    made = local(make_encoder(tmp_path / "m"))
    await made.open()
    process = made.process
    assert process is not None
    ended: list[str] = []

    async def ask(name: str, *, urgent: bool) -> None:
        await process.ask(Vectorise(texts=["the long report about the patient " * 20] * 8), urgent=urgent)
        ended.append(name)

    documents = [asyncio.create_task(ask("document", urgent=False)) for _ in range(6)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)  # they all wait now, and one is under way
    await asyncio.gather(asyncio.create_task(ask("question", urgent=True)), *documents)
    assert ended.index("question") <= 1
    await made.close()


async def test_a_cancelled_request_leaves_the_next_one_sound(tmp_path: Path) -> None:
    made = local(make_encoder(tmp_path / "m"))
    await made.open()
    wanted = (await made.embed_query("the blue car")).data
    for _ in range(5):
        task = asyncio.create_task(made.embed_documents(["the cat sat"] * 64))
        await asyncio.sleep(0.005)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert (await made.embed_query("the blue car")).data == wanted
    await made.close()


async def test_one_that_takes_too_much_memory_is_started_anew(tmp_path: Path) -> None:
    made = local(make_encoder(tmp_path / "m"))
    await made.open()
    assert made.process is not None
    made.process._order.memory_bytes = 2**20  # less than any process has
    await made.embed_query("the car")
    assert made.process.pid is None
    made.process._order.memory_bytes = 2**31
    await made.embed_query("the car")
    assert made.process.starts == 2
    await made.close()


async def test_a_model_that_never_learnt_chinese_is_known_by_its_tokenizer(tmp_path: Path) -> None:
    english, both = local(make_encoder(tmp_path / "e", chinese=False)), local(make_encoder(tmp_path / "b"))
    assert (await english.open()).languages == ["en"]
    assert (await both.open()).languages is None
    await english.close()
    await both.close()


async def test_token_types_are_fed_only_where_asked_and_a_broken_model_is_said(tmp_path: Path) -> None:
    without = local(make_encoder(tmp_path / "m", token_types=False))
    assert (await without.open()).dimension == 32
    await without.close()
    folder = make_encoder(tmp_path / "broken")
    (folder / "onnx" / "model.onnx").write_bytes(b"not a model")
    broken = local(folder)
    with pytest.raises(BadRequest, match="can't be loaded"):
        await broken.open()
    await broken.close()


def choose(tmp_path: Path, **fields: object) -> Embedders:
    embed = EmbedServer(**{"hub_cache": tmp_path / "cache", **fields})  # type: ignore[arg-type]
    return configured_embedders(embed, RerankServer(), system_runtime(), data_dir=tmp_path / "data")


async def test_the_ways_to_a_folder(tmp_path: Path) -> None:
    nothing = choose(tmp_path)
    assert (nothing.ids, "no local model was named or found" in nothing.absent) == ([], True)
    assert "switched off" in choose(tmp_path, mode="none").absent
    assert "ANTIPHON_EMBED_MODEL is not set" in choose(tmp_path, base_url="http://127.0.0.1:1/v1").absent
    snapshot = tmp_path / "cache" / "models--acme--tiny" / "snapshots" / "abc"
    make_encoder(snapshot)
    cached = choose(tmp_path)
    await cached.open_now()
    opened = cached.choose(None)
    assert opened is not None
    assert (opened.id, opened.space.model) == ("local", "acme/tiny")
    await cached.close()
    make_encoder(tmp_path / "cache" / "models--acme--other" / "snapshots" / "abc")
    assert "acme/other, acme/tiny" in choose(tmp_path).absent
    named = choose(tmp_path, repository="acme/other")
    await named.open_now()
    assert named.choose(None) is not None
    await named.close()
    absent = choose(tmp_path, repository="acme/missing")
    await absent.open_now()
    (status,) = absent.statuses()
    assert status.state == "unavailable"
    assert "ANTIPHON_EMBED_HUB_URL" in status.reason
    both = choose(tmp_path, base_url="http://127.0.0.1:1/v1", model="m", repository="acme/tiny")
    assert both.ids == ["server", "local"]


async def test_a_model_is_fetched_from_a_hub_whole_and_checked(tmp_path: Path) -> None:
    source = make_encoder(tmp_path / "source", prompts={"query": "q: "}, readme="---\nlanguage: en\n---\n")
    async with serve_embeddings(EmbeddingServer(files=source)) as server:
        fetched = choose(tmp_path, repository="owner/model", hub_url=server.url)
        await fetched.open_now()
        opened = fetched.choose(None)
        assert opened is not None
        assert (opened.space.query_prefix, opened.space.languages, opened.space.pooling) == ("q: ", ["en"], "mean")
        await fetched.close()
        assert not any("pytorch" in path for path in server.paths)
        asked = len(server.paths)
        again = choose(tmp_path, repository="owner/model", hub_url=server.url)
        await again.open_now()
        assert again.choose(None) is not None
        assert len(server.paths) == asked, "it was fetched twice"
        await again.close()
        server.damaged = {"onnx/model.onnx"}
        with pytest.raises(ModelUnavailable, match="arrived damaged"):
            await fetch_model(server.url, "owner/model", tmp_path / "other")
        assert not (tmp_path / "other" / "owner--model").exists()
        with pytest.raises(ModelUnavailable, match="does not have the model"):
            await fetch_model(server.url, "owner/none", tmp_path / "other")
    with pytest.raises(ModelUnavailable, match="did not give the model"):
        await fetch_model("http://127.0.0.1:1", "owner/model", tmp_path / "other")
    with pytest.raises(BadRequest, match="owner/name"):
        choose(tmp_path, repository="../../etc")
