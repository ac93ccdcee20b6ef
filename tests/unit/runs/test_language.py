"""runs/language.py"""

from __future__ import annotations

import pytest

from antiphon.runs.language import language_of


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("How many days?", "en"), ("有多少天假期？", "zh"), ("", "en"), ("123 🙂 ?", "en"), ("What does 休假 mean in English?", "en"),
        ("SQLite 是什么？", "zh"), ("OpenTelemetry 是什么？", "zh"), ("Docker Compose 部署", "zh"), ("Is 年假 paid out?", "en"),
        ("naïve café 什么", "zh"), ("𠮷𠮷𠮷", "zh"), ("a" * 4000 + "休" * 9000, "en"), ("ひらがな", "en"),
    ],
)  # fmt: skip
def test_the_script_tells(text: str, language: str) -> None:
    assert language_of(text) == language
