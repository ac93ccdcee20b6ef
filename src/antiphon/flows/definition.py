"""A flow as it is saved: nodes, edges, and nothing that runs. JSON Schema: `definition_schema()` in schema.py.

Identity of a node is its id inside the flow; a saved flow names type *and* version of each node, and an unknown one
loads as a "missing node" problem of `validate`, never as a broken file.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct


class Retry(Struct, frozen=True, kw_only=True):
    """`attempts` counts all tries (1: no retry); the pause before try n is `pause_s * 2**(n - 2)`. A node that has
    already written to a stream is never tried again."""

    attempts: int = 1
    pause_s: float = 0.5


class NodeDefinition(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`timeout_s` None: the run's own limit. `position` is the editor's, in canvas pixels."""

    id: str
    type: str
    version: int = 1
    label: str = ""
    settings: dict[str, Any] = {}
    timeout_s: float | None = None
    retry: Retry = Retry()
    position: tuple[float, float] | None = None


class PortRef(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    node: str
    port: str


class EdgeDefinition(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    source: PortRef
    target: PortRef


class FlowDefinition(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`format` is the version of this file format."""

    format: int = 1
    name: str = ""
    nodes: list[NodeDefinition] = []
    edges: list[EdgeDefinition] = []
