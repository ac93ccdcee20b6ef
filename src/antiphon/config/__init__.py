"""One frozen settings tree: every field has a default, a unit, an environment name and a sentence. See settings.py."""

from antiphon.config.settings import Settings, load_settings

__all__ = ["Settings", "load_settings"]
