"""Nothing from outside can steer the terminal; pipes get plain lines."""

from __future__ import annotations

import pytest

from antiphon.cli.terminal import plain, write_json, write_table


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "[31mred[0m"), ("bell\x07", "bell"), ("a\r\nb\tc", "a\nb\tc"), ("中文，可以", "中文，可以"),
        ("right\u202eleft", "rightleft"), ("\u009b31m", "31m"), ("👩\u200d💻", "👩\u200d💻"),
    ],
)  # fmt: skip
def test_control_characters_are_taken_out(text, shown):
    assert plain(text) == shown


def test_tables_are_lines_for_pipes(capsys):
    write_table(["a", "b"], [["1", "two\nlines"], ["\x1b2", "x\ty"]], empty="none")
    assert capsys.readouterr().out == "1\ttwo lines\n2\tx y\n"


def test_an_empty_table_says_so_on_stderr(capsys):
    write_table(["a"], [], empty="There is nothing.")
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "There is nothing.\n")


def test_json_is_one_line(capsys):
    write_json({"text": "两\n行"})
    assert capsys.readouterr().out == '{"text":"两\\n行"}\n'
