"""`Sessions`: created, found by the caller's own name, listed, changed, shared, deleted.

A session is private to its author until shared; then the members of its workspace read it, and the author alone changes it.
Storage hides what is private (rows.Owner.SESSION); here are the author's rights and the events. Tests:
tests/unit/conversations/test_sessions.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol

from antiphon.access.changes import AccessChange, AccessChanges
from antiphon.access.identity import Identity
from antiphon.access.missing import missing, missing_workspace
from antiphon.access.scope import Scope
from antiphon.core.completion import to_the_end
from antiphon.core.display_names import clean_name
from antiphon.core.errors import BadRequest, Forbidden, RunActive
from antiphon.core.runtime import Runtime, rfc3339
from antiphon.protocol.events import Event, SessionCreated, SessionDeleted, SessionUpdated
from antiphon.protocol.topics import session_topic, user_topic, workspace_topic
from antiphon.runs.branches import end_of_branch
from antiphon.runs.closing import owed
from antiphon.storage.records.contract import Store, Transaction
from antiphon.storage.records.rows import MESSAGES, OUTBOX, QUEUE, RUNS, SESSIONS, WORKSPACES, SessionRow, Visibility


class Publish(Protocol):
    """`EventLog.append`. Called after the commit."""

    def __call__(self, topics: Sequence[str], event: Event, *, event_id: str | None = None) -> None: ...


MAX_TITLE_CHARACTERS: Final = 200
MAX_REFERENCE_CHARACTERS: Final = 200
_ID_CHARACTERS = len("ses_") + 29


class Sessions:
    def __init__(self, store: Store, runtime: Runtime, publish: Publish, changes: AccessChanges) -> None:
        self._store = store
        self._runtime = runtime
        self._publish = publish
        self._changes = changes

    async def create(
        self, identity: Identity, scope: Scope, workspace_id: str, *, title: str = "", name: str | None = None
    ) -> SessionRow:
        """A new private session. With `name`, the caller's session of that name, made if there is none yet. Raises
        NotFound (workspace)."""
        row, created = await self._store.write(
            lambda tx: self.open_in(tx, identity, scope, workspace_id, reference=name, title=title)
        )
        if created:
            self.tell_created(row)
        return row

    def open_in(
        self,
        tx: Transaction,
        identity: Identity,
        scope: Scope,
        workspace_id: str,
        *,
        reference: str | None,
        title: str = "",
    ) -> tuple[SessionRow, bool]:
        """(the session, whether it is new), inside the caller's transaction; call `tell_created` after the commit.

        `reference`: an id of ours (must exist), the caller's own name for a session in the workspace (made on first use), or
        None: a new one. Raises NotFound, BadRequest (name)."""
        if reference is not None and is_session_id(reference):
            return live_session(tx, scope, reference), False
        name = None if reference is None else _checked_reference(reference)
        workspace = tx.get(WORKSPACES, scope, workspace_id)
        if workspace is None or workspace.deleted_at is not None:
            raise missing_workspace(workspace_id)
        scope.demand(workspace_id)
        if name is not None:
            where = {"workspace_id": workspace_id, "author_id": identity.user_id, "name": name}
            for present in tx.find(SESSIONS, scope, where, limit=1):
                return present, False
        now = self._runtime.clock.now()
        row = SessionRow(
            id=self._runtime.ids.new("ses"), workspace_id=workspace_id, author_id=identity.user_id,
            title=clean_name(title, max_characters=MAX_TITLE_CHARACTERS), name=name, created_at=now, updated_at=now,
        )  # fmt: skip
        tx.insert(SESSIONS, row)
        return row, True

    def tell_created(self, row: SessionRow) -> None:
        self._publish([user_topic(row.author_id)], SessionCreated(session_id=row.id, session=session_json(row)))

    async def list(
        self,
        scope: Scope,
        *,
        workspace_id: str | None = None,
        author_id: str | None = None,
        q: str | None = None,
        after: tuple[Any, str] | None = None,
        limit: int,
    ) -> list[SessionRow]:
        """What the caller may read, last changed first: own sessions and shared ones. `q`: part of the title. Raises
        NotFound (workspace)."""
        where: dict[str, Any] = {}
        if workspace_id is not None:
            where["workspace_id"] = workspace_id
        if author_id is not None:
            where["author_id"] = author_id
        if q:
            where["title"] = ("contains", q)

        def read(tx: Transaction) -> list[SessionRow]:
            if workspace_id is not None and tx.get(WORKSPACES, scope, workspace_id) is None:
                raise missing_workspace(workspace_id)
            return tx.find(SESSIONS, scope, where, order="updated_at", descending=True, after=after, limit=limit)

        return await self._store.read(read)

    async def get(self, scope: Scope, session_id: str) -> SessionRow:
        """Raises NotFound."""
        return await self._store.read(lambda tx: live_session(tx, scope, session_id))

    async def update(
        self,
        identity: Identity,
        scope: Scope,
        session_id: str,
        *,
        title: str | None = None,
        visibility: Visibility | None = None,
        pinned: bool | None = None,
    ) -> SessionRow:
        """Changes what is not None. Raises NotFound, and Forbidden for anybody but the author."""
        given = {"title": title, "visibility": visibility, "pinned": pinned}
        wanted: dict[str, Any] = {column: value for column, value in given.items() if value is not None}
        if title is not None:
            wanted["title"] = clean_name(title, max_characters=MAX_TITLE_CHARACTERS)
        now = self._runtime.clock.now()

        def update(tx: Transaction) -> tuple[SessionRow, SessionRow]:
            before = _authored(tx, identity, scope, session_id)
            changes = {column: value for column, value in wanted.items() if getattr(before, column) != value}
            if changes:
                tx.update(SESSIONS, scope, session_id, **changes, updated_at=now)
            return before, live_session(tx, scope, session_id)

        async def commit() -> SessionRow:
            before, after = await self._store.write(update)
            self.tell_updated(before, after)
            return after

        return await to_the_end(self._runtime.scheduler, commit(), name="update session")

    async def delete(self, identity: Identity, scope: Scope, session_id: str) -> None:
        """With its messages and runs. Raises NotFound, Forbidden (not the author), and RunActive: stop its runs first."""

        def delete(tx: Transaction) -> SessionRow:
            row = _authored(tx, identity, scope, session_id)
            if tx.count(RUNS, scope, {"session_id": session_id, "state": ("in", ["queued", "running"])}):
                raise RunActive("An answer is being written in this session. Stop it, then delete the session.")
            # First what hangs on the session: it is visible through the session's row only.
            tx.delete(MESSAGES, scope, {"session_id": session_id})
            tx.delete(RUNS, scope, {"session_id": session_id})
            tx.delete(QUEUE, scope, {"session_id": session_id})
            tx.delete(SESSIONS, scope, {"id": session_id})
            return row

        async def commit() -> None:
            row = await self._store.write(delete)
            self._publish(_topics(row), SessionDeleted(session_id=session_id))
            self._changes.notify(AccessChange(kind="revoked", workspace_id=row.workspace_id, session_id=session_id))

        await to_the_end(self._runtime.scheduler, commit(), name="delete session")

    async def switch_branch(self, scope: Scope, session_id: str, message_id: str) -> SessionRow:
        """The branch that holds the message, as far as it goes, is the active one for everybody. Raises NotFound, and RunActive
        while an answer is being written."""

        event_id, now = self._runtime.ids.new("evt"), self._runtime.clock.now()

        def switch(tx: Transaction) -> tuple[SessionRow, SessionUpdated | None]:
            before = live_session(tx, scope, session_id)
            leaf = end_of_branch(tx, scope, before, message_id)
            if leaf is None:
                raise missing("message", message_id)
            active = tx.find(RUNS, scope, {"session_id": session_id, "state": ("in", ["queued", "running"])}, limit=1)
            if active:
                sentence = "An answer is being written in this session. Wait for it, or stop it, then go to another branch."
                raise RunActive(sentence, data={"run_id": active[0].id})
            if before.leaf_message_id == leaf.id:
                return before, None
            event = SessionUpdated(session_id=session_id, changes={"leaf_message_id": leaf.id})
            tx.update(SESSIONS, scope, session_id, leaf_message_id=leaf.id, updated_at=now)
            tx.insert(OUTBOX, owed(_of_branches(before), event, event_id=event_id, moment_s=now))
            return live_session(tx, scope, session_id), event

        async def commit() -> SessionRow:
            session, event = await self._store.write(switch)
            if event is not None:
                self._publish(_of_branches(session), event, event_id=event_id)
            return session

        return await to_the_end(self._runtime.scheduler, commit(), name="switch branch")

    def tell_leaf(self, session: SessionRow, leaf_message_id: str) -> None:
        """A question that was edited, or asked anew, has moved the active branch."""
        event = SessionUpdated(session_id=session.id, changes={"leaf_message_id": leaf_message_id})
        self._publish(_of_branches(session), event)

    async def demand_author(self, identity: Identity, scope: Scope, session_id: str) -> SessionRow:
        """For what only the author may do. Raises NotFound, Forbidden."""
        return await self._store.read(lambda tx: _authored(tx, identity, scope, session_id))

    def tell_updated(self, before: SessionRow, after: SessionRow) -> None:
        """Says what a committed change changed, to whom it is visible."""
        shown_before, shown = session_json(before), session_json(after)
        changes = {name: value for name, value in shown.items() if shown_before[name] != value}
        if not changes:
            return
        self._publish(
            [user_topic(after.author_id), session_topic(after.id)], SessionUpdated(session_id=after.id, changes=changes)
        )
        workspace = [workspace_topic(after.workspace_id)]
        if before.visibility == after.visibility:
            if after.visibility == "workspace":
                self._publish(workspace, SessionUpdated(session_id=after.id, changes=changes))
        elif after.visibility == "workspace":
            self._publish(workspace, SessionCreated(session_id=after.id, session=shown))
        else:
            self._publish(workspace, SessionDeleted(session_id=after.id))
            self._changes.notify(AccessChange(kind="lowered", workspace_id=after.workspace_id, session_id=after.id))


def live_session(tx: Transaction, scope: Scope, session_id: str) -> SessionRow:
    """Raises NotFound, with the same words whether it never was, is deleted, is private or is out of reach."""
    row = tx.get(SESSIONS, scope, session_id)
    if row is None:
        raise missing("session", session_id)
    return row


def is_session_id(reference: str) -> bool:
    """Whether it has the form of our own ids; anything else is the caller's name for a session."""
    return reference.startswith("ses_") and len(reference) == _ID_CHARACTERS and reference[4:].isalnum() and reference.isascii()


