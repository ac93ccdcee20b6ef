"""Every verb, by every kind of caller, on every kind of object, straight through the command table."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from antiphon.commands.catalogue import all_commands, command_table
from antiphon.commands.services import Services
from antiphon.commands.table import Command, Right
from antiphon.core.errors import AntiphonError
from antiphon.testing.access import EXPECTED, Actor, Execute, Target, differences, expected
from antiphon.testing.access_world import World
from antiphon.testing.world import memory_services

VERBS = sorted(command.verb for command in all_commands())


async def fresh_world() -> World:
    return await World.seed(memory_services())


def through(commands: list[Command[Any, Services]] | None = None) -> Execute:
    async def execute(world: World, actor: Actor, verb: str, fields: dict[str, Any]) -> str:
        table = command_table(world.services, commands=commands)
        try:
            await table.execute(verb, fields, identity=world.actors[actor.value].identity, request_id="req_test")
        except AntiphonError as error:
            return error.code
        return "ok"

    return execute


def test_every_verb_has_an_expectation_and_none_is_left_over():
    assert set(VERBS) == set(EXPECTED)


@pytest.mark.parametrize("verb", VERBS)
async def test_the_rights_of(verb: str):
    assert await differences(verb, fresh_world, through()) == []


WEAKER = {Right.OWNER: Right.EDITOR, Right.EDITOR: Right.VIEWER, Right.SERVER_OWNER: Right.SIGNED_IN}


@pytest.mark.parametrize("verb", [command.verb for command in all_commands() if command.right in WEAKER])
async def test_a_weaker_right_is_seen(verb: str):
    """The planted bug: the verb's right is lowered, in the table, one at a time."""
    weakened = [replace(each, right=WEAKER[each.right]) if each.verb == verb else each for each in all_commands()]
    assert await differences(verb, fresh_world, through(weakened)) != []


@pytest.mark.parametrize("verb", [verb for verb, rule in EXPECTED.items() if rule.named])
async def test_foreign_deleted_and_random_ids_are_answered_alike(verb: str):
    world = await fresh_world()
    table = command_table(world.services)
    for actor in (Actor.VIEWER, Actor.OWNER, Actor.OUTSIDER):
        messages: set[str] = set()
        for target in (Target.FOREIGN, Target.DELETED, Target.RANDOM):
            objects = world.objects[target.value]
            with pytest.raises(AntiphonError) as caught:
                await table.execute(
                    verb, EXPECTED[verb].fields(objects), identity=world.actors[actor.value].identity, request_id="req_test"
                )
            text = caught.value.message
            for name in objects.__struct_fields__ if hasattr(objects, "__struct_fields__") else objects.__slots__:
                text = text.replace(str(getattr(objects, name)), "ID")
            messages.add(f"{caught.value.code} {text} {caught.value.data}")
            assert "canary" not in text
        assert len(messages) == 1, messages


async def test_extra_fields_are_refused_everywhere():
    world = await fresh_world()
    table = command_table(world.services)
    for verb in VERBS:
        fields = {**EXPECTED[verb].fields(world.objects["own"]), "role": None, "owner": True, "scope_override": "*"}
        with pytest.raises(AntiphonError) as caught:
            await table.execute(verb, fields, identity=world.actors["server_owner"].identity, request_id="req_test")
        assert caught.value.code == "bad_request", verb


@pytest.mark.parametrize("actor", [Actor.VIEWER, Actor.OUTSIDER, Actor.SERVER_OWNER, Actor.NARROW_KEY, Actor.ELSEWHERE_KEY])
async def test_no_list_shows_what_the_caller_may_not_see(actor: Actor):
    world = await fresh_world()
    table = command_table(world.services)
    identity = world.actors[actor.value].identity
    hidden = {
        getattr(world.objects[target], field)
        for target in ("private", "foreign", "deleted")
        for field in ("workspace_id", "document_id", "session_id", "key_id")
    }
    if actor in {Actor.VIEWER, Actor.NARROW_KEY}:
        hidden -= {world.objects["own"].workspace_id, world.objects["own"].document_id}
    for verb in ("workspace_list", "session_list", "key_list", "me", "model_list"):
        shown = str(await table.execute(verb, {}, identity=identity, request_id="req_test"))
        assert not [ident for ident in hidden if ident in shown], verb


def test_the_expectations_of_some_cases_by_name():
    """The generator itself: a slip in it would make the whole matrix agree with a defect."""
    assert expected("document_get", Actor.VIEWER, Target.OWN) == "ok"
    assert expected("document_get", Actor.OWNER, Target.FOREIGN) == "not_found"
    assert expected("document_delete", Actor.VIEWER, Target.OWN) == "forbidden"
    assert expected("document_delete", Actor.NARROW_KEY, Target.OWN) == "forbidden"
    assert expected("document_get", Actor.ELSEWHERE_KEY, Target.OWN) == "not_found"
    assert expected("workspace_delete", Actor.EDITOR, Target.OWN) == "forbidden"
    assert expected("session_get", Actor.OWNER, Target.PRIVATE) == "not_found"
    assert expected("session_get", Actor.EDITOR, Target.PRIVATE) == "ok"
    assert expected("session_update", Actor.OWNER, Target.OWN) == "forbidden"
    assert expected("run_stop", Actor.VIEWER, Target.OWN) == "forbidden"
    assert expected("user_list", Actor.OWNER, Target.OWN) == "forbidden"
    assert expected("me", Actor.REVOKED_KEY, Target.OWN) == "unauthorized"
    assert expected("me", Actor.EXPIRED, Target.OWN) == "token_expired"
