from __future__ import annotations

from pathlib import Path

from antiphon.ingest.markdown import markdown_outline, open_markdown

TEXT = """# *Title* {#id}

Intro
=====

## A [link](http://x) `code` ##

```python
# not a heading
```

~~~
## nor this
~~~

Sub
---

- item
---

####### seven
#nospace
"""


def test_headings_outside_code_make_the_outline() -> None:
    outline = markdown_outline(TEXT)
    assert [(heading.title, heading.level) for heading in outline] == [
        ("Title", 1), ("Intro", 1), ("A link code", 2), ("Sub", 2),
    ]  # fmt: skip
    for heading in outline:
        assert heading.start == 0 or TEXT[heading.start - 1] == "\n"
    assert TEXT[outline[2].start :].startswith("## A [link]")


def test_the_first_heading_is_the_title_only_when_it_is_the_highest(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text(TEXT, encoding="utf-8")
    assert open_markdown(path, None).title == "Title"
    path.write_text("## Second\n", encoding="utf-8")
    assert open_markdown(path, None).title == ""


def test_hostile_headings_are_bounded() -> None:
    assert markdown_outline("# " + "[" * 100_000) == []
    assert len(markdown_outline("# a\n" * 5000)) == 2000
    assert len(markdown_outline("x\n" + "`" * 100_000 + "\n# a")) == 0
