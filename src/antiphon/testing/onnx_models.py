"""Tiny ONNX models in the layout of sentence-transformers, made on the spot: for tests of local models. Needs `onnx`.

The encoder's token vectors are rows of a random, seeded table, so a text's vector is the mean of its words': words it shares with a
question make it near. The cross-encoder counts the words of the question that the text holds.
"""

from __future__ import annotations

import importlib
import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

WORDS: Final = [
    "the",
    "a",
    "is",
    "in",
    "where",
    "of",
    "red",
    "blue",
    "car",
    "automobile",
    "garage",
    "doctor",
    "physician",
    "report",
    "list",
    "number",
    "cat",
    "dog",
    "two",
    "years",
    "warranty",
    "pump",
    "valve",
    "nothing",
    "it",
    "sat",
    "writes",
    "long",
    "about",
    "patient",
]
CHARACTERS: Final = "产品的保修期是两年水泵每五百小时维护一次这份合同有效三双方可以在到之前六十天内书面提出续约。，"


def make_encoder(
    folder: Path, *, dimension: int = 32, pooling: str | None = "mean", notation: str = "old", chinese: bool = True,
    token_types: bool = True, prompts: dict[str, str] | None = None, readme: str | None = None, quantised: bool = False,
) -> Path:  # fmt: skip
    """`notation`: of the pooling, `old` (flags) or `new` (a name). `quantised`: with dynamic quantisation inside."""
    vocabulary = _tokenizer(folder, chinese=chinese)
    _encoder_graph(folder / "onnx" / "model.onnx", len(vocabulary), dimension, token_types=token_types, quantised=quantised)
    modules = [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}]
    if pooling is not None:
        modules.append({"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"})
        (folder / "1_Pooling").mkdir(exist_ok=True)
        flags = {f"pooling_mode_{name}": False for name in ("cls_token", "mean_tokens", "max_tokens")}
        old = {**flags, f"pooling_mode_{pooling}_{'token' if pooling == 'cls' else 'tokens'}": True}
        config = {"word_embedding_dimension": dimension, **(old if notation == "old" else {"pooling_mode": pooling})}
        (folder / "1_Pooling" / "config.json").write_text(json.dumps(config))
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 128}))
    if prompts is not None:
        (folder / "config_sentence_transformers.json").write_text(json.dumps({"prompts": prompts}))
    if readme is not None:
        (folder / "README.md").write_text(readme)
    return folder


def make_cross_encoder(folder: Path) -> Path:
    """The score is how many tokens of the first text are among those of the second."""
    vocabulary = _tokenizer(folder, chinese=True)
    onnx, helper, tensor = _onnx()
    integers, floats = tensor.INT64, tensor.FLOAT
    size = len(vocabulary)
    nodes = [
        helper.make_node("OneHot", ["input_ids", "depth", "values"], ["hot"], axis=-1),
        helper.make_node("Cast", ["token_type_ids"], ["types"], to=floats),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=floats),
        helper.make_node("Sub", ["one", "types"], ["first_type"]),
        helper.make_node("Mul", ["first_type", "mask"], ["first_weight"]),
        helper.make_node("Mul", ["types", "mask"], ["second_weight"]),
        *_weighted_sum(helper, "first_weight", "first"), *_weighted_sum(helper, "second_weight", "second"),
        helper.make_node("Min", ["first", "one"], ["first_set"]), helper.make_node("Min", ["second", "one"], ["second_set"]),
        helper.make_node("Mul", ["first_set", "second_set"], ["both_all"]), helper.make_node("Mul", ["both_all", "real"], ["both"]),
        helper.make_node("ReduceSum", ["both", "last"], ["logits"], keepdims=1),
    ]  # fmt: skip
    real = [0.0 if n < 4 else 1.0 for n in range(size)]
    constants = [
        helper.make_tensor("depth", integers, [1], [size]), helper.make_tensor("values", floats, [2], [0.0, 1.0]),
        helper.make_tensor("one", floats, [1], [1.0]), helper.make_tensor("real", floats, [size], real),
        helper.make_tensor("last", integers, [1], [1]), helper.make_tensor("second_axis", integers, [1], [2]),
        helper.make_tensor("tokens_axis", integers, [1], [1]),
    ]  # fmt: skip
    inputs = [
        helper.make_tensor_value_info(n, integers, ["batch", "tokens"]) for n in ("input_ids", "attention_mask", "token_type_ids")
    ]
    graph = helper.make_graph(nodes, "cross", inputs, [helper.make_tensor_value_info("logits", floats, ["batch", 1])], constants)
    _save(onnx, helper, graph, folder / "onnx" / "model.onnx")
    return folder


def _weighted_sum(helper: Any, weight: str, name: str) -> list[Any]:
    return [
        helper.make_node("Unsqueeze", [weight, "second_axis"], [f"{name}_w"]),
        helper.make_node("Mul", ["hot", f"{name}_w"], [f"{name}_hot"]),
        helper.make_node("ReduceSum", [f"{name}_hot", "tokens_axis"], [name], keepdims=0),
    ]


def _encoder_graph(path: Path, size: int, dimension: int, *, token_types: bool, quantised: bool) -> None:
    onnx, helper, tensor = _onnx()
    table = [_noise(n) for n in range(size * dimension)]
    nodes = [helper.make_node("Gather", ["table", "input_ids"], ["looked_up" if quantised else "last_hidden_state"])]
    constants = [helper.make_tensor("table", tensor.FLOAT, [size, dimension], table)]
    if quantised:  # the scale is that of the whole batch, and one loud word takes it for itself: a vector feels its mates
        loud = (4 + WORDS.index("doctor")) * dimension
        table[loud : loud + dimension] = [60.0 * value for value in table[loud : loud + dimension]]
        constants = [helper.make_tensor("table", tensor.FLOAT, [size, dimension], table)]
        nodes += [
            helper.make_node("DynamicQuantizeLinear", ["looked_up"], ["q", "scale", "zero"]),
            helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["last_hidden_state"]),
        ]
    names = ["input_ids", "attention_mask", *(["token_type_ids"] if token_types else [])]
    inputs = [helper.make_tensor_value_info(name, tensor.INT64, ["batch", "tokens"]) for name in names]
    output = helper.make_tensor_value_info("last_hidden_state", tensor.FLOAT, ["batch", "tokens", dimension])
    _save(onnx, helper, helper.make_graph(nodes, "encoder", inputs, [output], constants), path)


def _noise(n: int) -> float:
    return zlib.crc32(f"seed-{n}".encode()) / 2**31 - 1.0


def _tokenizer(folder: Path, *, chinese: bool) -> dict[str, int]:
    tokenizers: Any = importlib.import_module("tokenizers")
    folder.mkdir(parents=True, exist_ok=True)
    words: Sequence[str] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS, *(dict.fromkeys(CHARACTERS) if chinese else [])]
    vocabulary = {word: n for n, word in enumerate(words)}
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="[UNK]"))  # noqa: S106 - a token of text
    made.normalizer = tokenizers.normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    made.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    made.save(str(folder / "tokenizer.json"))
    return vocabulary


def _onnx() -> tuple[Any, Any, Any]:
    onnx: Any = importlib.import_module("onnx")
    return onnx, onnx.helper, onnx.TensorProto


def _save(onnx: Any, helper: Any, graph: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
