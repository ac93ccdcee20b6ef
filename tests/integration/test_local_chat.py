"""A tiny random model, made here, in this process: the conformance suite, stopping, seeds, stop words, limits.

Skipped without torch and transformers (extra `local-chat`); `make prove` installs them.
"""

from __future__ import annotations

import asyncio
import importlib.util
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from antiphon.core.errors import ContextTooLong, ModelUnavailable
from antiphon.core.runtime import system_runtime
from antiphon.models.chat import ChatDelta, ChatMessage, ChatRequest, ChatResult, TextDelta
from antiphon.models.local_chat import LocalChat
from antiphon.testing.conformance.chat_model import CHECKS, ChatModelCase, Check, Situation

MISSING = [name for name in ("torch", "transformers") if importlib.util.find_spec(name) is None]
pytestmark = [
    pytest.mark.skipif(
        bool(MISSING), reason=f"{' and '.join(MISSING)} not installed (extra `local-chat`): no local model was run"
    ),
    # Third parties warn about their own future while they are imported.
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]
WINDOW = 512
TEMPLATE = "{% for m in messages %}<{{ m.role }}> {{ m.content }} {% endfor %}<assistant> "


def make_model(folder: Path, *, layers: int = 2, width: int = 32) -> Path:
    """A Llama of a few thousand random weights over a vocabulary of words, in the hub's layout."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    words = ["<unk>", "<end>", *(f"w{n}" for n in range(298))]
    tokenizer = Tokenizer(models.WordLevel({word: n for n, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", eos_token="<end>", pad_token="<end>")
    wrapped.chat_template = TEMPLATE
    wrapped.save_pretrained(folder)
    torch.manual_seed(7)
    config = LlamaConfig(
        vocab_size=len(words), hidden_size=width, intermediate_size=2 * width, num_hidden_layers=layers, num_attention_heads=2,
        num_key_value_heads=2, max_position_embeddings=WINDOW, bos_token_id=None, eos_token_id=1, pad_token_id=1,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_model(tmp_path_factory.mktemp("tiny")))


@pytest.fixture(scope="module")
def wide_folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One whose prompt takes a while."""
    return str(make_model(tmp_path_factory.mktemp("wide"), layers=24, width=768))


def request(model: str, words: str = "w1 w2 w3", **fields: Any) -> ChatRequest:
    return ChatRequest(
        model=model, messages=[ChatMessage(role="user", content=words)], **{"max_tokens": 24, "temperature": 0.0, **fields}
    )


async def ask(chat: LocalChat, asked: ChatRequest) -> tuple[str, ChatResult]:
    seen: list[ChatDelta] = []
    result = await chat.stream(asked, seen.append)
    return "".join(delta.text for delta in seen if isinstance(delta, TextDelta)), result


@pytest.mark.parametrize("check", [check for check, situation in CHECKS.items() if situation in {"answers", "slow"}])
async def test_conformance(check: Check, folder: str) -> None:
    @asynccontextmanager
    async def case(situation: Situation) -> AsyncGenerator[ChatModelCase]:
        chat = LocalChat([folder], system_runtime())
        asked = request(folder, max_tokens=24 if situation == "answers" else 450)
        text, _ = await ask(chat, asked)

        async def tick() -> None:
            await asyncio.sleep(0.001)

        yield ChatModelCase(model=chat, request=asked, text=text, tick=tick)
        await chat.close()

    await check(case)


async def test_the_same_seed_says_the_same(folder: str) -> None:
    chat = LocalChat([folder], system_runtime())
    texts = [(await ask(chat, request(folder, temperature=1.5, seed=seed)))[0] for seed in (3, 3, 4)]
    await chat.close()
    assert texts[0] == texts[1] != texts[2]


async def test_counts_limits_and_stop_words(folder: str) -> None:
    chat = LocalChat([folder], system_runtime())
    text, result = await ask(chat, request(folder, max_tokens=9))
    assert (result.finish_reason, result.completion_tokens) == ("length", 9)
    assert result.prompt_tokens is not None
    assert result.prompt_tokens >= 4
    words = text.split()
    cut, result = await ask(chat, request(folder, max_tokens=9, stop=[words[3]]))
    assert cut.split() == words[: words.index(words[3])]
    assert result.finish_reason == "stop"
    with pytest.raises(ContextTooLong):
        await ask(chat, request(folder, "w1 " * (WINDOW + 5)))
    assert (await chat.list_models())[0].context_window == WINDOW
    await chat.close()


async def test_a_stop_is_seen_while_the_prompt_is_read(wide_folder: str) -> None:
    """Not after it: a layer's time, not the prompt's."""
    chat = LocalChat([wide_folder], system_runtime())
    long = request(wide_folder, "w5 " * 400, max_tokens=1)
    await ask(chat, long)  # loaded and warm
    began = time.monotonic()
    await ask(chat, long)
    whole_s = time.monotonic() - began
    task = asyncio.ensure_future(chat.stream(long, lambda _: None))
    await asyncio.sleep(whole_s / 4)
    began = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    took_s = time.monotonic() - began
    print(f"whole prompt {whole_s * 1000:.0f} ms, stop seen after {took_s * 1000:.0f} ms")
    assert took_s < whole_s / 2
    await chat.close()


async def test_what_cannot_be_loaded_is_told(tmp_path: Path) -> None:
    chat = LocalChat([str(tmp_path)], system_runtime())
    with pytest.raises(ModelUnavailable, match="could not be loaded"):
        await ask(chat, request(str(tmp_path)))
    await chat.close()
