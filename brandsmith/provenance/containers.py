"""Where PNG, JPEG and WebP keep XMP: one packet put in, all packets found. Pixels are never touched. MP4 and GIF are in
`film_containers.py`.

Sources: PNG 1.2 with the keyword of the XMP specification part 3 (1.1.5), JPEG APP1 (1.1.3), WebP's container
specification (VP8X, `XMP `). A packet that is there is replaced.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from brandsmith.provenance.container_kinds import MIME, PNG, BadContainer, format_of
from brandsmith.provenance.film_containers import gif_packets, into_gif, into_mp4, mp4_packets, with_gif_store

__all__ = ["MIME", "BadContainer", "format_of", "packets", "png_text", "with_packet", "with_store"]
LARGEST_IN_JPEG = 65_502
"""Bytes of a packet: a JPEG segment has 16 bits for its length, and the name comes first."""
LARGEST_PACKET = 1 << 20
"""Of a packet that is read, decompressed; ours are some 2 kB."""
_PNG_NAME, _JPEG_NAME = b"XML:com.adobe.xmp", b"http://ns.adobe.com/xap/1.0/\0"
_XMP_FLAG = 0x04


def with_packet(content: bytes, packet: bytes) -> bytes:
    """`content` with `packet` as its only XMP. Raises BadContainer for a file of another format or a damaged one, and
    for a packet that is too large for a JPEG.
    """
    kind = format_of(content)
    if kind is None:
        raise BadContainer("it is neither PNG nor JPEG nor WebP, nor GIF or MP4")
    put = {"PNG": _into_png, "JPEG": _into_jpeg, "WEBP": _into_webp, "GIF": into_gif, "MP4": into_mp4}[kind]
    return put(content, packet)


def packets(content: bytes) -> list[bytes]:
    """Every XMP packet of a file, in order; none for other formats. Raises BadContainer for a damaged file and a packet
    larger than LARGEST_PACKET.
    """
    kind = format_of(content)
    readers = {None: _no_packets, "PNG": _png_packets, "JPEG": _jpeg_packets, "WEBP": _webp_packets}
    found = (readers | {"GIF": gif_packets, "MP4": mp4_packets})[kind](content)
    return [_not_too_large(packet) for packet in found]


def png_text(content: bytes, keyword: str) -> str | None:
    """The text of a PNG under a keyword (tEXt, zTXt or iTXt); None without it. Raises BadContainer."""
    for chunk in _chunks(content):
        if chunk.kind in (b"tEXt", b"zTXt", b"iTXt") and chunk.data.partition(b"\0")[0] == keyword.encode():
            return _text_of(chunk)
    return None


def with_store(content: bytes, old: bytes, new: bytes) -> bytes:
    """`content` with the C2PA manifest store `new` in place of `old`, which is as long. Raises BadContainer where `old`
    is not to be found.
    """
    if format_of(content) == "JPEG":
        return _with_jpeg_store(content, old, new)
    if format_of(content) == "GIF":
        return with_gif_store(content, old, new)
    at = content.find(old)
    if at < 0 or len(old) != len(new):
        raise BadContainer("its C2PA manifest is not where it should be")
    content = content[:at] + new + content[at + len(old) :]
    if format_of(content) == "PNG":  # the chunk's check sum follows its data
        end = at + len(new)
        content = content[:end] + struct.pack(">I", zlib.crc32(content[at - 4 : end])) + content[end + 4 :]
    return content


def _not_too_large(packet: bytes) -> bytes:
    if len(packet) > LARGEST_PACKET:
        raise BadContainer(f"XMP of {len(packet)} bytes; at most {LARGEST_PACKET}")
    return packet


def _no_packets(content: bytes) -> Iterator[bytes]:
    return iter(())


# ----------------------------------------------------------------------------- PNG


@dataclass(frozen=True)
class _Chunk:
    kind: bytes
    data: bytes
    start: int
    end: int


def _chunks(content: bytes) -> Iterator[_Chunk]:
    at = len(PNG)
    while at < len(content):
        if at + 12 > len(content):
            raise BadContainer("the PNG is cut off")
        length, kind = struct.unpack(">I4s", content[at : at + 8])
        end = at + 12 + length
        if end > len(content):
            raise BadContainer("the PNG is cut off")
        yield _Chunk(kind, content[at + 8 : at + 8 + length], at, end)
        at = end
        if kind == b"IEND":
            return


def _is_png_packet(chunk: _Chunk) -> bool:
    return chunk.kind == b"iTXt" and chunk.data.startswith(_PNG_NAME + b"\0")


def _into_png(content: bytes, packet: bytes) -> bytes:
    """Right behind the header, where any reader meets it before the pixels."""
    data = b"iTXt" + _PNG_NAME + b"\0\0\0\0\0" + packet
    own = struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data))
    parts = [PNG]
    for chunk in _chunks(content):
        if not _is_png_packet(chunk):
            parts.append(content[chunk.start : chunk.end])
        if chunk.kind == b"IHDR":
            parts.append(own)
    return b"".join(parts)


def _png_packets(content: bytes) -> Iterator[bytes]:
    for chunk in _chunks(content):
        if _is_png_packet(chunk):
            yield _international_text(chunk.data)


def _text_of(chunk: _Chunk) -> str:
    body = chunk.data.partition(b"\0")[2]
    try:
        if chunk.kind == b"iTXt":
            return _international_text(chunk.data).decode("utf-8")
        return (_inflated(body[1:]) if chunk.kind == b"zTXt" else body).decode("latin-1")
    except UnicodeDecodeError:
        raise BadContainer("a text of the PNG is not UTF-8") from None


def _international_text(data: bytes) -> bytes:
    """Of an iTXt chunk: keyword, compressed or not, method, language, translated keyword, text."""
    rest = data.partition(b"\0")[2]
    if len(rest) < 2:
        raise BadContainer("a text of the PNG is cut off")
    text = rest[2:].partition(b"\0")[2].partition(b"\0")[2]
    return _inflated(text) if rest[0] else text


def _inflated(data: bytes) -> bytes:
    """At most one byte more than LARGEST_PACKET: a small file may hold gigabytes of zeros."""
    try:
        return zlib.decompressobj().decompress(data, LARGEST_PACKET + 1)
    except zlib.error:
        raise BadContainer("a compressed text of the PNG is damaged") from None


# ----------------------------------------------------------------------------- JPEG


def _segments(content: bytes) -> Iterator[tuple[int, int, int]]:
    """(marker, start, end) of every segment up to the pixels; start is that of its FF."""
    at = 2
    while at + 4 <= len(content):
        if content[at] != 0xFF:
            raise BadContainer("the JPEG's segments are damaged")
        marker = content[at + 1]
        if marker == 0xFF:  # padding
            at += 1
            continue
        if marker in (0xDA, 0xD9):
            return
        end = at + 2 + int.from_bytes(content[at + 2 : at + 4], "big")
        if end > len(content) or end < at + 4:
            raise BadContainer("the JPEG is cut off")
        yield marker, at, end
        at = end
    raise BadContainer("the JPEG is cut off")


def _is_jpeg_packet(content: bytes, marker: int, start: int) -> bool:
    return marker == 0xE1 and content.startswith(_JPEG_NAME, start + 4)


def _into_jpeg(content: bytes, packet: bytes) -> bytes:
    """Behind JFIF's and Exif's segments, which want to be the first."""
    if len(packet) > LARGEST_IN_JPEG:
        raise BadContainer(f"XMP of {len(packet)} bytes; a JPEG takes {LARGEST_IN_JPEG}")
    data = _JPEG_NAME + packet
    own = b"\xff\xe1" + struct.pack(">H", len(data) + 2) + data
    first, rest, end = [content[:2]], list[bytes](), 2
    for marker, start, end in _segments(content):
        if _is_jpeg_packet(content, marker, start):
            continue
        leads = not rest and (marker == 0xE0 or content.startswith(b"Exif\0", start + 4))
        (first if leads else rest).append(content[start:end])
    return b"".join([*first, own, *rest, content[end:]])


def _with_jpeg_store(content: bytes, old: bytes, new: bytes) -> bytes:
    """A store is cut into APP11 segments, each with a head of its own: `JP`, two numbers, and the outer box's head."""
    parts, at, end = [content[:2]], 0, 2
    for marker, start, end in _segments(content):
        head = start + 12 + (8 if at else 0)
        piece = content[head:end]
        if marker == 0xEB and piece and old.startswith(piece, at):
            parts.append(content[start:head] + new[at : at + len(piece)])
            at += len(piece)
        else:
            parts.append(content[start:end])
    if at != len(old) or len(old) != len(new):
        raise BadContainer("its C2PA manifest is not where it should be")
    return b"".join([*parts, content[end:]])


