"""Plug-ins: hook specifications and the loader. Imports contracts only. Guide for authors: docs/subsystems/plugins.md."""

from antiphon.plugins.hooks import hookimpl
from antiphon.plugins.manager import PluginProblem, Plugins, load_plugins

__all__ = ["PluginProblem", "Plugins", "hookimpl", "load_plugins"]
