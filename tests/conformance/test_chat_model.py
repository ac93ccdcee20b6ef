"""The `ChatModel` suite over every adapter and over the public fake."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from antiphon.core.errors import ModelError, ModelUnavailable
from antiphon.core.runtime import system_runtime
from antiphon.models.aiohttp_transport import AiohttpTransport
from antiphon.models.anthropic import AnthropicChat
from antiphon.models.chat import ChatMessage, ChatRequest, Evidence
from antiphon.models.extractive import ExtractiveChat, extract_answer
from antiphon.models.httptools_transport import HttptoolsTransport
from antiphon.models.langchain_chat import LangChainChat
from antiphon.models.openai_compatible import OpenAICompatibleChat
from antiphon.models.transport import parse_server_address
from antiphon.testing.anthropic_server import (
    block_start,
    message_reply,
    message_start,
    refusal_reply,
    stream_error,
    text_event,
)
from antiphon.testing.conformance.chat_model import CHECKS, ChatModelCase, Check, Situation
from antiphon.testing.model_server import Break, Hang, Reply, delta_event, error_reply, serve_model, text_reply
from antiphon.testing.models import ScriptedChat, Wait

REQUEST = ChatRequest(model="scripted-model", messages=[ChatMessage(role="user", content="Hi")])
WORDS = ("One ", "two ", "three ", "四 ", "five.")


async def real_tick() -> None:
    await asyncio.sleep(0.001)


@asynccontextmanager
async def scripted(situation: Situation) -> AsyncGenerator[ChatModelCase]:
    runtime = system_runtime()
    steps = {
        "answers": WORDS,
        "slow": ("One ", Wait(60.0), "two"),
        "fails_before": (ModelUnavailable("The scripted model is away."),),
        "fails_midway": ("One ", ModelError("The scripted model failed.")),
    }[situation]
    model = ScriptedChat(runtime, steps)
    text = "".join(step for step in steps if isinstance(step, str))
    yield ChatModelCase(model=model, request=REQUEST, text=text, tick=real_tick, upstream_open=lambda: model.streaming > 0)


@asynccontextmanager
async def extractive(_situation: Situation) -> AsyncGenerator[ChatModelCase]:
    passage = Evidence(n=1, key="a", order=(1, 0), title="Pay", text="Pay day is the first. Pay comes by post. " * 3)
    question = "When is pay day?"
    request = ChatRequest(model="extractive", messages=[], question=question, evidence=[passage])
    text = extract_answer(question, [passage], "en")

    async def turn() -> None:
        await asyncio.sleep(0)

    yield ChatModelCase(model=ExtractiveChat(system_runtime()), request=request, text=text, tick=turn)


def replies(situation: Situation) -> Reply:
    return {
        "answers": text_reply(*WORDS),
        "slow": Reply(pieces=[delta_event("One "), Hang()]),
        "fails_before": error_reply(500, "no luck"),
        "fails_midway": Reply(pieces=[delta_event("One "), delta_event("two "), Break(reset=False)]),
    }[situation]


@asynccontextmanager
async def over_wire(situation: Situation, *, lean: bool) -> AsyncGenerator[ChatModelCase]:
    runtime = system_runtime()
    text = {"answers": "".join(WORDS), "slow": "One two", "fails_before": "", "fails_midway": "One two "}[situation]
    async with serve_model(replies(situation)) as server:
        transport = HttptoolsTransport(runtime) if lean else AiohttpTransport(runtime)
        address = parse_server_address(server.base_url)
        model = OpenAICompatibleChat(address, transport, runtime, retries=0 if situation == "fails_before" else 2)
        try:
            yield ChatModelCase(
                model=model, request=REQUEST, text=text, tick=real_tick, upstream_open=lambda: server.open_answers > 0
            )
        finally:
            await model.close()


def httptools_wire(situation: Situation):
    return over_wire(situation, lean=True)


def aiohttp_wire(situation: Situation):
    return over_wire(situation, lean=False)


def anthropic_replies(situation: Situation) -> Reply:
    begin = [message_start(), block_start(0, text="")]
    return {
        "answers": message_reply(*WORDS),
        "slow": Reply(pieces=[*begin, text_event("One "), Hang()]),
        "fails_before": refusal_reply(529, "overloaded_error", "Overloaded"),
        "fails_midway": Reply(pieces=[*begin, text_event("One "), text_event("two "), stream_error("overloaded_error", "Busy")]),
    }[situation]


@asynccontextmanager
async def anthropic_wire(situation: Situation) -> AsyncGenerator[ChatModelCase]:
    runtime = system_runtime()
    text = {"answers": "".join(WORDS), "slow": "One two", "fails_before": "", "fails_midway": "One two "}[situation]
    async with serve_model(anthropic_replies(situation)) as server:
        address = parse_server_address(server.base_url)
        retries = 0 if situation == "fails_before" else 2
        model = AnthropicChat(address, HttptoolsTransport(runtime), runtime, retries=retries)
        try:
            yield ChatModelCase(
                model=model, request=REQUEST, text=text, tick=real_tick, upstream_open=lambda: server.open_answers > 0
            )
        finally:
            await model.close()


@asynccontextmanager
async def langchain(situation: Situation) -> AsyncGenerator[ChatModelCase]:
    """Over the fakes of langchain-core, which say a character at a time."""
    fakes = pytest.importorskip("langchain_core.language_models.fake_chat_models", reason="langchain-core is not installed")
    text = "".join(WORDS)
    fake = {
        "answers": lambda: fakes.FakeListChatModel(responses=[text]),
        "slow": lambda: fakes.FakeListChatModel(responses=[text], sleep=0.02),
        "fails_before": lambda: fakes.FakeListChatModel(responses=[text], error_on_chunk_number=0),
        "fails_midway": lambda: fakes.FakeListChatModel(responses=[text], error_on_chunk_number=8),
    }[situation]()
    wanted = {"fails_before": "", "fails_midway": text[:8]}.get(situation, text)
    yield ChatModelCase(model=LangChainChat(fake), request=REQUEST, text=wanted, tick=real_tick)


BACKENDS = {
    "langchain": langchain,
    "scripted": scripted,
    "extractive": extractive,
    "openai-httptools": httptools_wire,
    "openai-aiohttp": aiohttp_wire,
    "anthropic": anthropic_wire,
}
# The extractive answerer has no server that could fail; its errors would be defects.
CANNOT = {("extractive", "fails_before"), ("extractive", "fails_midway")}
CASES = [
    pytest.param(factory, check, id=f"{name}-{check.__name__}")
    for name, factory in BACKENDS.items()
    for check, situation in CHECKS.items()
    if (name, situation) not in CANNOT
]


@pytest.mark.parametrize(("factory", "check"), CASES)
async def test_chat_model_conforms(factory, check: Check) -> None:
    await check(factory)
