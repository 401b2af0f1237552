"""A sentence embedding model on ONNX Runtime: tokens in, unit vectors out. Imports what is heavy when it is loaded."""

from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from app.core.embedding import EmbedderUnavailable, TextVector
from app.embedders.files import ModelFiles

if TYPE_CHECKING:
    import tokenizers

MOST_TOKENS = 256
"""As sentence-transformers has it for all-MiniLM-L6-v2: what stands behind was not trained on."""

_MOST_CHARACTERS = MOST_TOKENS * 40  # of a text that are given to the tokenizer: far more than its tokens can hold
_MOST_PADDED = 512  # tokens of one batch, with what fills the shorter texts up: about 150 ms
_MOST_TEXTS = 8


class Model:
    """A loaded model. Not safe for several threads.

    Attributes:
        name: of the weights, by their content, and the length of the vectors.
    """

    def __init__(self, name: str, session: Any, tokenizer: "tokenizers.Tokenizer") -> None:
        self.name = name
        self._session = session
        self._inputs = {each.name for each in session.get_inputs()}
        self._tokenizer = tokenizer

    def vectors(self, texts: Sequence[str]) -> Iterator[tuple[list[int], list[TextVector] | EmbedderUnavailable]]:
        """The vectors of `texts`, in batches of similar length: the places in `texts`, and their vectors or what failed."""
        encodings = [self._tokenizer.encode(text[:_MOST_CHARACTERS]) for text in texts]
        by_length = sorted(range(len(texts)), key=lambda place: len(encodings[place].ids))
        while by_length:
            batch = [by_length.pop(0)]
            while by_length and len(batch) < _MOST_TEXTS:
                if len(encodings[by_length[0]].ids) * (len(batch) + 1) > _MOST_PADDED:
                    break
                batch.append(by_length.pop(0))
            yield (
                batch,
                self._batch([encodings[at] for at in batch], [len(texts[at]) > _MOST_CHARACTERS for at in batch]),
            )

    def _batch(self, encodings: Sequence[Any], cut: Sequence[bool]) -> list[TextVector] | EmbedderUnavailable:
        import numpy as np

        longest = max(len(each.ids) for each in encodings)
        ids = np.zeros((len(encodings), longest), np.int64)
        mask = np.zeros_like(ids)
        for row, each in enumerate(encodings):
            ids[row, : len(each.ids)] = each.ids
            mask[row, : len(each.ids)] = 1
        given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        try:
            hidden = self._session.run(None, {name: given[name] for name in self._inputs})[0]
        except Exception as exc:  # ONNX Runtime's errors have no base of their own
            return EmbedderUnavailable(f"the local embedder failed: {exc}")
        # The mean over the tokens that are none of the padding, of length 1: as the model's card prescribes.
        mean = (hidden * mask[..., None]).sum(axis=1) / mask.sum(axis=1)[:, None]
        unit = (mean / np.linalg.norm(mean, axis=1, keepdims=True)).astype("<f4")
        return [
            TextVector(row.tobytes(), truncated=was_cut or bool(each.overflowing))
            for row, each, was_cut in zip(unit, encodings, cut, strict=True)
        ]


def load_model(files: ModelFiles, threads: int) -> Model:
    """Load the files; takes about half a second.

    Raises:
        EmbedderUnavailable: they cannot be loaded, or are of another kind of model.
    """
    import onnxruntime
    import tokenizers

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    try:
        weights = files.model.read_bytes()
        session = onnxruntime.InferenceSession(weights, options, providers=["CPUExecutionProvider"])
        tokenizer = tokenizers.Tokenizer.from_file(str(files.tokenizer))
    except Exception as exc:  # both raise bare exceptions of their own
        raise EmbedderUnavailable(f"the local embedder cannot load {str(files.model.parent)!r}: {exc}") from exc
    tokenizer.no_padding()
    tokenizer.enable_truncation(MOST_TOKENS)
    shape = session.get_outputs()[0].shape
    if len(shape) != 3 or not isinstance(shape[2], int):
        raise EmbedderUnavailable(f"the local embedder's model gives no vector for each token: {str(files.model)!r}")
    return Model(f"local/{sha256(weights).hexdigest()[:12]}/{shape[2]}", session, tokenizer)
