"""ONE list of the REST routes: which verb of the command table answers which method and path. Read by rest.py, openapi.py
and the access matrix; nothing else names an API path.

A path parameter is named like the field of the payload it fills. Of the other fields, GET and DELETE take them from the query,
the other methods from a JSON body. Tests: tests/unit/server/test_bindings.py (no verb unbound, no binding without a verb).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

API: Final = "/api/v1"
JSON_BODY_BYTES: Final = 2**20
"""Largest JSON body, unless a binding says less."""
_CREDENTIAL_BODY_BYTES: Final = 16 * 1024
"""Sign-in bodies are smaller: a password of a megabyte would cost a megabyte of hashing."""

Form = Literal["json", "sign_in", "sign_out", "ticket", "upload", "original", "image", "export", "command"]
"""What lies between request and answer besides JSON: cookies, a multipart body, a file, or a command frame."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Binding:
    """`path` is below `API`. `verb` is None only for POST /commands, where the frame names it. `status` is that of success."""

    verb: str | None
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    status: int = 200
    form: Form = "json"
    body_bytes: int = JSON_BODY_BYTES

    @property
    def changes_state(self) -> bool:
        return self.method != "GET"

    @property
    def has_body(self) -> bool:
        return self.method in {"POST", "PUT", "PATCH"}


def _get(path: str, verb: str, form: Form = "json") -> Binding:
    return Binding(verb=verb, method="GET", path=path, form=form)


def _post(path: str, verb: str, status: int = 200, form: Form = "json") -> Binding:
    limit = _CREDENTIAL_BODY_BYTES if form == "sign_in" else JSON_BODY_BYTES
    return Binding(verb=verb, method="POST", path=path, status=status, form=form, body_bytes=limit)


def _patch(path: str, verb: str) -> Binding:
    return Binding(verb=verb, method="PATCH", path=path)


def _put(path: str, verb: str) -> Binding:
    return Binding(verb=verb, method="PUT", path=path)


def _delete(path: str, verb: str) -> Binding:
    return Binding(verb=verb, method="DELETE", path=path)


BINDINGS: Final[tuple[Binding, ...]] = (
    _post("/auth/login", "login", form="sign_in"),
    _post("/auth/sign-in", "sign_in", form="sign_in"),
    _post("/auth/logout", "logout", form="sign_out"),
    _get("/me", "me"),
    _patch("/me", "me_update"),
    _post("/users", "user_create", 201),
    _get("/users", "user_list"),
    _patch("/users/{user_id}", "user_update"),
    _post("/workspaces", "workspace_create", 201),
    _get("/workspaces", "workspace_list"),
    _get("/workspaces/{workspace_id}", "workspace_get"),
    _patch("/workspaces/{workspace_id}", "workspace_update"),
    _delete("/workspaces/{workspace_id}", "workspace_delete"),
    _get("/workspaces/{workspace_id}/index", "index_get"),
    _patch("/workspaces/{workspace_id}/index", "index_update"),
    _post("/workspaces/{workspace_id}/index/start", "index_start"),
    _post("/workspaces/{workspace_id}/index/cancel", "index_cancel"),
    _get("/workspaces/{workspace_id}/members", "member_list"),
    _put("/workspaces/{workspace_id}/members/{user_id}", "member_put"),
    _delete("/workspaces/{workspace_id}/members/{user_id}", "member_delete"),
    _post("/workspaces/{workspace_id}/documents", "document_add", 202, "upload"),
    _get("/workspaces/{workspace_id}/documents", "document_list"),
    _post("/workspaces/{workspace_id}/urls", "url_add", 202),
    _get("/crawls/{crawl_id}", "crawl_get"),
    _post("/crawls/{crawl_id}/cancel", "crawl_cancel"),
    _post("/workspaces/{workspace_id}/watches", "watch_add", 201),
    _get("/workspaces/{workspace_id}/watches", "watch_list"),
    _get("/watches/{watch_id}", "watch_get"),
    _patch("/watches/{watch_id}", "watch_change"),
    _delete("/watches/{watch_id}", "watch_delete"),
    _post("/watches/{watch_id}/sync", "watch_sync", 202),
    _post("/workspaces/{workspace_id}/search", "search"),
    _get("/documents/{document_id}", "document_get"),
    _patch("/documents/{document_id}", "document_change"),
    _delete("/documents/{document_id}", "document_delete"),
    Binding(verb="document_replace", method="PUT", path="/documents/{document_id}/content", status=202, form="upload"),
    _post("/documents/{document_id}/retry", "document_retry", 202),
    _post("/documents/{document_id}/cancel", "document_cancel"),
    _get("/documents/{document_id}/original", "document_original", "original"),
    _get("/documents/{document_id}/outline", "document_outline"),
    _get("/documents/{document_id}/pages/{page}/text", "document_page_text"),
    _get("/documents/{document_id}/pages/{page}/image", "document_page_image", "image"),
    _get("/documents/{document_id}/rects", "document_rects"),
    _post("/sessions", "session_create", 201),
    _get("/sessions", "session_list"),
    _get("/sessions/{session_id}", "session_get"),
    _patch("/sessions/{session_id}", "session_update"),
    _delete("/sessions/{session_id}", "session_delete"),
    _get("/sessions/{session_id}/messages", "message_list"),
    _get("/sessions/{session_id}/export", "session_export", "export"),
    _get("/runs/{run_id}", "run_get"),
    _post("/runs/{run_id}/stop", "run_stop"),
    _post("/runs/{run_id}/replay", "run_replay"),
    _post("/keys", "key_create", 201),
    _get("/keys", "key_list"),
    _delete("/keys/{key_id}", "key_delete"),
    _get("/models", "model_list"),
    _post("/models/test", "model_test"),
    _get("/models/discover", "model_discover"),
    _post("/providers", "provider_create", 201),
    _get("/providers", "provider_list"),
    _get("/providers/{provider_id}", "provider_get"),
    _patch("/providers/{provider_id}", "provider_update"),
    _delete("/providers/{provider_id}", "provider_delete"),
    _post("/ws-ticket", "ws_ticket", form="ticket"),
    Binding(verb=None, method="POST", path="/commands", form="command"),
)

SOCKET_ONLY: Final[frozenset[str]] = frozenset({
    "hello", "auth_refresh", "subscribe", "unsubscribe", "pong", "chat_message", "stop", "history", "suggestion_dismiss",
    "regenerate", "edit_message", "switch_branch", "feedback", "queue_change", "queue_send",
})  # fmt: skip
"""Verbs that are command frames of the realtime protocol (and of POST /commands where they need no connection), not routes."""

WITHIN_SOCKETS: Final[frozenset[str]] = frozenset({"workspace_find", "session_open"})
"""Verbs that the simple socket profile runs for its caller; they are neither frames nor routes."""
