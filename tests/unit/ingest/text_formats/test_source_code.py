from __future__ import annotations

from pathlib import Path

from antiphon.ingest.text_formats.source_code import open_source_code

CODE = """import os

class Shop(Base):
    async def sell(self, x: int) -> None:
        pass

export default function draw(context) {
}
func (s *Server) Close() error {
pub fn run<T>(x: T) {
type Point struct {
# the class of things that we sell is long and this is prose
def inition of a word
[tool.ruff]
CREATE TABLE people (
"""


def test_definitions_are_the_outline(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text(CODE)
    document = open_source_code(path, None)
    text = next(document.pages()).text
    assert text == CODE
    assert [(heading.level, heading.title) for heading in document.outline()] == [
        (1, "class Shop"),
        (2, "async def sell"),
        (1, "export default function draw"),
        (1, "func (s *Server) Close"),
        (1, "pub fn run<T>"),
        (1, "type Point"),
        (1, "tool.ruff"),
        (1, "CREATE TABLE people"),
    ]
    for heading in document.outline():
        assert heading.title.split()[0] in text[heading.start :].partition("\n")[0]
