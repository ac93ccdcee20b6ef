"""The program `antiphon`: commands, and the one place where an error becomes a sentence and an exit code.

Tests: tests/unit/cli, tests/integration/test_cli.py. Reference: docs/command-line.md (generated).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, NoReturn

import msgspec
import typer
from pydantic import ValidationError

from antiphon import __version__
from antiphon.cli import (
    answering,
    archives,
    doctor,
    documents,
    ingest,
    keys,
    replaying,
    search,
    serving,
    settings_view,
    watches,
)
from antiphon.cli.exit_codes import ExitCode, exit_code_of
from antiphon.cli.terminal import plain
from antiphon.core.errors import AntiphonError, BadRequest

app = typer.Typer(
    name="antiphon", help="Answers from your own documents, live.", no_args_is_help=True, pretty_exceptions_enable=False,
    add_completion=False, rich_markup_mode=None,
)  # fmt: skip
app.command("serve")(serving.serve)
app.command("ingest")(ingest.ingest)
app.command("ask")(answering.ask)
app.command("chat")(answering.chat)
app.command("search")(search.search)
app.command("replay")(replaying.replay)
app.add_typer(documents.app, name="documents")
app.add_typer(watches.app, name="watch")
app.add_typer(keys.app, name="keys")
app.command("doctor")(doctor.doctor)
app.command("backup")(archives.backup)
app.command("restore")(archives.restore)
app.command("config")(settings_view.config)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"antiphon {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """Answers from your own documents, live."""


def run(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs the command line (None: of this process) and exits."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        app(args=given, prog_name="antiphon")
    except ValidationError as error:
        _fail(_bad_settings(error), as_json="--json" in given)
    except AntiphonError as error:
        _fail(error, as_json="--json" in given)
    sys.exit(ExitCode.OK)


def _bad_settings(error: ValidationError) -> AntiphonError:
    """The values themselves are left out: one of them may be a secret."""
    first = error.errors(include_input=False, include_url=False)[0]
    field = "_".join(str(part) for part in first["loc"]).upper()
    return BadRequest(f"The setting ANTIPHON_{field} is wrong: {first['msg']}. `antiphon config` shows all of them.")


def _fail(error: AntiphonError, *, as_json: bool) -> NoReturn:
    if as_json:
        body = {"code": error.code, "message": error.message, "retryable": error.retryable, "data": error.data}
        sys.stderr.write(msgspec.json.encode({"error": body}).decode() + "\n")
    else:
        sys.stderr.write(f"antiphon: {plain(error.message)}\n")
    sys.exit(exit_code_of(error))
