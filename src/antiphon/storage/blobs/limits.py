"""The errors that all blob stores raise alike. For storage/blobs only."""

from __future__ import annotations

from antiphon.core.errors import NotFound, TooLarge


def too_large(max_bytes: int) -> TooLarge:
    return TooLarge(
        f"The file is larger than {max_bytes} bytes; send a smaller one, or raise ANTIPHON_LIMITS_UPLOAD_BYTES.",
        data={"max_bytes": max_bytes},
    )


def missing(sha256: str) -> NotFound:
    return NotFound(f"There is no original file {sha256!r}.")
