"""Node `decompose`: a question that compares, or asks for several things, becomes a search for each, by the run's model.

Rules say which questions are worth a call of the model (most are not); without a model, or when it fails, the question is
searched as it is, and a failure is told. Tests: tests/unit/runs/test_nodes_decompose.py.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any, Final

from antiphon.core.errors import AntiphonError
from antiphon.flows.descriptor import NodeDescriptor, Port
from antiphon.models.chat import ChatDelta, ChatMessage, ChatRequest, TextDelta
from antiphon.models.extractive import EXTRACTIVE_MODEL
from antiphon.runs.node import NodeContext
from antiphon.runs.nodes import phrases

MOST_QUERIES: Final = 4
MOST_QUERY_CHARACTERS: Final = 300
_MOST_TOKENS: Final = 200
_COMPARES: Final = re.compile(
    r"\b(?:compar(?:e[ds]?|ing|ison)|differ(?:s|ed|ent|ence|ences)?|versus|vs\.?|in contrast|(?:un)?like|similarit(?:y|ies)|as opposed to"
    r"|respectively|each of|both .{1,80} and|rather than|(?:better|worse|more|less|cheaper|faster|larger|smaller|higher|lower|longer|shorter|older|newer) than)\b"
    r"|比较|相比|对比|對比|相较|較|区别|區別|差异|差異|不同|异同|異同|分别|分別|各自|哪个更|哪個更|以及.{1,40}(?:和|与|跟)|优缺点|共同点",
    re.IGNORECASE,
)
_BULLET: Final = re.compile(r"^[\s>*•\-–]*(?:\d{1,2}[.)、:]\s*|query\s*\d*\s*:\s*)?", re.IGNORECASE)
_TASK: Final = {
    "en": "Split the question into the separate searches that answer it, one a line, {most} lines at most, each understandable by "
    "itself and without commentary. If one search is enough, write the question itself.\n\nQuestion: {question}",
    "zh": "把下面的问题拆成回答它所需的几个独立检索，每行一个，最多 {most} 行，每行都要能单独看懂，不要写别的。如果一个检索就够，就原样写出问题。\n\n问题：{question}",
}

DECOMPOSE: Final = NodeDescriptor(
    type="decompose",
    label="Decompose",
    description="Splits a question that compares, or needs several documents, into several searches; needs a model.",
    inputs=[Port(name="question", type="text", description="The question as asked.")],
    outputs=[Port(name="queries", type="json", description="Further searches, for `retrieve`; none for most questions.")],
    settings_schema={
        "type": "object",
        "properties": {
            "timeout_s": {
                "type": "number",
                "minimum": 0.1,
                "maximum": 120,
                "default": 15,
                "description": "A model that takes longer is not waited for.",
            }
        },
    },
)


class DecomposeNode:
    async def run(self, context: NodeContext, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        run, question = context.run, str(inputs["question"])
        model_id, model = run.models.resolve(run.model)
        if model_id == EXTRACTIVE_MODEL or not needs_several(question):
            return {"queries": []}
        run.sink.status("decomposing", phrases.decomposing(run.language))
        task = _TASK["zh" if run.language == "zh" else "en"].format(most=MOST_QUERIES, question=question)
        request = ChatRequest(
            model=model_id, messages=[ChatMessage(role="user", content=task)], question=question, language=run.language,
            max_tokens=_MOST_TOKENS, seed=run.seed,
        )  # fmt: skip
        pieces: list[str] = []

        def collect(delta: ChatDelta) -> None:
            if isinstance(delta, TextDelta):
                pieces.append(delta.text)

        try:
            async with asyncio.timeout(float(context.settings["timeout_s"])):
                await model.stream(request, collect)
        except (AntiphonError, TimeoutError) as error:
            run.sink.status("decomposing", phrases.not_decomposed(run.language))
            run.sink.record(decomposed={"queries": [], "error": error.code if isinstance(error, AntiphonError) else "timeout"})
            return {"queries": []}
        queries = queries_of("".join(pieces), question)
        run.sink.record(decomposed={"queries": queries})
        if queries:
            run.sink.status("decomposing", phrases.decomposed(run.language, queries=queries), counts={"searches": len(queries)})
        return {"queries": queries}


def needs_several(question: str) -> bool:
    """Whether the words of the question compare things, or ask for several of them."""
    return bool(_COMPARES.search(question))


def queries_of(text: str, question: str) -> list[str]:
    """The lines of the model's answer, cleaned, each once; none when it only repeats the question."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        query = _BULLET.sub("", line).strip().strip('"“”`')[:MOST_QUERY_CHARACTERS]
        if any(character.isalnum() for character in query):
            found.setdefault(query.casefold(), query)
    found.pop(question.strip().casefold(), None)
    return list(found.values())[:MOST_QUERIES]
