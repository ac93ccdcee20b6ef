"""`antiphon ask` and `antiphon chat`: questions with live answers. Tests: tests/unit/cli/test_answering.py."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from anyio import to_thread

from antiphon.cli.answer_view import show_answer
from antiphon.cli.event_loop import run_to_end
from antiphon.cli.exit_codes import ExitCode
from antiphon.cli.house import AsJson, DataDir, KeyFile, Place, Reached, Url, Workspace, reach_house
from antiphon.cli.terminal import notes
from antiphon.client import AntiphonClient, RestClient
from antiphon.core.errors import AntiphonError

Model = Annotated[str | None, typer.Option("--model", "-m", help="Model id; `extractive` always exists.")]
Session = Annotated[str | None, typer.Option("--session", "-s", help="Go on in this session.", show_default="a new one")]


def ask(
    question: Annotated[str, typer.Argument(help="The question; - reads it from stdin.")],
    workspace: Workspace = None,
    model: Model = None,
    session: Session = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    url: Url = None,
    key_file: KeyFile = None,
) -> None:
    """Ask once and see the answer as it is written. With --json every event is a line. Ctrl-C stops the answer."""
    content = sys.stdin.read() if question == "-" else question
    place = Place(data_dir=data_dir, url=url, key_file=key_file)
    raise typer.Exit(run_to_end(_ask(place, content, workspace, model, session, as_json=as_json)))


async def _ask(
    place: Place, content: str, workspace: str | None, model: str | None, session: str | None, *, as_json: bool
) -> ExitCode:
    async with reach_house(place) as reached:
        workspace_id = await _workspace_id(reached, workspace)
        async with AntiphonClient(reached.url, key=reached.key) as client:
            stream = client.ask(content, workspace_id=workspace_id, model=model, session_id=session)
            return await show_answer(stream, as_json=as_json)


async def _workspace_id(reached: Reached, workspace: str | None) -> str | None:
    if workspace is None:
        return None
    async with RestClient(reached.url, key=reached.key) as rest:
        return str((await rest.workspace(workspace))["id"])


def chat(
    workspace: Workspace = None,
    model: Model = None,
    session: Session = None,
    data_dir: DataDir = None,
    url: Url = None,
    key_file: KeyFile = None,
    as_json: AsJson = False,
) -> None:
    """Talk in one session. /new begins another, /model NAME changes the model, /quit or Ctrl-D ends."""
    place = Place(data_dir=data_dir, url=url, key_file=key_file)
    raise typer.Exit(run_to_end(_chat(place, workspace, model, session, as_json=as_json)))


async def _chat(place: Place, workspace: str | None, model: str | None, session: str | None, *, as_json: bool) -> ExitCode:
    async with reach_house(place) as reached:
        workspace_id = await _workspace_id(reached, workspace)
        async with AntiphonClient(reached.url, key=reached.key) as client:
            while (line := await _next_line()) is not None:
                word, _, rest = line.partition(" ")
                match word:
                    case "":
                        continue
                    case "/quit":
                        break
                    case "/new":
                        session = None
                    case "/model":
                        model = rest.strip() or None
                    case _ if word.startswith("/"):
                        notes().print("/new, /model NAME or /quit", markup=False)
                    case _:
                        stream = client.ask(line, workspace_id=workspace_id, model=model, session_id=session)
                        try:
                            await show_answer(stream, as_json=as_json)
                        except AntiphonError as error:
                            if client.connection.error is not None:
                                raise
                            notes().print(error.message, markup=False)
                        session = stream.session_id or session
    return ExitCode.OK


async def _next_line() -> str | None:
    """None at the end of the input. Read on a thread, so that the connection lives on meanwhile."""
    if sys.stdin.isatty():
        try:
            return (await to_thread.run_sync(input, "› ", abandon_on_cancel=True)).strip()
        except EOFError:
            return None
    line = await to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True)
    return line.strip() if line else None
