"""`LazyModule`: a third-party module that is imported at its first use: for libraries that take long to load and few need.

    if TYPE_CHECKING:
        import numpy as np
    else:
        np = LazyModule("numpy")

Tests: tests/unit/core/test_lazy_module.py.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any


class LazyModule:
    """Stands for the module; raises ImportError at first use when it is not installed."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._module: ModuleType | None = None

    def __getattr__(self, attribute: str) -> Any:
        if self._module is None:
            self._module = importlib.import_module(self._name)
        return getattr(self._module, attribute)
