"""`World`: the actors and objects of the access matrix, made on any `Services`. See access.py, which says what to expect.

Rows are written straight into the store where the real way would cost a password hash, or could not lead there (a cookie
session that expired, a document in each state).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any, Final

from antiphon.access.identity import Identity, Role, RoleName
from antiphon.access.scope import system_scope
from antiphon.access.secrets import hash_secret, new_secret
from antiphon.commands.services import Services
from antiphon.core.ids import UserId, WorkspaceId
from antiphon.library.workspaces import member_row
from antiphon.storage.records.contract import Transaction
from antiphon.storage.records.rows import (
    CRAWLS,
    DOCUMENTS,
    KEYS,
    LOGINS,
    MEMBERS,
    MESSAGES,
    PAGES,
    PROVIDERS,
    QUEUE,
    RUNS,
    SESSIONS,
    USERS,
    WATCHES,
    WORKSPACES,
    CrawlRow,
    DocumentRow,
    KeyRow,
    LoginRow,
    MessageRow,
    PageRow,
    ProviderRow,
    QueueRow,
    RunRow,
    SessionRow,
    UserRow,
    Visibility,
    WatchRow,
    WorkspaceRow,
)

CANARY: Final = "canary"
"""Stands in every name and text of the foreign, deleted and private objects, and nowhere an outsider may look."""
PASSWORD: Final = "correct horse battery"  # noqa: S105 - of a test's user
_EVERYTHING = system_scope("testing: a world made by hand")


@dataclass(frozen=True, kw_only=True, slots=True)
class Objects:
    """The ids a verb may name, all of one target. `user_id`: somebody who is no member; `member_id`: a viewer to remove."""

    workspace_id: str
    document_id: str
    failed_document_id: str
    queued_document_id: str
    session_id: str
    run_id: str
    question_id: str
    answer_id: str
    waiting_run_id: str
    user_id: str
    member_id: str
    key_id: str
    crawl_id: str
    watch_id: str
    provider_id: str
    login_name: str
    login_password: str
    sign_in_token: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Credential:
    """How an actor shows itself. `identity`: what a socket holds that was opened while it was good."""

    identity: Identity | None = None
    bearer: str | None = None
    cookie: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class World:
    """`actors` and `objects` by the values of the enums `Actor` and `Target`."""

    services: Services
    actors: dict[str, Credential]
    objects: dict[str, Objects]

    @staticmethod
    async def seed(services: Services) -> World:
        return await _Seeding(services).seed()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Login:
    name: str
    sign_in_token: str


class _Seeding:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._new = services.runtime.ids.new
        self._now = services.runtime.clock.now()

    async def seed(self) -> World:
        services = self._services
        server_owner = await services.accounts.ensure_owner()
        blob = await services.blobs.put(_bytes(b"%PDF-canary"), max_bytes=0)
        user = await services.accounts.create_user(f"login {self._new('usr')}", PASSWORD)
        login = _Login(name=user.name, sign_in_token=services.sign_in_links.issue(UserId(user.id)))
        world = await services.store.write(lambda tx: self._seed(tx, UserId(server_owner.id), blob.sha256, login))
        revoked, suspended = world.actors["revoked_key"].identity, world.actors["suspended"].identity
        assert revoked is not None
        assert suspended is not None
        # Only now: the actors held their identities while these were still good.
        await services.accounts.keys.revoke(revoked, revoked.credential)
        await services.accounts.update_user(suspended.user_id, suspended=True)
        return world

    def _seed(self, tx: Transaction, server_owner: UserId, sha256: str, login: _Login) -> World:
        people = {name: self._user(tx, name) for name in ("owner", "editor", "viewer", "suspended", "outsider", "stranger", "newcomer", "member")}  # fmt: skip
        under_test = self._workspace(tx, "team", owner=people["owner"])
        for name, role in (("editor", Role.EDITOR), ("viewer", Role.VIEWER), ("suspended", Role.EDITOR), ("member", Role.VIEWER)):
            tx.insert(MEMBERS, member_row(under_test, people[name], role, self._now))
        second = self._workspace(tx, "second", owner=people["owner"])
        self._workspace(tx, "elsewhere", owner=people["outsider"])
        actors = self._actors(tx, people, server_owner, under_test, second)
        own = self._objects(
            tx, under_test, author=people["editor"], people=people, login=login, sha256=sha256, visibility="workspace"
        )
        private = self._conversation(tx, under_test, author=people["editor"], visibility="private")
        foreign_workspace = self._workspace(tx, f"{CANARY} plans", owner=people["stranger"])
        foreign = self._objects(
            tx, foreign_workspace, author=people["stranger"], people=people, login=login, sha256=sha256, visibility="workspace"
        )
        deleted = self._deleted(tx, under_test, people, sha256, login)
        return World(
            services=self._services,
            actors=actors,
            objects={
                "own": own,
                "private": replace(own, **private),
                "foreign": foreign,
                "deleted": deleted,
                "random": self._random(own),
            },
        )

    def _actors(
        self, tx: Transaction, people: dict[str, UserId], server_owner: UserId, under_test: WorkspaceId, second: WorkspaceId
    ) -> dict[str, Credential]:
        actors = {name: self._key(tx, people[name], name) for name in ("owner", "editor", "viewer", "outsider", "suspended")}
        owner = people["owner"]
        return {
            **actors,
            "anonymous": Credential(),
            "server_owner": self._key(tx, server_owner, "owner", server_owner=True),
            "revoked_key": self._key(tx, owner, "owner"),
            "narrow_key": self._key(tx, owner, "owner", workspace=under_test, role="viewer"),
            "elsewhere_key": self._key(tx, owner, "owner", workspace=second, role="owner"),
            "expired": self._expired_login(tx, owner),
        }

    def _user(self, tx: Transaction, name: str) -> UserId:
        user_id = self._new("usr")  # in the name, too: there may be several worlds in one house
        row = UserRow(id=user_id, name=f"{name} {user_id}", created_at=self._now)
        tx.insert(USERS, row)
        return UserId(row.id)

    def _workspace(self, tx: Transaction, name: str, *, owner: UserId, deleted_at: float | None = None) -> WorkspaceId:
        workspace_id = self._new("ws")
        row = WorkspaceRow(id=workspace_id, slug=workspace_id.lower(), name=name, created_at=self._now, deleted_at=deleted_at)
        tx.insert(WORKSPACES, row)
        tx.insert(MEMBERS, member_row(row.id, owner, Role.OWNER, self._now))
        return WorkspaceId(row.id)

    def _key(
        self, tx: Transaction, user_id: UserId, name: str, *, server_owner: bool = False, workspace: WorkspaceId | None = None,
        role: RoleName | None = None,
    ) -> Credential:  # fmt: skip
        secret = new_secret("ak", self._services.runtime.random)
        row = KeyRow(
            id=self._new("key"), name=name, user_id=user_id, secret_hash=hash_secret(secret), workspace_id=workspace, role=role,
            created_at=self._now,
        )  # fmt: skip
        tx.insert(KEYS, row)
        ranks = {"viewer": Role.VIEWER, "editor": Role.EDITOR, "owner": Role.OWNER}
        identity = Identity(
            user_id=user_id, name=name, credential=row.id, server_owner=server_owner, key_workspace=workspace,
            key_role=ranks[role] if role is not None else None,
        )  # fmt: skip
        return Credential(identity=identity, bearer=secret)

    def _expired_login(self, tx: Transaction, user_id: UserId) -> Credential:
        secret = new_secret("al", self._services.runtime.random)
        ended = self._now - 1.0
        row = LoginRow(
            id=self._new("lgn"), user_id=user_id, secret_hash=hash_secret(secret), created_at=ended - 60, expires_at=ended
        )
        tx.insert(LOGINS, row)
        return Credential(identity=Identity(user_id=user_id, name="owner", credential=row.id, expires_at=ended), cookie=secret)

    def _objects(
        self,
        tx: Transaction,
        workspace_id: WorkspaceId,
        *,
        author: UserId,
        people: dict[str, UserId],
        sha256: str,
        login: _Login,
        visibility: Visibility,
    ) -> Objects:
        key = KeyRow(id=self._new("key"), name=CANARY, user_id=author, secret_hash=self._new("key"), created_at=self._now)
        tx.insert(KEYS, key)
        return Objects(
            workspace_id=workspace_id,
            document_id=self._document(tx, workspace_id, state="ready", sha256=sha256, searchable=True),
            failed_document_id=self._document(tx, workspace_id, state="failed", sha256="fa" * 32, error={"code": "bad_request", "message": "It."}),
            queued_document_id=self._document(tx, workspace_id, state="queued", sha256="0e" * 32),
            **self._conversation(tx, workspace_id, author=author, visibility=visibility),
            user_id=people["newcomer"],
            member_id=people["member"],
            key_id=key.id,
            crawl_id=self._crawl(tx, workspace_id, author),
            watch_id=self._watch(tx, workspace_id, author),
            provider_id=self._provider(tx),
            login_name=login.name,
            login_password=PASSWORD,
            sign_in_token=login.sign_in_token,
        )  # fmt: skip

    def _provider(self, tx: Transaction) -> str:
        """Switched off, so that no house asks its address."""
        ident = self._new("prov")
        row = ProviderRow(
            id=ident, slug=ident.lower().replace("_", "-"), base_url="http://127.0.0.1:9/v1", enabled=False, created_at=self._now,
            updated_at=self._now,
        )  # fmt: skip
        tx.insert(PROVIDERS, row)
        return ident

    def _document(self, tx: Transaction, workspace_id: WorkspaceId, **columns: Any) -> str:
        row = DocumentRow(
            id=self._new("doc"), workspace_id=workspace_id, name=f"{CANARY}.pdf", media_type="application/pdf", pages=1,
            created_at=self._now, updated_at=self._now, **columns,
        )  # fmt: skip
        tx.insert(DOCUMENTS, row)
        page_id = f"{row.id}:1:1"
        tx.insert(PAGES, PageRow(id=page_id, document_id=row.id, workspace_id=workspace_id, version=1, number=1, text=CANARY))
        return row.id

    def _crawl(self, tx: Transaction, workspace_id: WorkspaceId, author: UserId) -> str:
        row = CrawlRow(
            id=self._new("crl"), workspace_id=workspace_id, url=f"http://{CANARY}.example/", added_by=author, created_at=self._now
        )
        tx.insert(CRAWLS, row)
        return row.id

    def _watch(self, tx: Transaction, workspace_id: WorkspaceId, author: UserId) -> str:
        row = WatchRow(
            id=self._new("wat"), workspace_id=workspace_id, kind="url", address=f"http://{CANARY}.example/", interval_s=86_400.0,
            next_due=self._now + 86_400.0, added_by=author, created_at=self._now, updated_at=self._now,
        )  # fmt: skip
        tx.insert(WATCHES, row)
        return row.id

    def _session(self, tx: Transaction, workspace_id: WorkspaceId, *, author: UserId, visibility: Visibility) -> str:
        row = SessionRow(
            id=self._new("ses"), workspace_id=workspace_id, author_id=author, title=CANARY, visibility=visibility,
            created_at=self._now, updated_at=self._now,
        )  # fmt: skip
        tx.insert(SESSIONS, row)
        return row.id

    def _waiting(self, tx: Transaction, workspace_id: WorkspaceId, *, author: UserId, visibility: Visibility) -> str:
        """A question that waits, in a session of its own: the other one is free."""
        session_id, run_id = self._session(tx, workspace_id, author=author, visibility=visibility), self._new("run")
        ids: dict[str, Any] = {"message_id": self._new("msg"), "user_message_id": self._new("msg")}
        of: dict[str, Any] = {
            "session_id": session_id,
            "workspace_id": workspace_id,
            "author_id": author,
            "created_at": self._now,
        }
        tx.insert(RUNS, RunRow(id=run_id, model="scripted", state="waiting", **of, **ids))
        tx.insert(QUEUE, QueueRow(id=run_id, model="scripted", author_name=CANARY, content=CANARY, position=1.0, **of, **ids))
        return run_id

    def _conversation(
        self, tx: Transaction, workspace_id: WorkspaceId, *, author: UserId, visibility: Visibility
    ) -> dict[str, str]:
        """The ids of a session with a question and its answer, and of a question that waits."""
        session_id, run_id = self._session(tx, workspace_id, author=author, visibility=visibility), self._new("run")
        question_id, answer_id = self._new("msg"), self._new("msg")
        tx.insert(
            RUNS,
            RunRow(
                id=run_id, session_id=session_id, workspace_id=workspace_id, author_id=author, model="scripted",
                state="completed", record=_RECORD | {"asked": _RECORD["asked"] | {"workspace_ids": [workspace_id]}}, created_at=self._now,
            ),
        )  # fmt: skip
        tx.insert(
            MESSAGES,
            MessageRow(
                id=question_id, session_id=session_id, workspace_id=workspace_id, ordinal=1, role="user", content=CANARY,
                run_id=run_id, author_id=author, created_at=self._now,
            ),
        )  # fmt: skip
        tx.insert(
            MESSAGES,
            MessageRow(
                id=answer_id, session_id=session_id, workspace_id=workspace_id, ordinal=2, role="assistant", content=CANARY,
                parent_id=question_id, run_id=run_id, created_at=self._now,
            ),
        )  # fmt: skip
        return {
            "session_id": session_id, "run_id": run_id, "question_id": question_id, "answer_id": answer_id,
            "waiting_run_id": self._waiting(tx, workspace_id, author=author, visibility=visibility),
        }  # fmt: skip

    def _deleted(
        self, tx: Transaction, under_test: WorkspaceId, people: dict[str, UserId], sha256: str, login: _Login
    ) -> Objects:
        """A deleted workspace whose owner was everybody under test; its objects, and a deleted document of the live one."""
        gone = self._workspace(tx, f"{CANARY} gone", owner=people["owner"], deleted_at=self._now)
        for name in ("editor", "viewer", "outsider"):
            tx.insert(MEMBERS, member_row(gone, people[name], Role.OWNER, self._now))
        objects = self._objects(
            tx, gone, author=people["editor"], people=people, login=login, sha256=sha256, visibility="workspace"
        )
        tx.update(KEYS, _EVERYTHING, objects.key_id, revoked_at=self._now)
        removed = {
            field: self._document(tx, under_test, state="deleting", sha256=sha256, deleted_at=self._now)
            for field in ("document_id", "failed_document_id")
        }
        return replace(objects, **removed)

    def _random(self, like: Objects) -> Objects:
        new = self._new
        return replace(
            like, workspace_id=new("ws"), document_id=new("doc"), failed_document_id=new("doc"), queued_document_id=new("doc"),
            session_id=new("ses"), run_id=new("run"), question_id=new("msg"), answer_id=new("msg"), waiting_run_id=new("run"),
            user_id=new("usr"), member_id=new("usr"), key_id=new("key"), crawl_id=new("crl"), watch_id=new("wat"),
        )  # fmt: skip


_RECORD: Final[dict[str, Any]] = {
    "asked": {"question": CANARY, "language": "en", "workspace_ids": [], "history": [], "filter": None},
    "workspace": {"name": CANARY, "instructions": "", "mode": "open", "k": 6, "language": None},
    "flow": {"name": "", "edges": [{"source": {"node": "q", "port": "question"}, "target": {"node": "o", "port": "answer"}}]},
    "nodes": [{"id": "q", "type": "question", "settings": {}}, {"id": "o", "type": "output", "settings": {}}],
    "retrievals": [], "passages": [], "seed": 1, "fixed_seed": False, "model": "scripted", "text": CANARY,
}  # fmt: skip
"""Enough for a run to be repeated."""


async def _bytes(content: bytes) -> AsyncIterator[bytes]:
    yield content
