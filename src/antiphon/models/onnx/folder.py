"""`read_model_folder`: what a model's folder says of itself: pooling, prefixes, languages, where its parts are.

The layout is that of sentence-transformers with an ONNX export (modules.json, 1_Pooling, prompts, tokenizer.json, onnx/model.onnx); a
file `antiphon-model.json` says what such a folder lacks, or says wrong. Nothing is guessed: a folder without its pooling is refused.
Reads files only; heavy libraries are in inference.py. Tests: tests/unit/models/test_model_folder.py.
"""

from __future__ import annotations

import hashlib
import json
import mmap
from pathlib import Path
from typing import Any, Final, cast

from msgspec import Struct

from antiphon.core.errors import BadRequest, Unsupported

OWN_FILE: Final = "antiphon-model.json"
POOLINGS: Final = ("mean", "cls", "max", "lasttoken", "weightedmean", "mean_sqrt_len_tokens")
KNOWN_POOLINGS: Final = ("mean", "cls", "max", "lasttoken")
DEFAULT_TOKENS: Final = 512
_OLD_POOLINGS: Final = {
    "pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls", "pooling_mode_max_tokens": "max",
    "pooling_mode_lasttoken": "lasttoken", "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
}  # fmt: skip
_MODEL_FILES: Final = ("onnx/model.onnx", "model.onnx")
_PIECE_BYTES: Final = 2**20


class ModelFolder(Struct, frozen=True, kw_only=True):
    """`pooling`: one of KNOWN_POOLINGS, or "" for a model that gives whole vectors, or scores. `single`: texts must go in one at a
    time, for dynamic quantisation makes a vector depend on the texts beside it. `revision`: hash of everything that counts."""

    path: str
    name: str
    model_file: str
    pooling: str = ""
    query_prefix: str = ""
    document_prefix: str = ""
    languages: list[str] | None = None
    tokens: int = DEFAULT_TOKENS
    single: bool = False
    revision: str = ""


def read_model_folder(path: Path, *, pooled: bool = True) -> ModelFolder:
    """Blocking: the model's bytes are hashed. `pooled` False: a cross-encoder, which needs no pooling. Raises BadRequest (something
    is missing or broken; the message says what), Unsupported (a kind of model that is not run here)."""
    path = path.expanduser()
    if not path.is_dir():
        raise BadRequest(f"There is no folder {str(path)!r} with a local model.")
    own = _json(path / OWN_FILE)
    model_file = _model_file(path, own)
    if not (path / "tokenizer.json").is_file():
        raise BadRequest(f"The model folder {str(path)!r} has no tokenizer.json; export it together with the model.")
    prompts = cast("dict[str, Any]", _json(path / "config_sentence_transformers.json").get("prompts") or {})
    languages = own.get("languages", _declared_languages(path))
    return ModelFolder(
        path=str(path), name=str(own.get("name") or _name(path)), model_file=model_file,
        pooling=_pooling(path, own) if pooled else "",
        query_prefix=str(own.get("query_prefix", prompts.get("query", ""))),
        document_prefix=str(own.get("document_prefix", prompts.get("document", prompts.get("passage", "")))),
        languages=None if languages is None else [str(code).lower() for code in languages],
        tokens=_tokens(path, own), single=bool(own.get("single", _is_dynamically_quantised(path / model_file))),
        revision=_revision(path, model_file),
    )  # fmt: skip


def is_model_folder(path: Path) -> bool:
    """Whether it looks like an embedding model that could be run: cheap, for looking through a cache."""
    described = (path / "modules.json").is_file() or (path / OWN_FILE).is_file()
    model = any((path / name).is_file() for name in _MODEL_FILES) or any(path.glob("onnx/*.onnx"))
    return described and model and (path / "tokenizer.json").is_file()


def _model_file(path: Path, own: dict[str, Any]) -> str:
    wanted = own.get("model")
    if wanted is not None:
        if Path(str(wanted)).is_absolute() or ".." in Path(str(wanted)).parts or not (path / str(wanted)).is_file():
            raise BadRequest(f"{OWN_FILE} in {str(path)!r} names the model {str(wanted)!r}, which is not in the folder.")
        return str(wanted)
    for name in _MODEL_FILES:
        if (path / name).is_file():
            return name
    others = sorted(found.relative_to(path).as_posix() for found in path.glob("onnx/*.onnx"))
    if len(others) == 1:
        return others[0]
    if others:
        raise BadRequest(
            f"The model folder {str(path)!r} has several models ({', '.join(others)}): name one in {OWN_FILE} as `model`."
        )
    raise BadRequest(f"The model folder {str(path)!r} has no onnx/model.onnx: export the model to ONNX first.")


