"""All verbs, and the table made of them. The composition root calls `command_table` once. Tests: tests/unit/commands/."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from antiphon.commands.handlers import (
    accounts,
    chat,
    documents,
    indexing,
    keys,
    models,
    queue,
    replays,
    search,
    sessions,
    simple_profile,
    sources,
    versions,
    workspaces,
)
from antiphon.commands.services import Services
from antiphon.commands.table import Command, CommandTable


def all_commands() -> list[Command[Any, Services]]:
    return [
        *accounts.COMMANDS,
        *keys.COMMANDS,
        *workspaces.COMMANDS,
        *documents.COMMANDS,
        *sources.COMMANDS,
        *indexing.COMMANDS,
        *search.COMMANDS,
        *sessions.COMMANDS,
        *models.COMMANDS,
        *chat.COMMANDS,
        *versions.COMMANDS,
        *queue.COMMANDS,
        *replays.COMMANDS,
        *simple_profile.COMMANDS,
    ]


def command_table(services: Services, *, commands: Sequence[Command[Any, Services]] | None = None) -> CommandTable[Services]:
    """The table whose every call asks `services.accounts` whether the caller's credentials are still good. `commands`
    None: all of them."""
    return CommandTable(
        list(all_commands() if commands is None else commands),
        services=services,
        memberships=services.accounts,
        credentials=services.accounts,
    )
