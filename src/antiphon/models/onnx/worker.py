"""The process of a local model: `python -m antiphon.models.onnx.worker`, started by process.py and by nobody else.

Frames on stdin and stdout: four bytes of length, then msgpack. It leaves when stdin ends. Low priority; memory bounded by the kernel
where it can be. Tests: tests/integration/test_local_models.py.
"""

from __future__ import annotations

import os
import resource
import struct
import sys
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from antiphon.core.errors import AntiphonError
from antiphon.models.onnx.inference import OnnxModel
from antiphon.models.onnx.wire import MOST_FRAME_BYTES, Failed, Open, Opened, Request, Scored, Vectorise, Vectorised

LENGTH: Final = struct.Struct("<I")
_NICENESS: Final = 10
_REPLIES: Final = msgspec.msgpack.Encoder()
_REQUESTS: Final = msgspec.msgpack.Decoder(Request)


def main() -> None:
    os.nice(_NICENESS)
    incoming, outgoing = sys.stdin.buffer, os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints must not get between the frames
    model: OnnxModel | None = None
    while (frame := _read(incoming)) is not None:
        request = _REQUESTS.decode(frame)
        try:
            if isinstance(request, Open):
                _bound(request.memory_bytes)
                model = OnnxModel(request.folder)
                dimension = model.vectors(["Antiphon"])[0] if request.pooled else 0
                reply: object = Opened(dimension=dimension, languages=model.languages())
            elif model is None:
                reply = Failed(code="internal", message="The model was not opened.")
            elif isinstance(request, Vectorise):
                dimension, data = model.vectors(request.texts)
                reply = Vectorised(dimension=dimension, data=data, rss_bytes=_rss_bytes())
            else:
                reply = Scored(scores=model.scores(request.query, request.texts), rss_bytes=_rss_bytes())
        except AntiphonError as error:
            reply = Failed(code=error.code, message=error.message)
        except MemoryError:
            reply = Failed(code="too_large", message="The local model needs more memory than ANTIPHON_EMBED_MEMORY_BYTES allows.")
        except Exception as error:  # noqa: BLE001 - the boundary of the process: it becomes a reply
            reply = Failed(code="model_error", message=f"The local model failed: {str(error)[:300]}")
        body = _REPLIES.encode(reply)
        outgoing.write(LENGTH.pack(len(body)) + body)
        outgoing.flush()


def _read(incoming: BinaryIO) -> bytes | None:
    """None: the server is gone, or talks nonsense."""
    prefix = incoming.read(LENGTH.size)
    if len(prefix) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(prefix)
    if length > MOST_FRAME_BYTES:
        return None
    body = incoming.read(length)
    return body if len(body) == length else None


def _bound(memory_bytes: int) -> None:
    if sys.platform == "linux":
        with suppress(ValueError, OSError):  # a lower hard limit is in force already
            resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))


def _rss_bytes() -> int:
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return pages * resource.getpagesize()
    except (OSError, ValueError, IndexError):
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024


if __name__ == "__main__":
    main()
