"""The description is valid OpenAPI 3.1 as far as we use it, complete, and self-contained."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from antiphon.commands.catalogue import all_commands
from antiphon.commands.table import CommandTable, Right
from antiphon.server.answers import ANSWERS
from antiphon.server.api_page import render_api_page
from antiphon.server.bindings import API, BINDINGS
from antiphon.server.openapi import openapi_document

TABLE: CommandTable[Any] = CommandTable(all_commands(), services=None, memberships=None)  # type: ignore[arg-type]
DOCUMENT = msgspec.json.decode(msgspec.json.encode(openapi_document(TABLE, BINDINGS)))


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    return [(path, method, operation) for path, methods in DOCUMENT["paths"].items() for method, operation in methods.items()]


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if "$ref" in value else set()
        return own.union(*(references(inner) for inner in value.values()))
    return set().union(*(references(inner) for inner in value)) if isinstance(value, list) else set()


def test_every_binding_is_described_once():
    assert {(path, method.upper()) for path, method, _ in operations()} == {(API + b.path, b.method) for b in BINDINGS}
    names = [operation["operationId"] for _, _, operation in operations()]
    assert len(set(names)) == len(names)


def test_every_reference_leads_somewhere():
    for reference in references(DOCUMENT):
        found: Any = DOCUMENT
        for step in reference.removeprefix("#/").split("/"):
            assert step in found, reference
            found = found[step]


@pytest.mark.parametrize(("path", "method", "operation"), operations(), ids=lambda value: value if isinstance(value, str) else "")
def test_an_operation_is_well_formed(path, method, operation):
    assert operation["summary"].endswith(".")
    placed = {p["name"]: p for p in operation.get("parameters", []) if p["in"] == "path"}
    assert set(placed) == set(re.findall(r"{(\w+)}", path))
    assert all(parameter["required"] and parameter["schema"] for parameter in placed.values())
    assert all(p["in"] in {"path", "query"} for p in operation.get("parameters", []))
    if method in {"get", "delete"}:
        assert "requestBody" not in operation
    successes = [status for status in operation["responses"] if status < "400"]
    assert successes
    assert all("description" in r or "$ref" in r for r in operation["responses"].values())
    assert {"422", "500"} <= set(operation["responses"])


def test_bodies_refuse_what_is_not_named_and_leave_out_the_path():
    body = DOCUMENT["paths"]["/api/v1/workspaces/{workspace_id}/search"]["post"]["requestBody"]
    schema = body["content"]["application/json"]["schema"]
    assert schema["additionalProperties"] is False
    assert schema["required"] == ["query"]
    assert "workspace_id" not in schema["properties"]
    upload = DOCUMENT["paths"]["/api/v1/workspaces/{workspace_id}/documents"]["post"]["requestBody"]["content"]
    assert upload["multipart/form-data"]["schema"]["required"] == ["file"]


def test_only_open_verbs_go_without_credentials():
    open_ = {operation["operationId"] for _, _, operation in operations() if operation.get("security") == []}
    assert open_ == {command.verb for command in all_commands() if command.right is Right.ANONYMOUS}


def test_described_answers_are_of_verbs_that_exist():
    assert set(ANSWERS) <= {binding.verb for binding in BINDINGS} | {"command"}


def test_the_page_needs_nothing_from_elsewhere_and_escapes():
    page = render_api_page(DOCUMENT)
    assert not re.findall(r"(?:src|href)=\"(?!/|#)", page)
    assert "<script" not in page
    assert "style=" not in page
    for binding in BINDINGS:
        assert f"{API}{binding.path}" in page
    document = {**DOCUMENT, "paths": {"/x": {"get": {**operations()[0][2], "summary": "<b>&"}}}}
    assert "&lt;b&gt;&amp;" in render_api_page(document)
