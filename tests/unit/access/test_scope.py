from __future__ import annotations

from collections.abc import Mapping

import pytest

from antiphon.access.identity import Identity, Role
from antiphon.access.scope import Action, Scope, scope, system_scope
from antiphon.core.errors import Forbidden
from antiphon.core.ids import UserId, WorkspaceId

A, B, C = WorkspaceId("ws_a"), WorkspaceId("ws_b"), WorkspaceId("ws_c")


class Roles:
    async def roles_of(self, user_id: UserId, /) -> Mapping[WorkspaceId, Role]:
        return {A: Role.OWNER, B: Role.VIEWER} if user_id == "usr_ann" else {}


def identity(**narrowed: object) -> Identity:
    return Identity(user_id=UserId("usr_ann"), name="Ann", credential="key_1", **narrowed)  # type: ignore[arg-type]


async def test_visible_and_allowed_differ_by_role():
    reach = await scope(identity(), Action.WRITE, Roles())
    assert (reach.sees(A), reach.sees(B), reach.sees(C)) == (True, True, False)
    assert (reach.permits(A), reach.permits(B), reach.permits(C)) == (True, False, False)
    reach.demand(A)
    reach.demand(C)  # what is not visible is missing, not forbidden
    with pytest.raises(Forbidden, match="'editor'"):
        reach.demand(B)


async def test_a_key_narrows_workspace_and_role():
    reach = await scope(identity(key_workspace=A, key_role=Role.VIEWER), Action.WRITE, Roles())
    assert reach.sees(A)
    assert not reach.permits(A)
    assert not reach.sees(B)
    elsewhere = await scope(identity(key_workspace=C), Action.READ, Roles())
    assert not elsewhere.sees(A)
    assert not elsewhere.sees(C)  # a key gives no more than its user has


async def test_a_key_role_above_the_membership_raises_nothing():
    reach = await scope(identity(key_role=Role.OWNER), Action.WRITE, Roles())
    assert not reach.permits(B)


async def test_only_access_makes_one_and_nobody_changes_it():
    with pytest.raises(TypeError):
        Scope(object(), user_id=UserId("x"), action=Action.READ, roles={}, everything=True, reason="forged")
    reach = await scope(identity(), Action.READ, Roles())
    with pytest.raises(TypeError):
        reach.visible[C] = Role.OWNER  # type: ignore[index]


def test_the_system_sees_everything():
    assert system_scope("test").permits("ws_any")
