"""The same thing written in another way must mean the same; what is something else under a picture's name is refused;
what somebody else put into a folder stays.
"""

from __future__ import annotations

import io
import random
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from bases import build_tiny, save_as_diffusers_folder
from campaign_folders import write_run
from campaign_harness import Input, command
from campaign_mutations import NAUGHTY
from campaign_pictures import drawing, write_concept_folder
from PIL import Image, features
from studies import build_study

from brandsmith.core.pictures import load_rgb
from brandsmith.core.text import read_text

UPRIGHT = {
    1: (),
    2: (Image.Transpose.FLIP_LEFT_RIGHT,),
    3: (Image.Transpose.ROTATE_180,),
    4: (Image.Transpose.FLIP_TOP_BOTTOM,),
    5: (Image.Transpose.TRANSPOSE,),
    6: (Image.Transpose.ROTATE_90,),
    7: (Image.Transpose.TRANSVERSE,),
    8: (Image.Transpose.ROTATE_270,),
}
"""How a picture is stored so that the EXIF tag of this value stands it up."""
LOSSLESS = {".png": "PNG", ".PNG": "PNG", ".tiff": "TIFF", ".TIF": "TIFF", ".webp": "WEBP"}
LOSSY = {".jpg": "JPEG", ".JPEG": "JPEG", ".jfif": "JPEG", ".bmp": "BMP", ".gif": "GIF"}
LOSSY |= {".avif": "AVIF"} if features.check("avif") else {}


def equal_pictures(draw: random.Random, scratch: Path) -> Iterator[Input]:
    """One picture in any format, mode, orientation and depth: read as the same pixels."""
    place = scratch / "equal"
    place.mkdir()
    number = 0
    while True:
        number += 1
        shown, stored, suffix, how, allowed = _another_way(draw)
        file = place / f"{number}{suffix}"
        stored.save(file, {**LOSSLESS, **LOSSY}[suffix], **how)
        wrong = partial(_different, shown, allowed)
        what = f"{suffix} {stored.mode} {how.keys()}"
        yield Input("equal pictures", what, lambda file=file: load_rgb(file), place, right=wrong)
        file.unlink()


def _another_way(draw: random.Random) -> tuple[np.ndarray, Image.Image, str, dict[str, Any], float]:
    """(pixels as a viewer shows them, the picture as it is stored, suffix, options, largest difference of means)."""
    picture = drawing(draw.choice((24, 40, 57)))
    suffix = draw.choice(sorted({**LOSSLESS, **LOSSY}))
    how: dict[str, Any] = {"quality": 95} if suffix in (".jpg", ".JPEG", ".jfif", ".avif") else {}
    how |= {"lossless": True} if suffix == ".webp" else {}
    mode = draw.choice(("RGB", "RGB", "RGBA", "holes", "P", "L", "I;16", "1", "LA"))
    shown: Image.Image = picture
    stored: Image.Image = picture
    if suffix in LOSSLESS and mode != "RGB":
        shown, stored = _in_mode(picture, mode, suffix)
    if suffix in (".png", ".PNG", ".jpg", ".JPEG", ".jfif", ".tiff", ".TIF", ".webp"):
        tag = draw.randrange(1, 9)
        for turn in UPRIGHT[tag]:
            stored = stored.transpose(turn)
        exif = Image.Exif()
        exif[0x0112] = tag
        how |= {"exif": exif.tobytes() if suffix == ".webp" else exif}
    return np.asarray(shown.convert("RGB")), stored, suffix, how, 0.6 if suffix in LOSSLESS else 8.0


