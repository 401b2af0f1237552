"""Pictures of screens, made small: a palette of 256 colours does for what is mostly areas of few of them."""

import struct
import zlib
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]

_COLOURS = 256
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def shrink(png: bytes) -> bytes:
    """The same picture with a palette; of a picture of 8 bits a channel, without interlacing, as browsers make it."""
    pixels = _read(png)
    height, width, _ = pixels.shape
    colours, places = _reduce(pixels.reshape(-1, 3))
    rows = places.reshape(height, width)
    lines = np.concatenate([np.zeros((height, 1), np.uint8), rows], axis=1).tobytes()
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"PLTE", colours.tobytes()), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""))
    return _SIGNATURE + b"".join(_chunk(kind, data) for kind, data in chunks)


def _reduce(pixels: Pixels) -> tuple[Pixels, Pixels]:
    """The most frequent colours, and for each pixel the number of the one that is nearest."""
    packed = pixels.astype(np.uint32) @ np.array([65536, 256, 1], np.uint32)
    found, inverse, counts = np.unique(packed, return_inverse=True, return_counts=True)
    each = np.stack([found >> 16, found >> 8 & 255, found & 255], axis=1).astype(np.int32)
    kept = each[_choose(each, counts)]
    nearest = np.empty(len(each), np.uint8)
    for first in range(0, len(each), 4096):
        part = each[first : first + 4096]
        nearest[first : first + 4096] = ((part[:, None] - kept[None]) ** 2).sum(axis=2).argmin(axis=1)
    return kept.astype(np.uint8), nearest[inverse.reshape(-1)]


def _choose(colours: npt.NDArray[np.int32], counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Half are the most frequent ones; the others stand for as many regions of the colour cube, so that none is far from all."""
    by_count = np.argsort(-counts)
    chosen = list(by_count[: _COLOURS // 2])
    distance = (
        ((colours[:, None] - colours[chosen][None]) ** 2).sum(axis=2).min(axis=1) if len(colours) < 20_000 else None
    )
    if distance is None:
        return by_count[:_COLOURS]
    while len(chosen) < min(_COLOURS, len(colours)):
        farthest = int((distance * np.log1p(counts)).argmax())
        chosen.append(farthest)
        distance = np.minimum(distance, ((colours - colours[farthest]) ** 2).sum(axis=1))
    return np.array(chosen)


def _read(png: bytes) -> Pixels:
    """Rows of pixels of red, green and blue."""
    data, width, height, channels = b"", 0, 0, 3
    at = len(_SIGNATURE)
    while at < len(png):
        length, kind = struct.unpack_from(">I4s", png, at)
        body = png[at + 8 : at + 8 + length]
        if kind == b"IHDR":
            width, height, _, colour = struct.unpack_from(">IIBB", body)
            channels = 4 if colour == 6 else 3
        elif kind == b"IDAT":
            data += body
        at += length + 12
    raw = np.frombuffer(zlib.decompress(data), np.uint8).reshape(height, 1 + width * channels)
    lines = np.zeros((height + 1, (width + 1) * channels), np.uint8)
    for number, (above, line) in enumerate(pairwise(range(height + 1))):
        lines[line, channels:] = _unfilter(int(raw[number, 0]), raw[number, 1:], lines[above], channels)
    return lines[1:, channels:].reshape(height, width, channels)[:, :, :3]


def _unfilter(kind: int, line: Pixels, above: Pixels, channels: int) -> Pixels:
    """One line of samples; `above` has a pixel of nothing before it (PNG, section 9.2)."""
    if kind == 0:
        return line
    if kind == 2:
        return line + above[channels:]
    if kind == 1:
        return np.cumsum(line.reshape(-1, channels), axis=0, dtype=np.uint8).reshape(-1)
    done = bytearray(channels) + bytearray(len(line))
    up = above.tobytes()
    for at, value in enumerate(line.tobytes(), channels):
        left, over, corner = done[at - channels], up[at], up[at - channels]
        done[at] = (value + ((left + over) // 2 if kind == 3 else _paeth(left, over, corner))) & 255
    return np.frombuffer(bytes(done[channels:]), np.uint8)


def _paeth(left: int, over: int, corner: int) -> int:
    guess = left + over - corner
    return min((left, over, corner), key=lambda each: abs(guess - each))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
