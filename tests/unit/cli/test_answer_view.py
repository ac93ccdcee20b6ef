"""How an answer looks on the terminal."""

from __future__ import annotations

from antiphon.cli.answer_view import AnswerView
from antiphon.protocol.events import AnswerChunk, Citation, RunError, Sources, Status

SOURCES = [
    {"n": 1, "source_id": "s1", "title": "Handbook\nof \x1b[1mrules", "page": 3},
    {"n": 2, "source_id": "s2", "title": "手册", "anchor": "假期"},
]


def test_text_then_the_cited_sources(capsys):
    view = AnswerView()
    for event in (
        Status(phase="retrieving", content="Searching"), Sources(sources=SOURCES), AnswerChunk(content="25 \x1b[2Jdays"),
        AnswerChunk(content=" [1]."), Citation(n=1, source_id="s1"), Citation(n=9, source_id=None),
    ):  # fmt: skip
        view.take(event)
    view.finish("completed")
    shown = capsys.readouterr()
    assert shown.out == "25 [2Jdays [1].\n\n[1] Handbook of [1mrules, page 3\n"
    assert shown.err == ""


def test_without_citations_all_sources_are_named(capsys):
    view = AnswerView()
    view.take(Sources(sources=SOURCES))
    view.take(AnswerChunk(content="Perhaps.\n"))
    view.finish("completed")
    assert capsys.readouterr().out.splitlines()[-1] == "[2] 手册, 假期"


def test_failures_go_to_stderr(capsys):
    view = AnswerView()
    view.take(AnswerChunk(content="half"))
    view.take(RunError(code="model_error", message="The model\x07 said no."))
    view.finish("failed")
    shown = capsys.readouterr()
    assert shown.out == "half\n"
    assert shown.err == "The model said no.\n[failed]\n"
