"""PushTextStream: who gets what, when, and what the end looks like."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antiphon.models.quotation import QuotedText
from antiphon.runs.stream import PushTextStream, StreamState
from antiphon.testing.simulated import simulated_runtime


async def settle() -> None:
    await simulated_runtime().scheduler.settle()


async def collected(stream: PushTextStream) -> list[str]:
    return [piece async for piece in stream]


async def test_listeners_get_each_piece_before_write_returns() -> None:
    stream = PushTextStream()
    first: list[str] = []
    second: list[str] = []
    stream.listen(first.append)
    stream.listen(second.append)
    stream.write("a")
    assert (first, second) == (["a"], ["a"])
    stream.write("b")
    assert (first, second) == (["a", "b"], ["a", "b"])


async def test_a_late_listener_gets_what_was_there_in_one_piece() -> None:
    stream = PushTextStream()
    stream.write("a")
    stream.write("b")
    late: list[str] = []
    stream.listen(late.append)
    stream.write("c")
    stream.end()
    after: list[str] = []
    stream.listen(after.append)
    assert late == ["ab", "c"]
    assert after == ["abc"]


async def test_a_listener_added_in_a_listener_misses_and_doubles_nothing() -> None:
    stream = PushTextStream()
    inner: list[str] = []
    stream.listen(lambda text: stream.listen(inner.append) if text == "b" else None)
    for piece in "abc":
        stream.write(piece)
    assert inner == ["ab", "c"]


async def test_whole_waits_for_the_end() -> None:
    stream = PushTextStream()
    task = asyncio.create_task(stream.whole())
    stream.write("a")
    await settle()
    assert not task.done()
    stream.write("b")
    stream.end()
    assert await task == "ab"
    assert await stream.whole() == "ab"


async def test_iterators_get_everything_each_at_its_own_pace() -> None:
    stream = PushTextStream()
    stream.write("a")
    early = asyncio.create_task(collected(stream))
    await settle()
    stream.write("b")
    await settle()
    late = asyncio.create_task(collected(stream))
    stream.write("c")
    stream.end()
    assert await early == ["a", "b", "c"]
    assert await late == ["a", "b", "c"]


async def test_an_iterator_gets_a_piece_before_the_next_is_written() -> None:
    stream = PushTextStream()
    got: list[str] = []

    async def read() -> None:
        async for piece in stream:
            got.append(piece)  # noqa: PERF401 - each is looked at while the stream goes on

    task = asyncio.create_task(read())
    for n, piece in enumerate("abc", start=1):
        await settle()
        stream.write(piece)
        await settle()
        assert len(got) == n
    stream.end()
    await task


async def test_a_failure_reaches_readers_after_the_text() -> None:
    stream = PushTextStream()
    stream.write("a")
    stream.fail(OSError("cut"))
    heard: list[str] = []
    stream.listen(heard.append)
    assert heard == ["a"]
    with pytest.raises(OSError, match="cut"):
        await stream.whole()
    iterator = aiter(stream)
    assert await anext(iterator) == "a"
    with pytest.raises(OSError, match="cut"):
        await anext(iterator)


async def test_writing_after_the_end_is_an_error() -> None:
    for close in (PushTextStream.end, lambda stream: stream.fail(OSError())):
        stream = PushTextStream()
        close(stream)
        with pytest.raises(RuntimeError, match="ended"):
            stream.write("a")


async def test_a_sealed_stream_cancels_writer_and_readers() -> None:
    stream = PushTextStream()
    heard: list[str] = []
    stream.listen(heard.append)
    reader = asyncio.create_task(stream.whole())
    await settle()
    stream.seal()
    with pytest.raises(asyncio.CancelledError):
        stream.write("a")
    with pytest.raises(asyncio.CancelledError):
        await reader
    assert heard == []


async def test_the_first_end_counts() -> None:
    stream = PushTextStream.of("a")
    stream.fail(OSError())
    stream.seal()
    assert stream.state is StreamState.ENDED
    assert await stream.whole() == "a"


async def test_empty_pieces_are_none() -> None:
    stream = PushTextStream()
    heard: list[str] = []
    stream.listen(heard.append)
    stream.write("")
    assert heard == []
    assert not stream.written
    assert await PushTextStream.of("").whole() == ""


async def test_a_failing_listener_is_heard_of_and_harms_no_other() -> None:
    stream = PushTextStream()
    heard: list[str] = []

    def fail(text: str) -> None:
        raise OSError(text)

    stream.listen(fail)
    stream.listen(heard.append)
    with pytest.raises(OSError, match="a"):
        stream.write("a")
    assert heard == ["a"]


async def test_a_cancelled_reader_leaves_the_others_alone() -> None:
    stream = PushTextStream()
    gone, stays = (asyncio.create_task(collected(stream)) for _ in range(2))
    await settle()
    gone.cancel()
    await asyncio.wait([gone])
    stream.write("a")
    stream.end()
    assert await stays == ["a"]


@settings(deadline=None)
@given(st.lists(st.text(max_size=3), max_size=8), st.data())
def test_every_reader_gets_the_same_text(pieces: list[str], data: st.DataObject) -> None:
    joins = data.draw(st.lists(st.integers(0, len(pieces)), max_size=4))

    async def scenario() -> None:
        stream = PushTextStream()
        heard: list[list[str]] = []
        readers: list[asyncio.Task[list[str]]] = []
        for n in range(len(pieces) + 1):
            for _ in range(joins.count(n)):
                heard.append([])
                stream.listen(heard[-1].append)
                readers.append(asyncio.create_task(collected(stream)))
            if n < len(pieces):
                stream.write(pieces[n])
                if n % 2:
                    await settle()
        stream.end()
        for texts in (*heard, *[await reader for reader in readers]):
            assert "".join(texts) == "".join(pieces)

    asyncio.run(scenario())


def test_a_late_listener_gets_quoted_text_apart() -> None:
    stream = PushTextStream()
    for piece in (QuotedText("a"), QuotedText("b"), "c", "d", QuotedText("e")):
        stream.write(piece)
    got: list[str] = []
    stream.listen(got.append)
    assert [(type(piece), piece) for piece in got] == [(QuotedText, "ab"), (str, "cd"), (QuotedText, "e")]
