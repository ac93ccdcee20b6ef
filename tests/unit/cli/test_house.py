"""Which house a command talks to."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest

from antiphon.cli.house import Place, reach_house, read_key
from antiphon.core.errors import BadRequest
from antiphon.storage.lock import FolderLock, ServerInfo


async def test_an_address_wins_and_brings_its_key(tmp_path):
    (tmp_path / "key").write_text("secret\n")
    async with reach_house(Place(url="http://h:1", key_file=tmp_path / "key")) as reached:
        assert (reached.url, reached.key) == ("http://h:1", "secret")


async def test_the_running_server_of_the_folder_is_used(tmp_path):
    with FolderLock.acquire(tmp_path) as lock:
        lock.announce(ServerInfo(pid=1, url="http://127.0.0.1:9", version="0", token="t"))
        async with reach_house(Place(data_dir=tmp_path)) as reached:
            assert (reached.url, reached.key) == ("http://127.0.0.1:9", "t")


async def test_else_the_house_is_opened_here(tmp_path, monkeypatch):
    opened = []

    @asynccontextmanager
    async def local_server(settings):
        opened.append(settings.data_dir)
        yield "http://127.0.0.1:1", "token"

    monkeypatch.setattr("antiphon.server.process.local_server", local_server)
    async with reach_house(Place(data_dir=tmp_path)) as reached:
        assert (reached.url, reached.key) == ("http://127.0.0.1:1", "token")
    assert opened == [tmp_path]


def test_a_key_file_must_hold_a_key(tmp_path):
    (tmp_path / "empty").write_text("\n")
    for name in ("empty", "missing"):
        with pytest.raises(BadRequest, match=name):
            read_key(tmp_path / name)
