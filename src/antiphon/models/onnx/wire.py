"""What the server and the process of a local model say to each other. Tests: tests/integration/test_local_models.py."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from antiphon.models.onnx.folder import ModelFolder

MOST_FRAME_BYTES: Final = 2**28


class Open(Struct, tag=True):
    folder: ModelFolder
    memory_bytes: int
    pooled: bool


class Vectorise(Struct, tag=True):
    texts: list[str]


class Rank(Struct, tag=True):
    query: str
    texts: list[str]


class Opened(Struct, tag=True):
    dimension: int
    languages: list[str] | None


class Vectorised(Struct, tag=True):
    dimension: int
    data: bytes
    rss_bytes: int


class Scored(Struct, tag=True):
    scores: list[float]
    rss_bytes: int


class Failed(Struct, tag=True):
    code: str
    message: str


Request = Open | Vectorise | Rank
Reply = Opened | Vectorised | Scored | Failed