def session_json(row: SessionRow) -> dict[str, Any]:
    return {
        "id": row.id, "workspace_id": row.workspace_id, "title": row.title, "visibility": row.visibility, "pinned": row.pinned,
        "author_id": row.author_id, "name": row.name, "leaf_message_id": row.leaf_message_id, "created_at": rfc3339(row.created_at),
        "updated_at": rfc3339(row.updated_at),
    }  # fmt: skip


def _of_branches(row: SessionRow) -> list[str]:
    return [user_topic(row.author_id), session_topic(row.id)]


def _topics(row: SessionRow) -> list[str]:
    topics = [user_topic(row.author_id), session_topic(row.id)]
    return [*topics, workspace_topic(row.workspace_id)] if row.visibility == "workspace" else topics


def _authored(tx: Transaction, identity: Identity, scope: Scope, session_id: str) -> SessionRow:
    row = live_session(tx, scope, session_id)
    if row.author_id != identity.user_id:
        raise Forbidden("Only the author of a session may change or delete it.")
    return row


def _checked_reference(reference: str) -> str:
    if not 0 < len(reference) <= MAX_REFERENCE_CHARACTERS or not reference.isprintable():
        raise BadRequest(
            f"A session's name of your own has 1 to {MAX_REFERENCE_CHARACTERS} printable characters; this one can't be used."
        )
    return reference