def _jpeg_packets(content: bytes) -> Iterator[bytes]:
    for marker, start, end in _segments(content):
        if _is_jpeg_packet(content, marker, start):
            yield content[start + 4 + len(_JPEG_NAME) : end]


# ----------------------------------------------------------------------------- WebP


def _riff_chunks(content: bytes) -> list[tuple[bytes, bytes]]:
    """(name, data) of each; data without the padding to an even length."""
    if len(content) < 12:
        raise BadContainer("the WebP is cut off")
    at, found = 12, []
    while at + 8 <= len(content):
        length = int.from_bytes(content[at + 4 : at + 8], "little")
        if at + 8 + length > len(content):
            raise BadContainer("the WebP is cut off")
        found.append((content[at : at + 4], content[at + 8 : at + 8 + length]))
        at += 8 + length + length % 2
    return found


def _into_webp(content: bytes, packet: bytes) -> bytes:
    chunks = [(name, data) for name, data in _riff_chunks(content) if name != b"XMP "]
    if not chunks:
        raise BadContainer("the WebP is cut off")
    if chunks[0][0] != b"VP8X":
        chunks.insert(0, (b"VP8X", _extended_header(*chunks[0])))
    head = chunks[0][1]
    chunks[0] = (b"VP8X", bytes([head[0] | _XMP_FLAG]) + head[1:])
    chunks.append((b"XMP ", packet))
    body = b"WEBP" + b"".join(
        name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2) for name, data in chunks
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _extended_header(name: bytes, data: bytes) -> bytes:
    """The VP8X of a simple file: flags, then width and height less one with 24 bits each."""
    if name == b"VP8L" and len(data) >= 5:
        bits = int.from_bytes(data[1:5], "little")
        width, height, alpha = bits & 0x3FFF, bits >> 14 & 0x3FFF, bits >> 28 & 1
    elif name == b"VP8 " and len(data) >= 10:
        width, height = ((int.from_bytes(data[at : at + 2], "little") & 0x3FFF) - 1 for at in (6, 8))
        alpha = 0
    else:
        raise BadContainer("the WebP is damaged")
    return struct.pack("<I", alpha << 4) + width.to_bytes(3, "little") + height.to_bytes(3, "little")


def _webp_packets(content: bytes) -> Iterator[bytes]:
    return (data for name, data in _riff_chunks(content) if name == b"XMP ")
