"""Seeded mutations of valid inputs: of bytes, texts, JSON and YAML values, and safetensors files."""

from __future__ import annotations

import copy
import json
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

NAUGHTY = (
    "",
    " ",
    "\t",
    "\n",
    "\r\n",
    "\0",
    "\x07",
    "\x1b[2J\x1b[31mred",
    "\x1b]0;title\x07",
    "\x9b31m",
    "\u202egnp.exe",
    "\u200b",
    "\ufeff",
    "\ufffd",
    "\ud800".encode("utf-8", "surrogatepass").decode("utf-8", "replace"),
    "é",
    "青い猫",
    "\U0001f408\u200d\u2b1b",
    "a\u0301" * 40,
    "x" * 5000,
    "../../../etc/passwd",
    "C:\\Windows\\nul",
    "con",
    "aux.txt",
    "~",
    "$HOME",
    "$(touch x)",
    "`touch x`",
    "; rm -rf .",
    "&& true",
    "| cat",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "'\"><svg onload=alert(1)>",
    "{{7*7}}",
    "${7*7}",
    "%s%n%x",
    "{0.__class__}",
    "=1+1",
    "@SUM(A1)",
    "-1+1|cmd",
    "[bold]x[/bold]",
    "[/]",
    "[link=http://x]y[/link]",
    "a AND b",
    "a NOT b",
    "AND",
    "NOT",
    "a AND",
    "(a:1.5)",
    "((((a",
    "a:1e999",
    "{a}",
    "{",
    "}",
    "{{}}",
    "[a|b]",
    "nan",
    "NaN",
    "inf",
    "-inf",
    "1e999",
    "-1",
    "0",
    "00",
    "0x10",
    "1_000",
    "1,5",
    "½",
    "٣",
    "true",
    "null",
    "None",
    "[]",
    "{}",
    "!!python/object:x",
    "&a *a",
    "http://127.0.0.1:9/x",
    "file:///etc/passwd",
    "\\\\host\\share",
    "//host/share",
    "owner/model",
    "postgresql://me:secret@host/db",
    "a" * 300 + "/b",
    "/",
    ".",
    "..",
    "...",
    "CON.png",
    "a?b*c",
    "a:b",
    "a\\b",
)
ODD_VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    2**31,
    2**63,
    10**30,
    -(10**18),
    0.0,
    -0.5,
    1.5,
    1e-320,
    1e308,
    "",
    "x",
    "1",
    "nan",
    [],
    {},
    [[]],
    {"": None},
    [None],
    [1, "a", None],
    ["a"] * 300,
    {"a": {"b": {"c": 1}}},
    "\x1b[2J",
    "a\nb",
    "é" * 200,
)


def mutated_bytes(draw: random.Random, raw: bytes) -> bytes:
    """Some bytes are other bytes, missing, or more."""
    data = bytearray(raw)
    for _ in range(draw.choice((1, 1, 1, 2, 5))):
        data = bytearray(draw.choice(BYTE_MUTATIONS)(draw, data))
    return bytes(data)


def _flipped(draw: random.Random, data: bytearray) -> bytes:
    for _ in range(draw.choice((1, 1, 2, 8, 40)) if data else 0):
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    return bytes(data)


def _extreme_number(draw: random.Random, data: bytearray) -> bytes:
    """A 2- or 4-byte field near the start becomes 0, 1, the largest or the least."""
    width, at = draw.choice((2, 4)), draw.randrange(max(1, min(len(data), 160)))
    value = draw.choice((b"\0", b"\xff", b"\x7f", b"\x80", b"\x01"))
    data[at : at + width] = (value * width)[:width]
    return bytes(data)


def _cut(draw: random.Random, data: bytearray) -> bytes:
    return bytes(data[: draw.randrange(len(data) + 1)])


def _without_a_piece(draw: random.Random, data: bytearray) -> bytes:
    at = draw.randrange(len(data) + 1)
    return bytes(data[:at] + data[at + draw.choice((1, 4, 16, 200)) :])


def _repeated_piece(draw: random.Random, data: bytearray) -> bytes:
    at, size = draw.randrange(len(data) + 1), draw.choice((1, 8, 64, 500))
    return bytes(data[: at + size] + data[at : at + size] * draw.choice((1, 3)) + data[at + size :])