def _in_mode(picture: Image.Image, mode: str, suffix: str) -> tuple[Image.Image, Image.Image]:
    """(as it is shown, as it is stored); what a format has no mode for stays RGB."""
    if mode == "holes" or (mode == "LA" and suffix != ".webp"):
        alpha = Image.fromarray((np.indices((picture.height, picture.width)).sum(0) % 2 * 255).astype(np.uint8))
        grey = picture.convert("L").convert("RGB") if mode == "LA" else picture
        shown = Image.composite(grey, Image.new("RGB", picture.size, "white"), alpha)
        stored = picture.convert("L") if mode == "LA" else picture.copy()
        stored.putalpha(alpha)
        return shown, stored
    if mode == "I;16" and suffix != ".webp":
        grey = np.asarray(picture.convert("L"))
        return picture.convert("L"), Image.fromarray(grey.astype(np.uint16) * 257)
    if mode in ("RGBA", "P", "L", "1") and not (suffix == ".webp" and mode != "RGBA"):
        stored = picture.convert(mode)
        return stored.convert("RGB"), stored
    return picture, picture


def _different(shown: np.ndarray, allowed: float, read: Any) -> str:
    if not isinstance(read, np.ndarray) or read.shape != shown.shape:
        return f"{getattr(read, 'shape', read)} in place of {shown.shape}"
    difference = float(np.abs(read.astype(float) - shown).mean())
    return "" if difference <= allowed else f"differs by {difference:.1f} on average"


def equal_texts(draw: random.Random, scratch: Path) -> Iterator[Input]:
    """One text in any encoding, with any line ends: read as the same."""
    place = scratch / "texts"
    place.mkdir()
    file = place / "a.txt"
    words = ("a café", "Größe", "naïve", "a cat", "“quoted”", "€ 5", "one\ntwo", "青い猫", "\U0001f408", "")
    while True:
        text = " ".join(draw.sample(words, draw.choice((1, 2, 4))))
        encodings = ["utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le BOM", "utf-16-be BOM"]
        encodings += ["cp1252"] if text.isascii() or _fits(text, "cp1252") else []
        encoding, mark = [*draw.choice(encodings).split(), ""][:2]
        end = draw.choice(("\n", "\r\n", "\r"))
        raw = text.replace("\n", end).encode(encoding)
        signs = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}
        file.write_bytes((signs[encoding] if mark else b"") + raw)
        wrong = partial(_other_text, text)
        yield Input("equal texts", f"{encoding} {text!r}", lambda: read_text(file), place, right=wrong)


def _fits(text: str, encoding: str) -> bool:
    try:
        raw = text.encode(encoding)
    except UnicodeEncodeError:
        return False
    try:
        return raw.decode("utf-8") == text  # else it would rightly be read as UTF-8
    except UnicodeDecodeError:
        return True


def _other_text(text: str, read: Any) -> str:
    return "" if read == text else f"{read!r} in place of {text!r}"


# ----------------------------------------------------------------------------- something else


def other_formats(draw: random.Random, scratch: Path) -> Iterator[Input]:
    """Files of other kinds under a picture's name: programs, documents, archives, formats that we do not read."""
    place = scratch / "others"
    place.mkdir()
    kinds = {**{form: _as(form) for form in ("PPM", "TGA", "PCX", "SGI", "ICO", "DDS", "MSP", "XBM", "PDF", "EPS")}}
    kinds |= {
        "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(touched) (w) file closefile\nshowpage\n",
        "dos eps": b"\xc5\xd0\xd3\xc6" + bytes(26) + b"%!PS-Adobe",
        "svg": b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
        "html": b"<html><script>alert(1)</script></html>",
        "zip": b"PK\x03\x04" + bytes(60),
        "pickle": b"\x80\x04cposix\nsystem\n(X\x05\x00\x00\x00touch\x85R.",
        "elf": b"\x7fELF" + bytes(60),
        "script": b"#!/bin/sh\ntouch x\n",
        "heic": b"\x00\x00\x00\x18ftypheic" + bytes(40),
        "jpeg 2000": b"\x00\x00\x00\x0cjP  \r\n\x87\n" + bytes(40),
        "psd": b"8BPS\x00\x01" + bytes(40),
        "fits": b"SIMPLE  =                    T" + bytes(90),
        "wmf": b"\xd7\xcd\xc6\x9a" + bytes(60),
        "lfs": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
        "nothing": b"",
        "zeros": bytes(5000),
    }
    number = 0
    while True:
        number += 1
        kind = draw.choice(sorted(kinds))
        file = place / f"{number}{draw.choice(('.png', '.jpg', '.webp', '.gif', '.tif'))}"
        cut = len(kinds[kind]) if draw.random() < 0.7 else draw.randrange(len(kinds[kind]) + 1)
        file.write_bytes(kinds[kind][:cut] + draw.randbytes(draw.choice((0, 0, 50))))
        yield Input("other formats", f"{kind} {cut}", lambda file=file: load_rgb(file), place, refuse=True)
        file.unlink()


