"""Makes the PNG files of a folder smaller: 256 colours, which pages of text do not miss. Called by `make screens`."""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image


def main() -> int:
    for path in sorted(Path(sys.argv[1]).glob("*.png")):
        with Image.open(path) as picture:
            small = picture.convert("RGB").quantize(colors=256, dither=Image.Dither.NONE)
        small.save(path, optimize=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
