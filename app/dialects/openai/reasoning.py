"""`reasoning_details`: OpenRouter's list of what a model thought, with the proofs that it did, and our place for others' proofs.

https://openrouter.ai/docs/use-cases/reasoning-tokens. Its `format` tells whose proof it is; ours is `lr:` and the dialect
that the proof came from.
"""

from collections.abc import Iterable

from app.core.chat import Reasoning, Signature
from app.core.jsonio import Json

_OWN_FORMAT = "lr:"
_ORIGINS = {
    "anthropic-claude-v1": "anthropic",
    "google-gemini-v1": "gemini",
    "openai-responses-v1": "responses",
    "xai-responses-v1": "responses",
}


def read_details(details: Json) -> list[Reasoning]:
    """The pieces of reasoning in `details`: neighbouring texts are one piece, which its signature closes.

    A stream's details say a piece in many items, and clients send them back so. A proof of unknown format is left out, and so is
    whatever is no item.
    """
    pieces: list[Reasoning] = []
    for item in details if isinstance(details, list) else ():
        if isinstance(item, dict) and (piece := _read_detail(item)) is not None:
            _add(pieces, piece)
    return pieces


def is_foreign_detail(item: Json) -> bool:
    """Whether it is of our own format: the provider that it is from speaks another dialect."""
    form = item.get("format") if isinstance(item, dict) else None
    return isinstance(form, str) and form.startswith(_OWN_FORMAT)


def write_details(pieces: Iterable[Reasoning], index: int = 0) -> list[Json]:
    """The same as a list of items, numbered from `index`."""
    details: list[Json] = []
    for piece in pieces:
        if piece.text or piece.signature:
            item: dict[str, Json] = {"type": "reasoning.text"}
            if piece.text:
                item["text"] = piece.text
            if piece.signature is not None:
                item |= {"signature": piece.signature.value, "format": _OWN_FORMAT + piece.signature.origin}
            details.append(_numbered(item, piece.id, index + len(details)))
        if piece.redacted is not None:
            item = {"type": "reasoning.encrypted", "data": piece.redacted.value}
            item["format"] = _OWN_FORMAT + piece.redacted.origin
            details.append(_numbered(item, piece.id, index + len(details)))
    return details


def _read_detail(item: dict[str, Json]) -> Reasoning | None:
    kind = item.get("type")
    form = item.get("format")
    origin = _origin(form) if isinstance(form, str) else None
    own_id = item.get("id")
    piece_id = own_id if isinstance(own_id, str) and own_id else None
    if kind == "reasoning.encrypted":
        data = item.get("data")
        if not isinstance(data, str) or not data or origin is None:
            return None
        proof = Signature(data, origin)
        # Of Anthropic's, this is the piece itself; of the others, the proof of the summary before it.
        if origin == "anthropic" or item["format"].startswith(_OWN_FORMAT):
            return Reasoning(redacted=proof, id=piece_id)
        return Reasoning(signature=proof, id=piece_id)
    if kind not in ("reasoning.text", "reasoning.summary"):
        return None
    text = item.get("text" if kind == "reasoning.text" else "summary")
    text = text if isinstance(text, str) else ""
    value = item.get("signature")
    signature = Signature(value, origin) if isinstance(value, str) and value and origin else None
    return Reasoning(text, signature, id=piece_id) if text or signature else None


def _origin(form: str) -> str | None:
    if form.startswith(_OWN_FORMAT):
        return form.removeprefix(_OWN_FORMAT) or None
    return _ORIGINS.get(form)


def _add(pieces: list[Reasoning], piece: Reasoning) -> None:
    last = pieces[-1] if pieces else None
    if last is None or last.signature or last.redacted or piece.redacted:
        pieces.append(piece)
    else:
        pieces[-1] = Reasoning(last.text + piece.text, piece.signature, id=last.id or piece.id)


def _numbered(item: dict[str, Json], piece_id: str | None, index: int) -> dict[str, Json]:
    if piece_id is not None:
        item["id"] = piece_id
    item["index"] = index
    return item
