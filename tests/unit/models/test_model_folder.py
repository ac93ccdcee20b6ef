"""What a model's folder says of itself: both notations of pooling, prompts, languages, and that nothing is guessed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from antiphon.core.errors import BadRequest, Unsupported
from antiphon.models.onnx.folder import is_model_folder, read_model_folder
from antiphon.testing.onnx_models import make_cross_encoder, make_encoder


def own(folder: Path, **fields: Any) -> None:
    (folder / "antiphon-model.json").write_text(json.dumps(fields))


@pytest.mark.parametrize("notation", ["old", "new"])
@pytest.mark.parametrize("pooling", ["mean", "cls", "max"])
def test_both_notations_of_pooling(tmp_path: Path, notation: str, pooling: str) -> None:
    found = read_model_folder(make_encoder(tmp_path / "m", pooling=pooling, notation=notation))
    assert (found.pooling, found.tokens, found.single) == (pooling, 128, False)


def test_pooling_is_never_guessed(tmp_path: Path) -> None:
    folder = make_encoder(tmp_path / "m", pooling=None)
    with pytest.raises(BadRequest, match="does not say how its vectors are pooled; that is not guessed"):
        read_model_folder(folder)
    (folder / "1_Pooling").mkdir()
    both = {"pooling_mode_mean_tokens": True, "pooling_mode_max_tokens": True}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(both))
    with pytest.raises(BadRequest, match="several ways at once"):
        read_model_folder(folder)
    own(folder, pooling="cls")
    assert read_model_folder(folder).pooling == "cls"
    own(folder, pooling="weightedmean")
    with pytest.raises(Unsupported, match="weightedmean"):
        read_model_folder(folder)
    assert read_model_folder(make_cross_encoder(tmp_path / "c"), pooled=False).pooling == ""


def test_parts_that_are_not_run_are_refused(tmp_path: Path) -> None:
    folder = make_encoder(tmp_path / "m")
    modules = json.loads((folder / "modules.json").read_text())
    (folder / "modules.json").write_text(
        json.dumps([*modules, {"type": "sentence_transformers.models.Dense", "path": "2_Dense"}])
    )
    with pytest.raises(Unsupported, match="'Dense'"):
        read_model_folder(folder)


def test_prompts_languages_and_own_words(tmp_path: Path) -> None:
    readme = "---\nlanguage:\n- en\n- zh\nlicense: mit\n---\n# x\n"
    folder = make_encoder(tmp_path / "m", prompts={"query": "query: ", "passage": "passage: "}, readme=readme)
    found = read_model_folder(folder)
    assert (found.query_prefix, found.document_prefix, found.languages) == ("query: ", "passage: ", ["en", "zh"])
    own(folder, query_prefix="q ", languages=["zh"], max_tokens=64, name="mine")
    found = read_model_folder(folder)
    assert (found.query_prefix, found.languages, found.tokens, found.name) == ("q ", ["zh"], 64, "mine")
    for text, wanted in (("---\nlanguage: en\n---", ["en"]), ("---\nlanguage: [en, de]\n---", ["en", "de"]),
                         ("---\nlanguage: multilingual\n---", None), ("# nothing", None)):  # fmt: skip
        (folder / "README.md").write_text(text)
        (folder / "antiphon-model.json").write_text("{}")
        assert read_model_folder(folder).languages == wanted, text


def test_dynamic_quantisation_is_seen_and_the_revision_is_of_the_files(tmp_path: Path) -> None:
    plain, quantised = make_encoder(tmp_path / "a"), make_encoder(tmp_path / "b", quantised=True)
    assert read_model_folder(quantised).single
    assert read_model_folder(plain).revision != read_model_folder(quantised).revision
    assert read_model_folder(plain).revision == read_model_folder(make_encoder(tmp_path / "c")).revision


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="There is no folder"):
        read_model_folder(tmp_path / "nowhere")
    folder = make_encoder(tmp_path / "m")
    assert is_model_folder(folder)
    (folder / "onnx" / "model.onnx").rename(folder / "onnx" / "model_a.onnx")
    assert read_model_folder(folder).model_file == "onnx/model_a.onnx"
    (folder / "onnx" / "model_b.onnx").write_bytes(b"x")
    with pytest.raises(BadRequest, match="several models"):
        read_model_folder(folder)
    own(folder, model="../../etc/passwd")
    with pytest.raises(BadRequest, match="not in the folder"):
        read_model_folder(folder)
    own(folder, model="onnx/model_a.onnx")
    (folder / "tokenizer.json").unlink()
    with pytest.raises(BadRequest, match=r"no tokenizer\.json"):
        read_model_folder(folder)
    assert not is_model_folder(folder)
    (folder / "antiphon-model.json").write_text("{broken")
    with pytest.raises(BadRequest, match="can't be read"):
        read_model_folder(folder)
