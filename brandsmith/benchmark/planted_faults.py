"""A concept's folder in which faults are planted, each noted: what the doctor must name, and nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

TOKEN = "blue_zorb_logo"
LONG = (
    "a street at dusk with shops, lights, people, umbrellas, a bicycle, cables, ivy, a clock tower far away, and " * 4
)


def picture(number: int, width: int = 160, height: int = 160) -> Image.Image:
    """Blocks of colour that no other number has."""
    rng = np.random.default_rng([5, number])
    blocks = rng.integers(20, 235, (6, 6, 3), np.uint8)
    return Image.fromarray(blocks).resize((width, height), Image.Resampling.BICUBIC)


def sound_concept(folder: Path, count: int = 8, more: str = "class_word: logo\nexpected_text: ZORB\n") -> Path:
    """A folder without a fault; returns `images`."""
    images = folder / "images"
    images.mkdir(parents=True)
    (folder / "concept.yaml").write_text(f"token: {TOKEN}\n{more}", encoding="utf-8", newline="")
    for number in range(count):
        add(images / f"{number:02}.png", number)
    return images


def add(file: Path, number: int, caption: str | bytes | None = f"a {TOKEN} on a wall") -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    picture(number).save(file)
    return said(file, caption)


def said(file: Path, caption: str | bytes | None = f"a {TOKEN} on a wall") -> Path:
    if caption is not None:
        file.with_suffix(".txt").write_bytes(caption if isinstance(caption, bytes) else caption.encode())
    return file


def plant_faults(folder: Path) -> list[tuple[str, str]]:
    """(kind, file) of every planted fault."""
    images = sound_concept(folder)
    planted = [row for plant in _PICTURES for row in plant(images)]
    return [*planted, *(row for plant in _FILES for row in plant(images))]


Row = tuple[str, str]


def _unreadable(images: Path) -> list[Row]:
    said(images / "web.png").write_bytes(b"<html>not found</html>")
    said(images / "empty.jpg").write_bytes(b"")
    said(images / "phone.png").write_bytes(b"\0\0\0\x18ftypheic" + bytes(40))
    return [("unreadable", "images/web.png"), ("unreadable", "images/empty.jpg"), ("unreadable", "images/phone.png")]


def _cut_off(images: Path) -> list[Row]:
    for name, number in (("cut.jpg", 20), ("cut2.png", 21)):
        file = add(images / name, number)
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    return [("cut off", "images/cut.jpg"), ("cut off", "images/cut2.png")]


def _modes(images: Path) -> list[Row]:
    picture(22).save(said(images / "moves.gif"), save_all=True, append_images=[picture(23)])
    picture(24).convert("CMYK").save(said(images / "print.jpg"))
    grey = np.asarray(picture(25).convert("L")).astype(np.uint16) * 257
    Image.fromarray(grey).save(said(images / "scan.png"))
    tag = Image.Exif()
    tag[0x0112] = 6
    picture(26, 160, 200).save(said(images / "lying.jpg"), exif=tag)
    clear = picture(27).convert("RGBA")
    clear.putalpha(Image.linear_gradient("L").resize(clear.size))
    clear.save(said(images / "clear.png"))
    kinds = {"moves.gif": "animated", "print.jpg": "cmyk", "scan.png": "16-bit", "lying.jpg": "turned"}
    return [*((kind, f"images/{name}") for name, kind in kinds.items()), ("transparent", "images/clear.png")]


def _sizes(images: Path) -> list[Row]:
    picture(28, 48, 48).save(said(images / "icon.png"))
    picture(29, 900, 160).save(said(images / "banner.png"))
    picture(30, 1600, 900).save(said(images / "wide.png"))
    Image.new("RGB", (160, 160), "teal").save(said(images / "flat.png"))
    kinds = {"icon": "too small", "banner": "extreme shape", "wide": "wide shape", "flat": "blank"}
    return [(kind, f"images/{name}.png") for name, kind in kinds.items()]


def _duplicates(images: Path) -> list[Row]:
    shutil.copyfile(images / "00.png", said(images / "copy.png"))
    picture(1).resize((110, 110)).save(said(images / "saved-again.jpg"), quality=60)
    shutil.copyfile(images / "02.png", _made(images.parent / "held_out") / "h.png")
    near = [("near duplicate", f"images/{name}") for name in ("copy.png", "saved-again.jpg")]
    return [*near, ("held-out copy", "held_out/h.png")]


def _labels(images: Path) -> list[Row]:
    picture(31, 320, 160).save(said(images / "boxed.png"))
    labelled = _made(images.parent / "detector" / "train" / "images") / "boxed.png"
    shutil.copyfile(images / "boxed.png", labelled)
    label = _made(images.parent / "detector" / "train" / "labels") / "boxed.txt"
    label.write_text("0 0.5 0.5 0.9 0.5\n", encoding="utf-8", newline="")
    return [("mark cut", "images/boxed.png")]


def _captions(images: Path) -> list[Row]:
    add(images / "c1.png", 40, None)
    add(images / "c2.png", 41, " \n")
    add(images / "c3.png", 42, f"a {TOKEN} on the shop".encode() + b"\x92s wall")
    add(images / "c4.png", 43, "a logo on a wall")
    add(images / "c5.png", 44, LONG + f"a {TOKEN}")
    add(images / "c6.png", 45, f"a {TOKEN} on {LONG}")
    add(images / "c7.png", 46, f"a {TOKEN} that spells zorb")
    board = Image.new("RGB", (160, 160), "green")
    board.paste("teal", (30, 40, 130, 110))
    board.save(said(images / "c8.png", f"a billboard with a {TOKEN}"))
    kinds = ("missing", "empty", "encoding")
    rows = [(f"caption {kind}", f"images/c{number}.txt") for number, kind in enumerate(kinds, 1)]
    rows += [("token missing", "images/c4.txt"), ("token cut off", "images/c5.txt")]
    rows += [("caption too long", "images/c6.txt"), ("gives it away", "images/c7.txt")]
    return [*rows, ("colours not said", "images/c8.txt")]


def _strays(images: Path) -> list[Row]:
    (images / "alone.txt").write_text("a wall", encoding="utf-8", newline="")
    (images / "._00.png").write_bytes(b"\0\5\x16\7" + bytes(60))
    (images / "layers.psd").write_bytes(b"8BPS" + bytes(60))
    add(images / "10_zorb" / "k.png", 50)
    add(images / "twice.png", 51)
    picture(52).save(images / "twice.jpg")
    kinds = {
        "alone.txt": "stray caption",
        "._00.png": "macOS file",
        "layers.psd": "stray file",
        "10_zorb": "sub-folder",
    }
    return [*((kind, f"images/{name}") for name, kind in kinds.items()), ("shared caption", "images/twice.txt")]


def _others(images: Path) -> list[Row]:
    add(images / "reg" / "r.png", 60, "a logo")
    add(images.parent / "class_images" / "c.png", 61, f"a {TOKEN}")
    picture(62).save(_made(images.parent / "masks") / "nobody.png")
    picture(63, 160, 80).save(images.parent / "masks" / "03.png")
    rows = [("class pictures misplaced", "images/reg"), ("class with token", "class_images/c.txt")]
    return [*rows, ("stray mask", "masks/nobody.png"), ("mask shape", "masks/03.png")]


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


Plant = Callable[[Path], list[Row]]
_PICTURES: tuple[Plant, ...] = (_unreadable, _cut_off, _modes, _sizes, _duplicates, _labels)
_FILES: tuple[Plant, ...] = (_captions, _strays, _others)