def _inserted(draw: random.Random, data: bytearray) -> bytes:
    at = draw.randrange(len(data) + 1)
    piece = draw.choice((draw.randbytes(draw.choice((1, 7, 90))), draw.choice(NAUGHTY).encode("utf-8", "replace")))
    return bytes(data[:at] + piece + data[at:])


def _zeroed(draw: random.Random, data: bytearray) -> bytes:
    at, size = draw.randrange(len(data) + 1), draw.choice((4, 40, 400))
    data[at : at + size] = bytes(len(data[at : at + size]))
    return bytes(data)


def _noise(draw: random.Random, data: bytearray) -> bytes:
    return draw.choice((b"", draw.randbytes(200), bytes(len(data)), data[:8] + draw.randbytes(300)))


def _another_kind(draw: random.Random, data: bytearray) -> bytes:
    return draw.choice(OTHER_KINDS) + bytes(data[draw.choice((0, 4, len(data))) :])


def _longer(draw: random.Random, data: bytearray) -> bytes:
    return bytes(data) + draw.choice((b"\0" * 50, b"\n", draw.randbytes(33), bytes(data[:100]), b"\x1a"))


BYTE_MUTATIONS: tuple[Callable[[random.Random, bytearray], bytes], ...] = (
    _flipped,
    _flipped,
    _extreme_number,
    _extreme_number,
    _cut,
    _without_a_piece,
    _repeated_piece,
    _inserted,
    _zeroed,
    _noise,
    _another_kind,
    _longer,
)
OTHER_KINDS = (
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) (w) file\n",
    b"%PDF-1.7\n",
    b"8BPS\0\1",
    b"PK\x03\x04",
    b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    b"<!DOCTYPE html>",
    b"version https://git-lfs.github.com/spec/v1\n",
    b"\x80\x04\x95cos\nsystem\n(S'touch x'\ntR.",
    b"\x1f\x8b\x08",
    b"GIF89a",
    b"\x89PNG\r\n\x1a\n",
    b"\xff\xd8\xff\xe0",
    b"II*\0",
    b"MM\0*",
    b"BM",
    b"RIFF\xff\xff\xff\xffWEBP",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\xfe\xff",
    b"\0\0\0 ftypheic",
    b"\x00\x05\x16\x07",
    b"SQLite format 3\0",
    b"#!/bin/sh\ntouch x\n",
    b"P6\n9999999 9999999\n255\n",
    b"\xed\xa0\x80",
)


def mutated_text(draw: random.Random, text: str) -> bytes:
    """A text with other words in it, or in another encoding, or as damaged bytes."""
    kind = draw.randrange(8)
    if kind == 0:
        return mutated_bytes(draw, text.encode())
    if kind == 1:
        encoding = draw.choice(
            ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig", "cp1252", "latin-1", "cp037")
        )
        return (text + draw.choice(("", "é", "’", "青"))).encode(encoding, "replace")
    at, word = draw.randrange(len(text) + 1), draw.choice(NAUGHTY)
    changed = {
        2: text[:at] + word + text[at:],
        3: word,
        4: text[:at] + text[at + draw.choice((1, 5, 30)) :],
        5: text * draw.choice((2, 400)),
        6: "\n".join(draw.sample(text.split("\n"), text.count("\n") + 1)),
        7: text.replace("\n", draw.choice(("\r\n", "\r", "\u2028", "\n\n\t"))),
    }[kind]
    return changed.encode("utf-8", "replace")


def mutated_value(draw: random.Random, value: Any) -> Any:
    """A JSON value with one part replaced, removed, doubled or renamed."""
    whole = {"": copy.deepcopy(value)}
    holder, key = draw.choice(list(_places(whole)))
    how = draw.randrange(6)
    if how == 0 and isinstance(holder, dict) and key != "":
        del holder[key]
    elif how == 1 and isinstance(holder, dict) and key != "":
        holder[draw.choice((f"{key}x", key.upper(), "", "colour", *NAUGHTY[:8]))] = holder.pop(key)
    elif how == 2 and isinstance(holder[key], dict):
        holder[key][draw.choice(("extra", "__class__", "method", ""))] = draw.choice(ODD_VALUES)
    elif how == 3 and isinstance(holder[key], list):
        holder[key] = draw.choice((holder[key] * 2, holder[key][::-1], holder[key][:0], [holder[key]]))
    elif how == 4 and isinstance(holder[key], int | float):
        holder[key] = draw.choice(
            (-holder[key], holder[key] * 10**9, str(holder[key]), holder[key] + 0.5, [holder[key]])
        )
    else:
        holder[key] = draw.choice((*ODD_VALUES, *NAUGHTY))
    return whole[""]


