"""The list of routes and the command table say the same."""

from __future__ import annotations

import msgspec

from antiphon.commands.catalogue import all_commands
from antiphon.commands.table import Right
from antiphon.server.app import FORMS
from antiphon.server.bindings import BINDINGS, SOCKET_ONLY, WITHIN_SOCKETS

COMMANDS = {command.verb: command for command in all_commands()}
BOUND = [binding.verb for binding in BINDINGS if binding.verb is not None]


def test_every_verb_is_bound_or_listed_as_socket_only():
    assert set(COMMANDS) - set(BOUND) <= SOCKET_ONLY | WITHIN_SOCKETS
    assert not set(BOUND) & (SOCKET_ONLY | WITHIN_SOCKETS)


def test_every_binding_has_a_verb_and_no_verb_has_two():
    assert set(BOUND) <= set(COMMANDS)
    assert len(set(BOUND)) == len(BOUND)
    assert len({(binding.method, binding.path) for binding in BINDINGS}) == len(BINDINGS)


def test_what_is_socket_only_is_a_command_frame():
    for verb in SOCKET_ONLY & set(COMMANDS):
        assert COMMANDS[verb].socket, verb
    assert not any(COMMANDS[verb].socket for verb in WITHIN_SOCKETS)


def test_path_parameters_are_fields_of_the_payload():
    for binding in BINDINGS:
        if binding.verb is None:
            continue
        fields = {field.encode_name for field in msgspec.structs.fields(COMMANDS[binding.verb].payload)}
        named = {part[1:-1] for part in binding.path.split("/") if part.startswith("{")}
        assert named <= fields, binding


def test_every_form_has_an_answer_and_only_sign_in_is_open():
    assert {*FORMS, "upload"} == {binding.form for binding in BINDINGS}
    assert {verb for verb, command in COMMANDS.items() if command.right is Right.ANONYMOUS} == {"login", "sign_in"}
