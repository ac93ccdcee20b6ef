"""LangChain behind our contracts: fakes of langchain-core, and `ChatOpenAI` of langchain-openai against the scripted server."""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from antiphon.access.identity import Role
from antiphon.core.errors import AntiphonError, ContextTooLong, ModelError, ModelUnavailable, RateLimited, RetrievalFailed
from antiphon.core.runtime import system_runtime
from antiphon.models.chat import ChatDelta, ChatMessage, ChatRequest, ReasoningDelta, TextDelta, ToolCallDelta
from antiphon.models.langchain_chat import LangChainChat
from antiphon.retrieve.langchain_retriever import LangChainRetriever
from antiphon.storage.lexical.contract import SearchFilter
from antiphon.testing.conformance.scopes import scope_of
from antiphon.testing.model_server import Reply, delta_event, error_reply, serve_model, text_reply

pytest.importorskip("langchain_core", reason="langchain-core is not installed (extra `langchain`)")
HAS_OPENAI = importlib.util.find_spec("langchain_openai") is not None
WITHOUT_OPENAI = "langchain-openai is not installed: only the fakes of langchain-core were run"
KEY = "sk-very-secret-0123456789"
TOOL = {
    "type": "function",
    "function": {"name": "add", "description": "Adds.", "parameters": {"type": "object", "properties": {}}},
}


def request(*messages: ChatMessage, **fields: Any) -> ChatRequest:
    return ChatRequest(model="m", messages=messages or [ChatMessage(role="user", content="Hi")], **fields)


class Recorder:
    """A stand-in for a chat model that keeps what it is given and yields the given chunks."""

    def __init__(self, *chunks: Any) -> None:
        self.chunks, self.calls = chunks, []

    def bind_tools(self, tools: list[Any]) -> Recorder:
        self.calls.append(("tools", tools))
        return self

    async def astream(self, messages: list[Any], **arguments: Any):
        self.calls.append((messages, arguments))
        for chunk in self.chunks:
            if isinstance(chunk, Exception):
                raise chunk
            yield chunk


def chunk(content: Any = "", **fields: Any) -> Any:
    from langchain_core.messages import AIMessageChunk

    return AIMessageChunk(content=content, **fields)


async def test_what_goes_in() -> None:
    model = Recorder(chunk("ok"))
    call = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
    asked = request(
        ChatMessage(role="system", content="Rules."),
        ChatMessage(role="user", content="Look", images=["data:image/png;base64,QUJD"]),
        ChatMessage(role="assistant", content="", tool_calls=[call]),
        ChatMessage(role="tool", content="2", tool_call_id="c1"),
        temperature=0.3, seed=7, max_tokens=9, stop=["END"], tools=[TOOL],
    )  # fmt: skip
    await LangChainChat(model, options=["temperature", "seed"]).stream(asked, lambda _: None)
    (_, tools), (messages, arguments) = model.calls
    assert tools == [TOOL]
    assert arguments == {"stop": ["END"], "temperature": 0.3, "seed": 7}
    assert [message.type for message in messages] == ["system", "human", "ai", "tool"]
    assert messages[1].content[1] == {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}}
    assert (messages[2].tool_calls[0]["name"], messages[2].tool_calls[0]["args"]) == ("add", {"a": 1})
    assert messages[3].tool_call_id == "c1"


async def test_what_comes_out() -> None:
    model = Recorder(
        chunk("", additional_kwargs={"reasoning_content": "Hm"}),
        chunk([{"type": "thinking", "thinking": "so"}, {"type": "text", "text": "It is"}]),
        chunk(""),
        chunk(" so."),
        chunk("", tool_call_chunks=[{"name": "add", "args": "", "id": "t", "index": 0}]),
        chunk("", tool_call_chunks=[{"name": None, "args": '{"a":1}', "id": None, "index": 0}]),
        chunk(
            "",
            usage_metadata={"input_tokens": 5, "output_tokens": 3, "total_tokens": 8, "input_token_details": {"cache_read": 2}},
            response_metadata={"finish_reason": "tool_calls"},
        ),
    )
    seen: list[ChatDelta] = []
    result = await LangChainChat(model).stream(request(), seen.append)
    assert seen == [
        ReasoningDelta("Hm"), ReasoningDelta("so"), TextDelta("It is"), TextDelta(" so."),
        ToolCallDelta(index=0, id="t", name="add"), ToolCallDelta(index=0, arguments='{"a":1}'),
    ]  # fmt: skip
    assert (result.prompt_tokens, result.cached_prompt_tokens, result.completion_tokens) == (5, 2, 3)
    assert result.finish_reason == "tool_calls"


class APIConnectionError(Exception): ...


class RateLimitError(Exception): ...


class Refused(Exception):
    status_code = 401


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (APIConnectionError(f"key {KEY}"), ModelUnavailable),
        (RateLimitError(KEY), RateLimited),
        (Refused(f"Incorrect API key {KEY}"), ModelError),
        (ValueError("maximum context length is 4096 tokens"), ContextTooLong),
        (KeyError(KEY), ModelError),
    ],
)
async def test_errors_without_the_words_of_others(error: Exception, kind: type[AntiphonError]) -> None:
    with pytest.raises(kind) as caught:
        await LangChainChat(Recorder(error)).stream(request(), lambda _: None)
    assert KEY not in caught.value.message + str(caught.value.data)
    with pytest.raises(AntiphonError) as caught:
        await LangChainChat(Recorder(chunk("Half"), error)).stream(request(), lambda _: None)
    assert not isinstance(caught.value, ModelUnavailable)


