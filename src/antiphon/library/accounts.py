"""`Accounts`: users, signing in and out, and who a credential belongs to. The server's edges authenticate through it.

Every change is committed before it is told to `AccessChanges` (open sockets) and before the call returns. Keys are in
keys.py, what is remembered between calls in directory.py. Tests: tests/unit/library/test_accounts.py.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import structlog

from antiphon.access.changes import AccessChange, AccessChanges
from antiphon.access.identity import Identity, Role
from antiphon.access.missing import missing
from antiphon.access.passwords import Passwords
from antiphon.access.scope import system_scope
from antiphon.access.secrets import hash_secret, is_plausible, new_secret, same_secret
from antiphon.config.settings import Settings
from antiphon.core.completion import to_the_end
from antiphon.core.display_names import demand_name
from antiphon.core.errors import AntiphonError, Conflict, Forbidden, TokenExpired, Unauthorized
from antiphon.core.ids import UserId, WorkspaceId
from antiphon.core.runtime import Runtime
from antiphon.library.directory import Directory
from antiphon.library.keys import Keys
from antiphon.library.roles import role_named
from antiphon.storage.records.contract import Store, Transaction
from antiphon.storage.records.rows import KEYS, LOGINS, USERS, KeyRow, LoginRow, UserRow

T = TypeVar("T")
LOCAL_CREDENTIAL: Final = "local"
"""`Identity.credential` of the running server's own command line, and of `--no-auth` callers."""
KEY_USE_INTERVAL_S: Final = 60.0
"""`last_used_at` of a key is written at most this often."""
MAX_USER_NAME_CHARACTERS: Final = 80
_NOT_VALID = "These credentials are not valid, or not any more. Sign in again, or use another key."
_WRONG_PASSWORD = "The name or the password is wrong."  # noqa: S105 - a sentence
_EVERYTHING = system_scope("accounts: users, logins and keys have no owner")
_log = structlog.get_logger(__name__)


