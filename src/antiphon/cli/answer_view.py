"""Shows an answer as it grows: status on stderr, text on stdout, sources after it. Tests: tests/unit/cli/test_answer_view.py."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

from rich.console import Console
from rich.status import Status as Spinner
from rich.text import Text

from antiphon.cli.exit_codes import ExitCode
from antiphon.cli.terminal import notes, plain, write, write_json
from antiphon.client import AnswerStream
from antiphon.protocol.events import AnswerChunk, AnswerReplace, Citation, Event, RunError, Sources, Status


class AnswerView:
    """One answer. `take` an event after the other, then `finish`."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or notes()
        self._spinner: Spinner | None = None
        self._sources: list[dict[str, Any]] = []
        self._cited: set[str] = set()
        self._last = "\n"

    def take(self, event: Event) -> None:
        match event:
            case Status(content=content) if self._last == "\n":
                self._say(content)
            case Sources(sources=list() as sources):
                self._sources = sources
            case Citation(source_id=str() as source_id):
                self._cited.add(source_id)
            case AnswerChunk(content=content):
                self._text(content)
            case AnswerReplace(content=content):
                self._text("\n\n[the text above was replaced]\n\n" + content)
            case RunError(message=message):
                self._quiet()
                self._console.print(Text(plain(message), style="red"))
            case _:
                pass

    def finish(self, status: str | None) -> None:
        self._quiet()
        if self._last != "\n":
            write("\n")
        if status not in {"completed", None}:
            self._console.print(f"[{status}]", markup=False)
        lines = self._source_lines()
        if lines:
            write("\n" + "\n".join(lines) + "\n")

    def _source_lines(self) -> list[str]:
        """The cited sources; all of them when none was cited."""
        cited = [source for source in self._sources if source.get("source_id") in self._cited]
        return [_source_line(source) for source in cited or self._sources]

    def _text(self, content: str) -> None:
        self._quiet()
        shown = plain(content)
        if shown:
            self._last = shown[-1]
            write(shown)

    def _say(self, content: str) -> None:
        """A spinner on a tty; nothing elsewhere."""
        if not self._console.is_terminal:
            return
        if self._spinner is None:
            self._spinner = self._console.status(Text(plain(content)))
            self._spinner.start()
        else:
            self._spinner.update(Text(plain(content)))

    def _quiet(self) -> None:
        if self._spinner is not None:
            self._spinner.stop()
            self._spinner = None


def _source_line(source: dict[str, Any]) -> str:
    place = f", page {source['page']}" if source.get("page") else f", {source['anchor']}" if source.get("anchor") else ""
    return plain(f"[{source.get('n', '?')}] {source.get('title', '')}{place}").replace("\n", " ")


async def show_answer(stream: AnswerStream, *, as_json: bool) -> ExitCode:
    """Until the answer's end. Ctrl-C stops the run (what came is kept); a second one leaves at once."""
    view = AnswerView()
    stopping: list[asyncio.Task[None]] = []
    loop, this = asyncio.get_running_loop(), asyncio.current_task()

    def interrupted() -> None:
        if (stream.run_id is None or stopping) and this is not None:
            this.cancel()
        else:
            stopping.append(loop.create_task(stream.stop()))

    loop.add_signal_handler(signal.SIGINT, interrupted)
    try:
        async with stream:
            if as_json:
                await _print_frames(stream)
            else:
                async for event in stream:
                    view.take(event)
                view.finish(stream.status)
    except asyncio.CancelledError:
        view.finish(None)
        return ExitCode.INTERRUPTED
    finally:
        loop.remove_signal_handler(signal.SIGINT)
    await asyncio.gather(*stopping)
    if stopping:
        return ExitCode.INTERRUPTED
    return ExitCode.OK if stream.status in {"completed", "stopped"} else ExitCode.INCOMPLETE


async def _print_frames(stream: AnswerStream) -> None:
    while True:
        try:
            frame = await stream.next_frame()
        except StopAsyncIteration:
            return
        write_json(frame)
