"""Which kind of file carries what we say of it, by its first bytes."""

from __future__ import annotations

PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
MIME = {
    "PNG": "image/png",
    "JPEG": "image/jpeg",
    "WEBP": "image/webp",
    "GIF": "image/gif",
    "MP4": "video/mp4",
}


class BadContainer(ValueError):
    """What is wrong with the file, for a sentence about it."""


def format_of(content: bytes) -> str | None:
    """PNG, JPEG, WEBP, GIF or MP4; None for anything else."""
    if content.startswith(PNG):
        return "PNG"
    if content.startswith(JPEG):
        return "JPEG"
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "WEBP"
    if content[:6] in (b"GIF87a", b"GIF89a"):
        return "GIF"
    return "MP4" if content[4:8] == b"ftyp" and content[8:12] in _VIDEO else None


_VIDEO = (b"isom", b"iso2", b"iso4", b"iso5", b"iso6", b"mp41", b"mp42", b"avc1", b"M4V ")
"""Major brands of MP4: AVIF and HEIC begin alike."""


def is_film(content: bytes) -> bool:
    """Whether a file may hold several frames: a GIF, an MP4, or a WebP whose header says animation."""
    kind = format_of(content)
    return kind in ("GIF", "MP4") or (kind == "WEBP" and content[12:16] == b"VP8X" and bool(content[20] & _ANIMATED))


_ANIMATED = 2
"""The bit of a WebP's extended header."""
