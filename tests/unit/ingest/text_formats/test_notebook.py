from __future__ import annotations

import json
from pathlib import Path

from antiphon.ingest.text_formats.notebook import open_notebook


def test_cells_come_in_order_with_their_outputs(tmp_path: Path) -> None:
    path = tmp_path / "x"
    cells = [
        {"cell_type": "markdown", "source": ["# Title\n", "\n", "Intro.\n", "\n", "Under\n", "-----\n", "More."]},
        {"cell_type": "code", "source": "print(1)", "outputs": [
            {"output_type": "stream", "text": ["1\n"]},
            {"output_type": "execute_result", "data": {"text/html": "<b>two</b>", "image/png": "AAAA"}},
            {"output_type": "error", "ename": "ValueError", "evalue": "bad", "traceback": ["\u001b[0;31m"]},
        ]},
        {"cell_type": "raw", "source": "raw"},
    ]  # fmt: skip
    path.write_text(json.dumps({"cells": cells, "nbformat": 4, "metadata": {"x": [1]}}))
    document = open_notebook(path, None)
    text = next(document.pages()).text
    assert text == "Title\n\nIntro.\n\nUnder\n\nMore.\n\nprint(1)\n\n1\n\ntwo\n\nValueError: bad\n\nraw"
    assert document.title == "Title"
    assert [(heading.level, text[heading.start : heading.start + 5]) for heading in document.outline()] == [
        (1, "Title"),
        (2, "Under"),
    ]


def test_the_third_version_and_what_is_no_notebook(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text(
        '{"worksheets": [{"cells": [{"cell_type": "heading", "level": 2, "source": "H"}, {"cell_type": "code", "input": "x"}]}]}'
    )
    assert next(open_notebook(path, None).pages()).text == "H\n\nx"
    path.write_text('{"cells": 3, "a": "b"}')
    assert next(open_notebook(path, None).pages()).text == "cells: 3\na: b"
    path.write_text(
        '{"a": ' + "[" * 50_000 + "1" + "]" * 50_000 + ', "cells": []}'.replace("[]", '[{"cell_type": "x", "source": "y"}]')
    )
    assert next(open_notebook(path, None).pages()).text
