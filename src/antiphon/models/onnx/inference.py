"""`OnnxModel`: texts -> vectors or scores, by onnxruntime and tokenizers. In the process of worker.py only.

Tests: tests/integration/test_local_models.py.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from antiphon.core.errors import BadRequest, Unsupported
from antiphon.core.lazy_module import LazyModule
from antiphon.models.onnx.folder import ModelFolder

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
else:
    np = LazyModule("numpy")

BATCH: Final = 8
_FED: Final = frozenset({"input_ids", "attention_mask", "token_type_ids"})
CHINESE_SAMPLE: Final = "这份合同的有效期是三年，双方可以在到期之前的六十天内书面提出续约。"
UNKNOWN_SHARE: Final = 0.1
"""A tokenizer that does not know more of a Chinese sentence than this belongs to a model that never learnt Chinese."""


class OnnxModel:
    """Raises BadRequest for files that can't be loaded, Unsupported for inputs or outputs of another kind."""

    def __init__(self, folder: ModelFolder) -> None:
        runtime: Any = importlib.import_module("onnxruntime")  # without types, and 0.2 s to load: in the worker only
        tokenizers: Any = importlib.import_module("tokenizers")
        self._folder = folder
        try:
            self._tokenizer: Any = tokenizers.Tokenizer.from_file(f"{folder.path}/tokenizer.json")
            options: Any = runtime.SessionOptions()
            options.intra_op_num_threads = max(1, (os.cpu_count() or 2) // 2)
            options.inter_op_num_threads = 1
            options.log_severity_level = 4
            self._session: Any = runtime.InferenceSession(
                f"{folder.path}/{folder.model_file}", options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            raise BadRequest(f"The model in {folder.path!r} can't be loaded: {str(error)[:300]}") from error
        self._inputs = [str(each.name) for each in self._session.get_inputs()]
        unknown = sorted(set(self._inputs) - _FED)
        if unknown or "input_ids" not in self._inputs:
            raise Unsupported(f"The model in {folder.path!r} wants {', '.join(unknown) or 'no input_ids'}: not run here.")
        self._output = self._chosen_output()
        self._tokenizer.enable_truncation(max_length=folder.tokens)
        self._pad()

    def languages(self) -> list[str] | None:
        """Those declared; else whether the tokenizer knows Chinese at all (None: nothing speaks against any)."""
        if self._folder.languages is not None:
            return self._folder.languages
        encoding = self._tokenizer.encode(CHINESE_SAMPLE, add_special_tokens=False)
        unknown = self._tokenizer.token_to_id("[UNK]")
        unknown = self._tokenizer.token_to_id("<unk>") if unknown is None else unknown
        share = encoding.ids.count(unknown) / max(1, len(encoding.ids)) if unknown is not None else 0.0
        return ["en"] if share > UNKNOWN_SHARE else None

    def vectors(self, texts: Sequence[str]) -> tuple[int, bytes]:
        """(dimension, float32 rows of length 1)."""
        rows = self._in_batches([(text,) for text in texts], self._pooled)
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        if not np.isfinite(norms).all() or (norms == 0).any():
            raise BadRequest(f"The model in {self._folder.path!r} gave a vector that is zero or no number.")
        return int(rows.shape[1]), (rows / norms).astype("<f4").tobytes()

    def scores(self, query: str, texts: Sequence[str]) -> list[float]:
        """A cross-encoder's: of two classes the second one's advantage."""
        rows = self._in_batches([(query, text) for text in texts], _as_rows)
        if rows.shape[1] not in {1, 2}:
            raise Unsupported(f"The reranker in {self._folder.path!r} has {rows.shape[1]} classes: 1 or 2 are known here.")
        found = rows[:, 0] if rows.shape[1] == 1 else rows[:, 1] - rows[:, 0]
        return [float(score) for score in found]

    def _in_batches(self, inputs: Sequence[tuple[str, ...]], pooled: Any) -> npt.NDArray[np.float32]:
        """Long and short texts are not padded to each other: sorted by length, given back in order."""
        encodings: list[Any] = [self._tokenizer.encode(*each) for each in inputs]
        # Encoded one by one, so that padding is this batch's and not that of all.
        order = sorted(range(len(inputs)), key=lambda n: sum(encodings[n].attention_mask))
        size = 1 if self._folder.single else BATCH
        found: list[Any] = [None] * len(inputs)
        for start in range(0, len(order), size):
            chosen = order[start : start + size]
            rows = self._run([encodings[n] for n in chosen], pooled)
            for n, row in zip(chosen, rows, strict=True):
                found[n] = row
        stacked: npt.NDArray[np.float32] = np.stack(found).astype(np.float32)
        return stacked

    def _run(self, encodings: list[Any], pooled: Any) -> Any:
        length = max(1, *(len(encoding.ids) for encoding in encodings))

        def padded(field: str, filler: int) -> npt.NDArray[np.int64]:
            array = np.full((len(encodings), length), filler, np.int64)
            for n, encoding in enumerate(encodings):
                values = getattr(encoding, field)
                array[n, : len(values)] = values
            return array

        mask = padded("attention_mask", 0)
        all_inputs = {"input_ids": padded("ids", self._pad_id), "attention_mask": mask, "token_type_ids": padded("type_ids", 0)}
        fed = {name: all_inputs[name] for name in self._inputs}  # token_type_ids only where the model asks for them
        (output,) = self._session.run([self._output], fed)
        return pooled(output, mask)

    def _pooled(self, output: Any, mask: npt.NDArray[np.int64]) -> Any:
        if output.ndim == 2:
            return output
        pooling = self._folder.pooling
        if pooling == "cls":
            return output[:, 0]
        weights = mask[:, :, None].astype(np.float32)
        if pooling == "mean":
            return (output * weights).sum(axis=1) / np.maximum(weights.sum(axis=1), 1e-9)
        if pooling == "max":
            return np.where(weights > 0, output, -np.inf).max(axis=1)
        return output[np.arange(len(output)), np.maximum(mask.sum(axis=1) - 1, 0)]

    def _chosen_output(self) -> str:
        """`sentence_embedding` where the export has it (pooled inside), else the tokens' vectors, else the only one."""
        names = [str(each.name) for each in self._session.get_outputs()]
        for name in ("sentence_embedding", "logits", "last_hidden_state", "token_embeddings"):
            if name in names:
                return name
        if len(names) == 1:
            return names[0]
        raise Unsupported(f"The model in {self._folder.path!r} gives {', '.join(names)}: none of them is known here.")

    def _pad(self) -> None:
        padding: Any = self._tokenizer.padding
        found: Any = None if not padding else padding.get("pad_id")
        for name in ("[PAD]", "<pad>"):
            found = self._tokenizer.token_to_id(name) if found is None else found
        self._pad_id = int(found or 0)
        self._tokenizer.no_padding()


def _as_rows(output: Any, _mask: Any) -> Any:
    return output.reshape(len(output), -1)
