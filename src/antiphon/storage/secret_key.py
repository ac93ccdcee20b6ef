"""The file `secret.key` of the data folder: what the keys of model providers are sealed with, unless the settings bring one.

Not part of backups, so that a backup alone opens nothing. Called by the composition root. Tests:
tests/unit/storage/test_secret_key.py.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from antiphon.core.errors import Internal
from antiphon.core.runtime import RandomSource
from antiphon.storage.blobs.files import sync_folder

FILE_NAME: Final = "secret.key"
_SECRET_BYTES: Final = 32


def secret_key(data_dir: Path, configured: str | None, random: RandomSource) -> bytes:
    """The configured secret, else that of the file, which is made when it is missing (mode 600). Raises Internal for a file
    that cannot be read or is too short."""
    if configured is not None:
        return configured.encode()
    path = data_dir / FILE_NAME
    try:
        content = path.read_bytes() if path.exists() else _made(path, random)
    except OSError as error:
        raise Internal(f"The file {str(path)!r}, which stored keys are sealed with, can't be used: {error.strerror}.") from error
    if len(content.strip()) < _SECRET_BYTES:
        raise Internal(f"The file {str(path)!r}, which stored keys are sealed with, is too short. Put the right one back.")
    return content.strip()


def _made(path: Path, random: RandomSource) -> bytes:
    """Whole or not at all: written aside and renamed."""
    content = random.token(_SECRET_BYTES).hex().encode() + b"\n"
    aside = path.with_name(f".{FILE_NAME}.new")
    aside.unlink(missing_ok=True)
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    aside.rename(path)
    sync_folder(path.parent)
    return content