@pytest.mark.skipif(not HAS_OPENAI, reason=WITHOUT_OPENAI)
@pytest.mark.filterwarnings("ignore")  # of third parties, about their own future
class TestChatOpenAI:
    @asynccontextmanager
    async def model(self, base_url: str, **fields: Any) -> AsyncGenerator[LangChainChat]:
        from langchain_openai import ChatOpenAI

        made = ChatOpenAI(model="scripted-model", base_url=base_url, api_key=KEY, max_retries=0, stream_usage=True, **fields)
        yield LangChainChat(made, options=["temperature", "seed", "max_tokens"])
        await made.root_async_client.close()
        made.root_client.close()

    async def test_an_answer(self) -> None:
        async with serve_model(text_reply("It ", "is so.")) as server, self.model(server.base_url) as model:
            seen: list[ChatDelta] = []
            asked = request(temperature=0.3, seed=7, stop=["END"])
            result = await model.stream(asked, seen.append)
            body = server.chats[0].body
        assert "".join(delta.text for delta in seen if isinstance(delta, TextDelta)) == "It is so."
        assert (result.finish_reason, result.prompt_tokens, result.completion_tokens) == ("stop", 7, 2)
        assert (body["temperature"], body["seed"], body["stop"]) == (0.3, 7, ["END"])

    async def test_tool_calls(self) -> None:
        call = [{"index": 0, "id": "t", "type": "function", "function": {"name": "add", "arguments": '{"a":1}'}}]
        reply = Reply(pieces=[delta_event(tool_calls=call), delta_event(finish="tool_calls")])
        async with serve_model(reply) as server, self.model(server.base_url) as model:
            seen: list[ChatDelta] = []
            result = await model.stream(request(tools=[TOOL]), seen.append)
            assert server.chats[0].body["tools"][0]["function"]["name"] == "add"
        assert seen == [ToolCallDelta(index=0, id="t", name="add", arguments='{"a":1}')]
        assert result.finish_reason == "tool_calls"

    @pytest.mark.parametrize(
        ("reply", "kind"),
        [
            (error_reply(401, f"Incorrect key {KEY}"), ModelError),
            (error_reply(429, "slow"), RateLimited),
            (error_reply(500, "x"), ModelError),
        ],
    )
    async def test_errors(self, reply: Reply, kind: type[AntiphonError]) -> None:
        async with serve_model(reply) as server, self.model(server.base_url) as model:
            with pytest.raises(kind) as caught:
                await model.stream(request(), lambda _: None)
        assert KEY not in repr(caught.value)

    async def test_nobody_listens(self) -> None:
        async with self.model("http://127.0.0.1:9/v1") as model:
            with pytest.raises(ModelUnavailable):
                await model.stream(request(), lambda _: None)


def retriever(workspace_id: str = "ws_1") -> LangChainRetriever:
    from langchain_core.documents import Document
    from langchain_core.embeddings import DeterministicFakeEmbedding
    from langchain_core.vectorstores import InMemoryVectorStore

    store = InMemoryVectorStore(DeterministicFakeEmbedding(size=8))
    store.add_documents(
        [Document(page_content=f"Leave is {n} days.", metadata={"source": f"/files/leave-{n}.txt", "page": n}) for n in range(4)]
    )
    return LangChainRetriever(store.as_retriever(search_kwargs={"k": 3}), workspace_id=workspace_id, runtime=system_runtime())


async def test_a_vector_store_of_langchain_gives_passages() -> None:
    pytest.importorskip("numpy", reason="numpy is not installed: its in-memory vector store needs it")
    found = await retriever().retrieve(await scope_of("usr_1", {"ws_1": Role.VIEWER}), ["ws_1"], "How many days of leave?", k=2)
    assert len(found.passages) == 2
    passage = found.passages[0]
    assert passage.text.startswith("Leave is ")
    assert passage.title.startswith("leave-")
    assert (passage.workspace_id, passage.start, passage.end) == ("ws_1", 0, len(passage.text))
    assert passage.chunk_id < 0
    assert found.coverage == 1.0
    assert found.mode == "langchain"


async def test_it_gives_nothing_outside_of_its_workspace() -> None:
    pytest.importorskip("numpy", reason="numpy is not installed: its in-memory vector store needs it")
    scope = await scope_of("usr_1", {"ws_1": Role.VIEWER})
    assert (await retriever("ws_2").retrieve(scope, ["ws_2"], "leave", k=2)).passages == []
    assert (await retriever().retrieve(scope, ["ws_2"], "leave", k=2)).passages == []
    narrowed = SearchFilter(document_ids=["doc_1"], tags=None, paths=None)
    assert (await retriever().retrieve(scope, ["ws_1"], "leave", k=2, filter=narrowed)).passages == []


async def test_a_failing_retriever_is_told() -> None:
    class Broken:
        async def ainvoke(self, query: str) -> list[Any]:
            raise ValueError(KEY)

    broken = LangChainRetriever(Broken(), workspace_id="ws_1", runtime=system_runtime())
    with pytest.raises(RetrievalFailed, match="Broken: ValueError") as caught:
        await broken.retrieve(await scope_of("usr_1", {"ws_1": Role.VIEWER}), ["ws_1"], "leave", k=2)
    assert KEY not in caught.value.message
