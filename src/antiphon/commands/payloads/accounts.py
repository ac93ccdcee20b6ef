"""Payloads of signing in, users, keys and tickets."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from antiphon.access.identity import RoleName
from antiphon.commands.payloads.fields import Id, Name, Password, Secret
from antiphon.protocol.commands import Payload


class Login(Payload):
    name: Name
    password: Password


class SignIn(Payload):
    """`token`: of the one-time link."""

    token: Secret


class MeUpdate(Payload):
    """`password` needs `current_password`, unless the account has none yet."""

    name: Name | UnsetType = UNSET
    password: Password | UnsetType = UNSET
    current_password: Password | None = None


class WsTicket(Payload):
    """`origin`: the Origin header of the request, set by the HTTP edge; None: the caller is no browser."""

    origin: Annotated[str, Meta(max_length=300)] | None = None


class UserCreate(Payload):
    name: Name
    password: Password


class UserUpdate(Payload):
    user_id: Id
    name: Name | UnsetType = UNSET
    password: Password | UnsetType = UNSET
    suspended: bool | UnsetType = UNSET


class KeyCreate(Payload):
    """`workspace_id` None: all workspaces of the user; `role` None: the user's own role in each."""

    name: Name
    workspace_id: Id | None = None
    role: RoleName | None = None


class KeyDelete(Payload):
    key_id: Id
