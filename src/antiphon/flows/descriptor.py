"""What a node type is, as pure data: typed ports and a settings schema. The implementation is elsewhere (runs, plug-ins).

Port types: `text`, `number`, `boolean`, `json`, `messages`, `passages`, `stream[text]`, `any`. A `stream[text]` output may
feed a `text` input (the executor waits for its end), a `text` output a `stream[text]` input (a stream of one piece that has
ended); any output may feed `any`, which gets plain data, a stream as its whole text. The rules as code: port_types.py.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

PortType = Literal["text", "number", "boolean", "json", "messages", "passages", "stream[text]", "any"]


class Port(Struct, frozen=True, kw_only=True):
    """`required` is of inputs: an input that is not required gets None when nothing is connected.
    `many`: an input that takes several edges and gets a list, in the order of the edges."""

    name: str
    type: PortType
    required: bool = True
    many: bool = False
    description: str = ""


class NodeDescriptor(Struct, frozen=True, kw_only=True):
    """`settings_schema` is a JSON Schema object of the subset in settings_schema.py; {} takes no settings. `pure`: equal
    inputs give equal outputs (they are kept and given again). `reads_index`: they depend besides on what the asker can find, so
    that they are kept until a document changes. `side_effects`: a run that has started it is never retried by itself.
    `unique`: a flow holds at most one. `output`: what this node gives back is the flow's result; a flow needs one."""

    type: str
    version: int = 1
    label: str = ""
    description: str = ""
    inputs: list[Port] = []
    outputs: list[Port] = []
    settings_schema: dict[str, Any] = {}
    pure: bool = False
    reads_index: bool = False
    side_effects: bool = False
    unique: bool = False
    output: bool = False


class Catalogue:
    """The node types that are known, by (type, version). Built by the composition root; read only afterwards."""

    def __init__(self, descriptors: list[NodeDescriptor]) -> None:
        self._by_key: dict[tuple[str, int], NodeDescriptor] = {}
        for descriptor in descriptors:
            key = (descriptor.type, descriptor.version)
            if key in self._by_key:
                raise ValueError(f"The node type {descriptor.type!r} version {descriptor.version} is registered twice.")
            self._by_key[key] = descriptor

    def find(self, type: str, version: int) -> NodeDescriptor | None:  # noqa: A002
        return self._by_key.get((type, version))

    def __iter__(self):
        return iter(self._by_key.values())
