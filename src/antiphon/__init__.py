"""Antiphon: a self-hosted assistant that answers questions over a team's own documents, live.

Nothing happens on import; `antiphon.cli.main:run` is the program, `antiphon.client` the Python client.
"""

__version__ = "0.1.0"
