"""Which output may feed which input, and which value fits a port. Pure; used by validate.py and by the executor.

Tests: tests/unit/flows/test_port_types.py.
"""

from __future__ import annotations

from typing import Any, Final

from antiphon.flows.descriptor import PortType

_PLAIN: Final[dict[str, tuple[type, ...]]] = {
    "text": (str,),
    "stream[text]": (str,),  # a node may give a whole text back for a stream port it never opened
    "number": (int, float),
    "boolean": (bool,),
    "messages": (list,),
    "passages": (list,),
}
_TEXTS: Final[frozenset[PortType]] = frozenset(("text", "stream[text]"))


def may_feed(source: PortType, target: PortType) -> bool:
    """Whether an edge may lead from an output of type `source` into an input of type `target`."""
    return target in ("any", source) or (source in _TEXTS and target in _TEXTS)


def fits(port_type: PortType, value: Any) -> bool:
    """Whether `value` may be set on an output of this type. None fits `json` and `any` only; lists are not looked into."""
    if port_type == "number" and isinstance(value, bool):
        return False
    return port_type not in _PLAIN or isinstance(value, _PLAIN[port_type])