class Accounts:
    """`passwords` None: argon2id at pwdlib's recommended costs. `local_token` is in memory only; the composition root
    writes it to server.json (mode 600), so that commands on this machine reach the running server as the owner."""

    def __init__(
        self,
        store: Store,
        runtime: Runtime,
        settings: Settings,
        *,
        changes: AccessChanges,
        directory: Directory,
        passwords: Passwords | None = None,
    ) -> None:
        self.keys = Keys(store, runtime, changes)
        self.local_token = new_secret("ac", runtime.random)
        self._store = store
        self._runtime = runtime
        self._settings = settings
        self._changes = changes
        self._directory = directory
        self._passwords = passwords or Passwords(runtime.random)
        self._key_uses: dict[str, float] = {}
        self._owner_id: str | None = None

    # --- the first start ---------------------------------------------------------------------------------------------

    async def ensure_owner(self) -> UserRow:
        """The owner; created when there is no user yet, with the key of the setting `owner_key` if given. Called twenty
        times at once it creates one."""
        now = self._runtime.clock.now()
        owner = UserRow(id=self._runtime.ids.new("usr"), name="owner", server_owner=True, created_at=now)
        secret = self._settings.owner_key

        def create(tx: Transaction) -> UserRow:
            first = tx.find(USERS, _EVERYTHING, {"server_owner": True}, order="created_at", limit=1)
            if first:
                return first[0]
            tx.insert(USERS, owner)
            if secret is not None:
                key_id = self._runtime.ids.new("key")
                key = KeyRow(id=key_id, name="owner key", user_id=owner.id, secret_hash=hash_secret(secret), created_at=now)
                tx.insert(KEYS, key)
            return owner

        return await self._store.write(create)

    # --- users ---------------------------------------------------------------------------------------------------------

    async def create_user(self, name: str, password: str) -> UserRow:
        """Raises BadRequest (name, password) and Conflict (the name is taken, upper and lower case alike)."""
        cleaned = _user_name(name)
        password_hash = await self._passwords.hash(password)
        row = UserRow(
            id=self._runtime.ids.new("usr"), name=cleaned, password_hash=password_hash, created_at=self._runtime.clock.now()
        )

        def insert(tx: Transaction) -> None:
            _demand_free_name(tx, cleaned, but=None)
            tx.insert(USERS, row)

        await self._store.write(insert)
        return row

    async def list_users(self, *, after: tuple[Any, str] | None, limit: int) -> list[UserRow]:
        return await self._store.read(
            lambda tx: tx.find(USERS, _EVERYTHING, order="created_at", after=after, limit=limit)
        )  # fmt: skip

    async def get_user(self, user_id: str) -> UserRow:
        """Raises NotFound."""
        user = await self._directory.user(user_id)
        if user is None:
            raise missing("user", user_id)
        return user

    async def update_user(
        self, user_id: str, *, name: str | None = None, password: str | None = None, suspended: bool | None = None,
        keep_login: str | None = None,
    ) -> UserRow:  # fmt: skip
        """Changes what is not None. A new password, and suspension, sign the user out everywhere but of `keep_login`.
        Raises NotFound, BadRequest, Conflict, and Forbidden for suspending the owner of the server."""
        changes: dict[str, Any] = {}
        if name is not None:
            changes["name"] = _user_name(name)
        if password is not None:
            changes["password_hash"] = await self._passwords.hash(password)
        if suspended is not None:
            changes["suspended"] = suspended
        now = self._runtime.clock.now()

        def update(tx: Transaction) -> UserRow:
            user = tx.get(USERS, _EVERYTHING, user_id)
            if user is None:
                raise missing("user", user_id)
            if suspended and user.server_owner:
                raise Forbidden("The owner of the server can't be suspended.")
            if name is not None:
                _demand_free_name(tx, changes["name"], but=user_id)
            if changes:
                tx.update(USERS, _EVERYTHING, user_id, **changes)
            if password is not None or suspended:
                for login in tx.find(LOGINS, _EVERYTHING, {"user_id": user_id, "revoked_at": None}):
                    if login.id != keep_login:
                        tx.update(LOGINS, _EVERYTHING, login.id, revoked_at=now)
            changed = tx.get(USERS, _EVERYTHING, user_id)
            assert changed is not None
            return changed

        takes_away = password is not None or bool(suspended)
        change = AccessChange(kind="revoked" if takes_away else "granted", user_id=user_id)
        return await self._commit(update, change)

    async def change_own_password(self, identity: Identity, *, current: str | None, new: str) -> None:
        """Raises Unauthorized when `current` is wrong. The first password of an account needs no `current`. A key can't
        change the password (a stolen one would become an account): Forbidden."""
        if not (identity.credential == LOCAL_CREDENTIAL or identity.credential.startswith("lgn_")):
            raise Forbidden("An API key can't change the password. Sign in with the browser, or on the server's own machine.")
        user = await self.get_user(identity.user_id)
        if user.password_hash is not None and not await self._passwords.verify(current or "", user.password_hash):
            raise Unauthorized("The current password is wrong.")
        await self.update_user(identity.user_id, password=new, keep_login=identity.credential)

    # --- signing in and out ----------------------------------------------------------------------------------------------

    async def login(self, name: str, password: str, *, replaces: Identity | None = None) -> tuple[UserRow, str]:
        """The user and the secret of a new cookie session. Unknown, suspended and wrong: the same error after the same
        work. `replaces`: the session the request came with ends (a fixed one is worth nothing)."""
        try:
            wanted = _user_name(name)
        except AntiphonError:
            wanted = ""
        users = await self._store.read(lambda tx: tx.find(USERS, _EVERYTHING, {"name": wanted}, limit=1))
        user = users[0] if users else None
        matches = await self._passwords.verify(password, user.password_hash if user else None)
        if user is None or not matches:  # suspension is looked at by start_login, with the same answer
            raise Unauthorized(_WRONG_PASSWORD)
        return user, await self.start_login(UserId(user.id), replaces=replaces, password_hash=user.password_hash)

    async def start_login(self, user_id: UserId, *, replaces: Identity | None = None, password_hash: str | None = None) -> str:
        """The secret of a new cookie session of a user who has shown who they are. Raises Unauthorized when the user is
        suspended, or the password is not `password_hash` any more (None: not looked at)."""
        secret = new_secret("al", self._runtime.random)
        now = self._runtime.clock.now()
        row = LoginRow(
            id=self._runtime.ids.new("lgn"), user_id=user_id, secret_hash=hash_secret(secret), created_at=now,
            expires_at=now + self._settings.auth.login_s,
        )  # fmt: skip

        def insert(tx: Transaction) -> None:
            user = tx.get(USERS, _EVERYTHING, user_id)
            if user is None or user.suspended or (password_hash is not None and user.password_hash != password_hash):
                raise Unauthorized(_WRONG_PASSWORD)
            tx.insert(LOGINS, row)

        await self._store.write(insert)
        if replaces is not None:
            await self.logout(replaces)
        return secret

    async def logout(self, identity: Identity) -> bool:
        """Ends the cookie session the caller came with; False when it came with something else, which stays."""
        login_id, now = identity.credential, self._runtime.clock.now()
        if not login_id.startswith("lgn_"):
            return False
        change = AccessChange(kind="revoked", user_id=identity.user_id, credential=login_id)
        return await self._commit(lambda tx: tx.update(LOGINS, _EVERYTHING, login_id, revoked_at=now), change)

    # --- who is asking -----------------------------------------------------------------------------------------------------

    async def authenticate_bearer(self, token: str, /) -> Identity:
        """The identity of an API key, or of the local token. Raises Unauthorized."""
        if not is_plausible(token):
            raise Unauthorized(_NOT_VALID)
        if same_secret(token, self.local_token):
            return await self.owner_identity()
        row = await self._directory.key_with(hash_secret(token))
        identity = await self._identity_of_key(row)
        assert row is not None
        self._note_key_use(row)
        return identity

    async def authenticate_cookie(self, value: str, /) -> Identity:
        """The identity of a cookie session. Raises Unauthorized, TokenExpired."""
        if not is_plausible(value):
            raise Unauthorized(_NOT_VALID)
        return await self._identity_of_login(await self._directory.login_with(hash_secret(value)))

    async def ambient_identity(self) -> Identity | None:
        """Under `--no-auth` the owner, for callers that name no credentials; None otherwise."""
        return await self.owner_identity() if self._settings.no_auth else None

    async def owner_identity(self) -> Identity:
        """The owner of the server, as its own command line."""
        if self._owner_id is None:
            self._owner_id = (await self.ensure_owner()).id
        owner = await self.get_user(self._owner_id)
        return Identity(user_id=UserId(owner.id), name=owner.name, credential=LOCAL_CREDENTIAL, server_owner=True)

    async def demand_valid(self, identity: Identity, /) -> None:
        """For identities that were kept (open sockets, running requests): raises Unauthorized or TokenExpired when what
        they came with has been revoked or has expired, or the user was suspended."""
        credential = identity.credential
        if credential == LOCAL_CREDENTIAL:
            user = await self._directory.user(identity.user_id)
            if user is None or user.suspended:
                raise Unauthorized(_NOT_VALID)
            return
        if credential.startswith("lgn_"):
            await self._identity_of_login(await self._directory.login(credential))
        else:
            await self._identity_of_key(await self._directory.key(credential))

    async def is_still_valid(self, identity: Identity) -> bool:
        try:
            await self.demand_valid(identity)
        except (Unauthorized, TokenExpired):
            return False
        return True

    async def roles_of(self, user_id: UserId, /) -> Mapping[WorkspaceId, Role]:
        """`Accounts` is the `Memberships` of access."""
        return await self._directory.roles_of(user_id)

    async def forget_ended_logins(self, *, older_than_s: float = 7 * 86_400.0) -> int:
        """Removes the rows of cookie sessions that expired that long ago; how many."""
        before = self._runtime.clock.now() - older_than_s
        return await self._store.write(lambda tx: tx.delete(LOGINS, _EVERYTHING, {"expires_at": ("<", before)}))

    async def _commit(self, work: Callable[[Transaction], T], change: AccessChange) -> T:
        async def commit() -> T:
            result = await self._store.write(work)
            self._changes.notify(change)
            return result

        return await to_the_end(self._runtime.scheduler, commit(), name="accounts")

    async def _identity_of_login(self, row: LoginRow | None) -> Identity:
        if row is None or row.revoked_at is not None:
            raise Unauthorized(_NOT_VALID)
        if self._runtime.clock.now() >= row.expires_at:
            raise TokenExpired("Your sign-in has expired. Sign in again; nothing was lost.")
        user = await self._directory.user(row.user_id)
        if user is None or user.suspended:
            raise Unauthorized(_NOT_VALID)
        return Identity(
            user_id=UserId(user.id), name=user.name, credential=row.id, server_owner=user.server_owner, expires_at=row.expires_at
        )

    async def _identity_of_key(self, row: KeyRow | None) -> Identity:
        if row is None or row.revoked_at is not None:
            raise Unauthorized(_NOT_VALID)
        user = await self._directory.user(row.user_id)
        if user is None or user.suspended:
            raise Unauthorized(_NOT_VALID)
        workspace = WorkspaceId(row.workspace_id) if row.workspace_id is not None else None
        role = role_named(row.role) if row.role is not None else None
        return Identity(
            user_id=UserId(user.id), name=user.name, credential=row.id,
            # A narrowed key never rules the server, whoever made it.
            server_owner=user.server_owner and workspace is None and role in {None, Role.OWNER},
            key_workspace=workspace, key_role=role,
        )  # fmt: skip

    def _note_key_use(self, row: KeyRow) -> None:
        now = self._runtime.clock.now()
        last = max(self._key_uses.get(row.id, 0.0), row.last_used_at or 0.0)
        if now - last < KEY_USE_INTERVAL_S:
            return
        self._key_uses[row.id] = now
        # Beside the request: a full disk must not make keys invalid, and no request waits for this.
        self._runtime.scheduler.spawn(self._write_key_use(row.id, now), name="key-use")

    async def _write_key_use(self, key_id: str, now: float) -> None:
        try:
            await self._store.write(lambda tx: tx.update(KEYS, _EVERYTHING, key_id, last_used_at=now))
        except Exception:  # noqa: BLE001 - a task of its own: a time stamp that can't be written is a line in the log
            _log.warning("key_use_not_written", key_id=key_id, exc_info=True)


def user_json(user: UserRow) -> dict[str, Any]:
    """As a server's owner sees it: everything but the password."""
    return {
        "id": user.id, "name": user.name, "server_owner": user.server_owner, "suspended": user.suspended,
        "has_password": user.password_hash is not None,
    }  # fmt: skip


def folded_name(name: str) -> str:
    """What all spellings that could mean the same account have in common; for any text."""
    return unicodedata.normalize("NFKC", name[:1000]).strip().casefold()


def _user_name(name: str) -> str:
    return demand_name(unicodedata.normalize("NFKC", name[:1000]), "user", max_characters=MAX_USER_NAME_CHARACTERS)


def _demand_free_name(tx: Transaction, name: str, *, but: str | None) -> None:
    folded = name.casefold()
    for other in tx.find(USERS, _EVERYTHING):  # all of them: no index folds case as Unicode does, and this is rare
        if other.id != but and other.name.casefold() == folded:
            raise Conflict(f"There is a user {name!r} already; choose another name.")
