"""Compiles constraints.txt from pyproject.toml: pins for runtime and development, without any index's address.

Called by `make constraints`. The file's present pins are kept where they still fit; `--upgrade` takes newer ones.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
HEADER = (
    "# Every runtime and development dependency at the version the tests ran with (Python 3.11 to 3.13).\n"
    "# Made by: make constraints. Ranges are in pyproject.toml.\n"
)
OPTIONS = (
    "--quiet", "--extra", "dev", "--strip-extras", "--no-header", "--no-annotate", "--no-emit-index-url",
    "--no-emit-find-links", "--no-emit-trusted-host",
)  # fmt: skip


def main() -> int:
    present = ROOT / "constraints.txt"
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "constraints.txt"
        if present.exists():
            shutil.copyfile(present, output)
        command = [sys.executable, "-m", "piptools", "compile", *OPTIONS, *sys.argv[1:], "-o", str(output), "pyproject.toml"]
        code = subprocess.run(command, cwd=ROOT, check=False, stdout=subprocess.DEVNULL).returncode
        if code:
            return code
        pins = [line for line in output.read_text().splitlines() if re.match(r"[a-z0-9]", line, re.IGNORECASE)]
    present.write_text(HEADER + "\n".join(pin for pin in pins if not pin.startswith("wheel==")) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
