"""search, documents, keys and config."""

from __future__ import annotations

import json

from antiphon.cli import documents, keys, search, settings_view
from antiphon.cli.house import Place


async def test_search_shows_title_page_and_text(rest_server, capsys, monkeypatch):
    found = await search._search(Place(url=rest_server.url), "leave", 3, None)
    monkeypatch.setattr(search, "_search", lambda *_: None)
    monkeypatch.setattr(search, "run_to_end", lambda _: found)
    search.search("leave", url=rest_server.url)
    assert capsys.readouterr().out == "1. Handbook[31m, page 3 (1.50)\n   about leave and more\n"
    search.search("leave", url=rest_server.url, as_json=True)
    assert json.loads(capsys.readouterr().out) == found


async def test_documents_are_listed_and_deleted(rest_server):
    rest_server.documents["doc_1"] = {"id": "doc_1", "name": "a", "state": "ready"}
    place = Place(url=rest_server.url)
    assert [d["id"] for d in await documents._list(place, None, None)] == ["doc_1"]
    await documents._delete(place, ["doc_1"])
    assert rest_server.deleted == ["doc_1"]


async def test_keys_are_made_for_a_workspace_listed_and_revoked(rest_server):
    place = Place(url=rest_server.url)
    assert await keys._create(place, "robot", "home", "viewer") == {"id": "key_1", "key": "k" * 40}
    assert rest_server.keys_made == [{"name": "robot", "workspace_id": "ws_1", "role": "viewer"}]
    assert [key["id"] for key in await keys._list(place)] == ["key_1"]
    await keys._revoke(place, "key_1")
    assert rest_server.deleted == ["key_1"]


def test_config_shows_values_and_masks_secrets(capsys, monkeypatch):
    monkeypatch.setenv("ANTIPHON_OWNER_KEY", "o" * 40)
    monkeypatch.setenv("ANTIPHON_CHAT_API_KEY", "sk-secret")
    monkeypatch.setenv("ANTIPHON_LIMITS_MESSAGES_PER_MINUTE", "7")
    settings_view.config(as_json=True)
    shown = capsys.readouterr().out
    values = json.loads(shown)
    assert values["ANTIPHON_LIMITS_MESSAGES_PER_MINUTE"] == 7
    assert values["ANTIPHON_OWNER_KEY"] == values["ANTIPHON_CHAT_API_KEY"] == "***"
    assert values["ANTIPHON_EMBED_API_KEY"] is None
    assert "sk-secret" not in shown
    assert "o" * 40 not in shown