def _pooling(path: Path, own: dict[str, Any]) -> str:
    if "pooling" in own:
        return _known_pooling(str(own["pooling"]), path)
    modules = _json_list(path / "modules.json")
    place = "1_Pooling"
    for module in modules:
        kind = str(module.get("type", "")).rpartition(".")[2]
        if kind == "Pooling":
            place = str(module.get("path", place))
        elif kind not in {"Transformer", "Normalize"}:
            raise Unsupported(f"The model in {str(path)!r} has a part of kind {kind!r}, which is not run here.")
    config = _json(path / place / "config.json")
    named = config.get("pooling_mode")
    if isinstance(named, str):
        return _known_pooling(named, path)
    chosen = [name for field, name in _OLD_POOLINGS.items() if config.get(field)]
    if len(chosen) == 1:
        return _known_pooling(chosen[0], path)
    what = "does not say how its vectors are pooled" if not chosen else f"pools in several ways at once ({', '.join(chosen)})"
    raise BadRequest(
        f"The model folder {str(path)!r} {what}; that is not guessed. Write it as `pooling` ({', '.join(KNOWN_POOLINGS)}) into "
        f"{OWN_FILE} there."
    )


def _known_pooling(name: str, path: Path) -> str:
    if name not in KNOWN_POOLINGS:
        raise Unsupported(f"The model in {str(path)!r} is pooled by {name!r}; known here are {', '.join(KNOWN_POOLINGS)}.")
    return name


def _tokens(path: Path, own: dict[str, Any]) -> int:
    """The longest input; never more than what both files that speak of it allow."""
    given = [own.get("max_tokens"), _json(path / "sentence_bert_config.json").get("max_seq_length")]
    limits = [int(value) for value in given if isinstance(value, int) and value > 0][:1]
    most = _json(path / "tokenizer_config.json").get("model_max_length")
    if isinstance(most, int) and 0 < most < 10**6:
        limits.append(most)
    return min(limits, default=DEFAULT_TOKENS)


def _declared_languages(path: Path) -> list[str] | None:
    """`language` of the front matter of README.md: one code, or a list in either notation. None: it says nothing, or `multilingual`."""
    try:
        text = (path / "README.md").read_text(encoding="utf-8", errors="replace")[:20_000]
    except OSError:
        return None
    if not text.startswith("---"):
        return None
    found: list[str] = []
    listing = False
    for line in text.split("\n")[1:]:
        if line.startswith("---"):
            break
        if listing and line.lstrip().startswith("- "):
            found.append(line.strip()[2:])
            continue
        listing = False
        name, _, value = line.partition(":")
        if name.strip() in {"language", "languages"} and not line.startswith(" "):
            listing = not value.strip()
            found += [part for part in value.strip(" []").split(",") if part.strip()]
    codes = [code.strip(" '\"").lower() for code in found]
    return None if not codes or "multilingual" in codes else codes


def _is_dynamically_quantised(model: Path) -> bool:
    with model.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(b"DynamicQuantizeLinear") >= 0


def _revision(path: Path, model_file: str) -> str:
    """Of the model, its outer data and the tokenizer; prefixes and pooling are part of the space beside it."""
    digest = hashlib.sha256()
    for name in (model_file, f"{model_file}_data", f"{model_file}.data", "tokenizer.json"):
        part = path / name
        if part.is_file():
            digest.update(name.encode())
            with part.open("rb") as file:
                while piece := file.read(_PIECE_BYTES):
                    digest.update(piece)
    return digest.hexdigest()[:24]


def _name(path: Path) -> str:
    """The repository's name for a folder of a hub cache, else the folder's."""
    for part in path.parts:
        if part.startswith("models--"):
            return part.removeprefix("models--").replace("--", "/")
    return path.name


def _json(file: Path) -> dict[str, Any]:
    value = _read(file)
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _json_list(file: Path) -> list[dict[str, Any]]:
    value = _read(file)
    return (
        [cast("dict[str, Any]", entry) for entry in cast("list[Any]", value) if isinstance(entry, dict)]
        if isinstance(value, list)
        else []
    )


def _read(file: Path) -> Any:
    """None: there is no such file."""
    try:
        return json.loads(file.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise BadRequest(f"{str(file)!r} can't be read: {error}.") from None