def _as(form: str) -> bytes:
    stream, mode = io.BytesIO(), "1" if form in ("MSP", "XBM") else "RGB"
    drawing().convert(mode).save(stream, form)
    return stream.getvalue()


# ----------------------------------------------------------------------------- somebody else's folder

THEIRS = (
    "metrics.jsonl",
    "status.json",
    "state/training.safetensors",
    "checkpoints/step-000001/weights.safetensors",
    "checkpoints/mine.txt",
    "cache/latents.safetensors",
    "samples/step-000001/a.png",
    ".hidden.part",
    ".a.0123456789abcdef.part",
    "study.json",
    "trials/a/trial.json",
    "report.html",
    "case-0_seed-1000.png",
    "explain.json",
    "manifest.json",
    "table.md",
    "judged/rows.jsonl",
    "detector.safetensors",
    "card.json",
    "images/01.png",
    "data.yaml",
    "config.json",
    "model_index.json",
)


def foreign_folders(draw: random.Random, scratch: Path) -> Iterator[Input]:
    """Every command that writes, into a folder with somebody else's files under names of ours: they all stay."""
    place = scratch / "foreign"
    brand = write_concept_folder(place / "brand")
    tiny = build_tiny()
    save_as_diffusers_folder(tiny, place / "tiny")
    run, study = write_run(place / "run", tiny), build_study(place / "study", pictures=False)
    here, short = place / "theirs", ("--base", place / "tiny", "--num-steps", 1)
    lines: list[Callable[[], tuple[object, ...]]] = [
        lambda: ("train", "lora", "--concept", brand, "--base", place / "tiny", "--steps", 1, "--run", here),
        lambda: ("sample", "a cat", "--seeds", 1, *short, "--out", here),
        lambda: ("explain", "a cat", *short, "--out", here),
        lambda: ("report", study, "--out", here),
        lambda: ("export", run, "--out", here),
        lambda: ("study", "run", study / "study.yaml", "--out", here),
        lambda: ("concept", "caption", brand, "--out", here),
        lambda: ("lora", "resize", run, "--base", place / "tiny", "--rank", 1, "--run", here),
        lambda: ("import", run / "checkpoints/step-000003/pytorch_lora_weights.safetensors", "--run", here),
        lambda: ("demo", "--out", here),
        lambda: ("base", "convert", place / "tiny", "--out", here, "--allow-pickle"),
        lambda: ("create", "ad", brand / "concept.yaml", "--out", here),
    ]
    while True:
        for name in draw.sample(THEIRS, draw.choice((1, 2, 4))):
            (here / name).parent.mkdir(parents=True, exist_ok=True)
            (here / name).write_bytes(draw.choice((b"", b"mine", b"{}", b"[]", draw.choice(NAUGHTY).encode())))
        line = draw.choice(lines)()
        if line[0] == "demo" and not any(here.iterdir()):
            continue
        yield Input(
            "foreign folders", f"{line[:2]} {sorted(p.name for p in here.rglob('*'))}", command(*line), place, adds=True
        )
        shutil.rmtree(here)
