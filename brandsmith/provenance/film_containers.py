"""Where MP4 and GIF keep XMP, and where a GIF keeps a C2PA manifest. Frames are never touched.

Sources: XMP specification part 3: MP4 in a top-level `uuid` box (1.2.7), GIF in an application extension with a magic
trailer (1.1.2); C2PA technical specification, "Embedding manifests into GIF".
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from brandsmith.provenance.container_kinds import BadContainer

XMP_UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_XMP_BLOCK = b"\x21\xff\x0bXMP DataXMP"
_C2PA_BLOCK = b"\x21\xff\x0bC2PA_GIF"
_MAGIC = bytes([1, *range(255, -1, -1), 0])
"""Whatever byte a reader takes for a length, it ends up at the last zero."""
_LONGEST_BLOCK = 255


def boxes(content: bytes) -> Iterator[tuple[bytes, int, int, int]]:
    """(type, start, start of its data, end) of each top-level box of an MP4. Raises BadContainer."""
    at = 0
    while at < len(content):
        if at + 8 > len(content):
            raise BadContainer("the MP4 is cut off")
        length, kind = struct.unpack(">I4s", content[at : at + 8])
        head = 8
        if length == 1 and at + 16 <= len(content):
            length, head = struct.unpack(">Q", content[at + 8 : at + 16])[0], 16
        end = len(content) if length == 0 else at + length
        if end > len(content) or end < at + head:
            raise BadContainer("the MP4 is cut off")
        yield kind, at, at + head, end
        at = end


def _is_xmp(content: bytes, kind: bytes, data: int) -> bool:
    return kind == b"uuid" and content[data : data + 16] == XMP_UUID


def into_mp4(content: bytes, packet: bytes) -> bytes:
    """At the end, where nothing moves."""
    kept = [content[start:end] for kind, start, data, end in boxes(content) if not _is_xmp(content, kind, data)]
    return b"".join([*kept, struct.pack(">I4s", 24 + len(packet), b"uuid"), XMP_UUID, packet])


def mp4_packets(content: bytes) -> Iterator[bytes]:
    return (content[data + 16 : end] for kind, _, data, end in boxes(content) if _is_xmp(content, kind, data))


# ----------------------------------------------------------------------------- GIF


def _extension(content: bytes, start: bytes, trailer: bytes) -> tuple[int, int] | None:
    """Where the data of the first application extension of this name is, up to its trailer."""
    at = content.find(start)
    if at < 0:
        return None
    end = content.find(trailer, at + len(start))
    if end < 0:
        raise BadContainer("the GIF is cut off")
    return at, end


def into_gif(content: bytes, packet: bytes) -> bytes:
    """Before the last byte, which ends the file."""
    found = _extension(content, _XMP_BLOCK, _MAGIC)
    if found:
        content = content[: found[0]] + content[found[1] + len(_MAGIC) :]
    if not content.endswith(b"\x3b"):
        raise BadContainer("the GIF is cut off")
    return content[:-1] + _XMP_BLOCK + packet + _MAGIC + b"\x3b"


def gif_packets(content: bytes) -> Iterator[bytes]:
    found = _extension(content, _XMP_BLOCK, _MAGIC)
    if found:
        yield content[found[0] + len(_XMP_BLOCK) : found[1]]


def with_gif_store(content: bytes, old: bytes, new: bytes) -> bytes:
    """A manifest store is cut into blocks of at most 255 bytes, each behind its length."""
    at = content.find(_C2PA_BLOCK)
    at += len(_C2PA_BLOCK) + 3  # the version
    if at < len(_C2PA_BLOCK) or len(old) != len(new):
        raise BadContainer("its C2PA manifest is not where it should be")
    made, done = bytearray(content), 0
    while at < len(content) and content[at]:
        length = content[at]
        if content[at + 1 : at + 1 + length] != old[done : done + length]:
            raise BadContainer("its C2PA manifest is not where it should be")
        made[at + 1 : at + 1 + length] = new[done : done + length]
        done, at = done + length, at + 1 + length
    if done != len(old):
        raise BadContainer("its C2PA manifest is not where it should be")
    return bytes(made)
