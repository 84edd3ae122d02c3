"""Looking at a picture's bytes before a decoder does: small files that would keep one busy for minutes.

A decoder runs in C and cannot be stopped, so that a time-out would have to end the process. What it will do is in the
file instead: a progressive JPEG says in how many scans each pixel is gone over (the known attack has thousands), a WebP
says how large its canvas is, for which memory is taken on opening.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

MOST_PIXELS = 100_000_000
MOST_PIXEL_SCANS = 3_000_000_000
"""Pixels times scans of a JPEG: some ten seconds. An ordinary progressive file has ten scans."""
_SCAN, _FRAMES = b"\xff\xda", tuple(bytes((0xFF, number)) for number in (0xC0, 0xC1, 0xC2, 0xC9, 0xCA))


class TooMuchToDecode(Exception):
    """What is too much, for a sentence about the file."""


def check_decodable(file: BinaryIO) -> None:
    """Raise TooMuchToDecode for what would take minutes or gigabytes. `file` is left at its start."""
    start = file.read(32)
    if start.startswith(b"\xff\xd8\xff"):
        file.seek(0)
        _check_jpeg(file.read())
    elif start[:4] == b"RIFF" and start[8:16] == b"WEBPVP8X" and len(start) >= 30:
        width, height = (int.from_bytes(start[at : at + 3], "little") + 1 for at in (24, 27))
        if width * height > MOST_PIXELS:
            raise TooMuchToDecode(f"a canvas of {width} x {height} pixels")
    file.seek(0)


def _check_jpeg(content: bytes) -> None:
    scans = content.count(_SCAN)
    if scans <= 10:
        return
    pixels = max((_pixels_at(content, content.find(mark)) for mark in _FRAMES), default=0)
    if scans * pixels > MOST_PIXEL_SCANS:
        raise TooMuchToDecode(f"a JPEG of {scans} scans over {pixels} pixels")


def _pixels_at(content: bytes, at: int) -> int:
    """Height times width as the frame header at `at` says; -1 is no header."""
    if at < 0 or len(content) < at + 9:
        return 0
    height, width = struct.unpack(">HH", content[at + 5 : at + 9])
    return int(height * width)
