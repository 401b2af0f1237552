"""How bodies are encrypted at rest: AES-256-GCM, each bound to its call, by a key of the operator's or one that is made."""

import hashlib
import os
import secrets
from pathlib import Path

KEY_BYTES = 32
KEY_FILE = "bodies.key"

# How a sealed text begins: what the key is known by, then the nonce. Drawn by lot, nonces are good for 2**32 texts
# (NIST SP 800-38D, 8.3).
_MARK_BYTES = 8
_NONCE_BYTES = 12


class InvalidKey(ValueError):
    """It is no key, or there is none; the message is for the operator."""


class NotUnsealed(Exception):
    """A sealed text cannot be read; the message says why."""


def seal(key: bytes, text: bytes, context: str) -> bytes:
    """`text`, encrypted; to be read only with the same key, and in the same `context`."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = os.urandom(_NONCE_BYTES)
    return _mark(key) + nonce + AESGCM(key).encrypt(nonce, text, context.encode())


def unseal(key: bytes, sealed: bytes, context: str) -> bytes:
    """What was sealed.

    Raises:
        NotUnsealed: with another key, or it has been changed since.
    """
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    if sealed[:_MARK_BYTES] != _mark(key):
        raise NotUnsealed("it was encrypted with another key than the one that is set now")
    start = _MARK_BYTES + _NONCE_BYTES
    try:
        return AESGCM(key).decrypt(sealed[_MARK_BYTES:start], sealed[start:], context.encode())
    except (InvalidTag, ValueError):
        raise NotUnsealed("it has been changed since it was written") from None


def parse_key(text: str) -> bytes:
    """A key from its text, 64 hexadecimal digits.

    Raises:
        InvalidKey: it is none; the text is not quoted.
    """
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise InvalidKey("It holds no key: that is 64 hexadecimal digits.")
    return key


def find_key(text: str | None, folder: Path) -> bytes:
    """The key that is set, or else that of the folder.

    Raises:
        InvalidKey: there is none.
    """
    return parse_key(text) if text else read_key(folder / KEY_FILE)


def read_key(path: Path) -> bytes:
    """The key in a file.

    Raises:
        InvalidKey: there is none.
    """
    try:
        return parse_key(path.read_text(encoding="ascii"))
    except InvalidKey as exc:
        raise InvalidKey(f"{path}: {exc}") from None
    except (OSError, UnicodeDecodeError) as exc:
        reason = (exc.strerror if isinstance(exc, OSError) else None) or type(exc).__name__
        raise InvalidKey(f"The key of kept bodies, {str(path)!r}, cannot be read: {reason}.") from exc


def ensure_key(path: Path) -> bytes:
    """The key in a file, which is made, for this user only, where there is none; however many workers ask, it is one.

    Raises:
        InvalidKey: it cannot be read or made.
    """
    if path.exists():
        return read_key(path)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_bytes(KEY_BYTES).hex() + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)  # whole or not at all, and never over another's
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    except OSError as exc:
        raise InvalidKey(f"The key of kept bodies, {str(path)!r}, cannot be made: {exc.strerror}.") from exc
    return read_key(path)


def _mark(key: bytes) -> bytes:
    return hashlib.sha256(b"llm-relay: key of bodies" + key).digest()[:_MARK_BYTES]