def _places(holder: Any) -> Any:
    keys = holder if isinstance(holder, dict) else range(len(holder))
    for key in list(keys):
        yield holder, key
        if isinstance(holder[key], dict | list):
            yield from _places(holder[key])


def mutated_json(draw: random.Random, value: Any) -> bytes:
    """JSON of a mutated value, or valid JSON mutated as a text."""
    if draw.random() < 0.7:
        text = json.dumps(mutated_value(draw, value), ensure_ascii=draw.random() < 0.5)
        return text.encode("utf-8", "surrogatepass")
    text = json.dumps(value)
    how = draw.randrange(6)
    if how == 0:
        return mutated_text(draw, text)
    odd = ("NaN", "Infinity", "-Infinity", "1e999", "9" * 5000, "[" * 50_000, '"\\ud800"', "01", "'a'", "{1: 2}", "tru")
    return {
        1: text[:-1] + ("," if len(text) > 2 else "") + '"colour": ' + draw.choice(odd) + text[-1:],
        2: draw.choice(odd),
        3: text + draw.choice((text, ",", "}", "\n\n{}")),
        4: "[" * 60 + text + "]" * 60,
        5: text.replace('": ', '": ' + draw.choice(odd) + ", ", 1),
    }[how].encode("utf-8", "surrogatepass")


def split_safetensors(raw: bytes) -> tuple[dict[str, Any], bytes]:
    length = struct.unpack("<Q", raw[:8])[0]
    return json.loads(raw[8 : 8 + length]), raw[8 + length :]


def join_safetensors(header: bytes, data: bytes) -> bytes:
    return struct.pack("<Q", len(header)) + header + data


def mutated_safetensors(draw: random.Random, raw: bytes) -> bytes:
    """Another header, another length, other bytes."""
    header, data = split_safetensors(raw)
    how = draw.randrange(8)
    if how == 0:
        return mutated_bytes(draw, raw)
    if how == 1:
        return struct.pack("<Q", draw.choice((0, 1, 7, 2**31, 2**63, 2**64 - 1, len(raw)))) + raw[8:]
    if how == 2:  # one tensor's entry
        entry = header[draw.choice(sorted(header.keys() - {"__metadata__"}))]
        key = draw.choice(("dtype", "shape", "data_offsets"))
        entry[key] = draw.choice(
            (
                "F16",
                "I64",
                "BOOL",
                "C64",
                "F8_E4M3",
                "X",
                [],
                [0],
                [-1],
                [1],
                [2**40, 2**40],
                [0, 2**63],
                [1.5, 2],
                *ODD_VALUES,
            )
        )
    elif how == 3:
        names = sorted(header.keys() - {"__metadata__"})
        header[draw.choice(NAUGHTY)] = header.pop(draw.choice(names))
    elif how == 4:
        start = draw.randrange(max(1, len(data) - 8))
        value = struct.pack("<f", draw.choice((float("nan"), float("inf"), float("-inf"))))
        data = data[:start] + value * (min(len(data) - start, 400) // 4 + 1)
        data = data[: len(split_safetensors(raw)[1])]
    elif how == 5 and "__metadata__" in header:
        header["__metadata__"] = mutated_value(draw, header["__metadata__"])
    else:
        header = mutated_value(draw, header)
    text = json.dumps(header).encode() if how != 7 else mutated_json(draw, header)
    return join_safetensors(text, data)


def mutated_file(draw: random.Random, file: Path, whole: bytes) -> bytes:
    """A mutation that suits what the file holds, by its suffix."""
    suffix = file.suffix
    if suffix == ".safetensors":
        return mutated_safetensors(draw, whole)
    if suffix == ".json":
        return mutated_json(draw, json.loads(whole))
    if suffix == ".jsonl":
        lines = whole.splitlines()
        at = draw.randrange(len(lines))
        lines[at] = mutated_json(draw, json.loads(lines[at])).replace(b"\n", b" ")
        return draw.choice((b"\n".join(lines) + b"\n", mutated_bytes(draw, whole)))
    if suffix in (".yaml", ".yml", ".txt"):
        return mutated_text(draw, whole.decode())
    return mutated_bytes(draw, whole)
