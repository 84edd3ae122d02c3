"""Pictures, and captions and settings beside them: what a concept folder and a folder to judge are made of."""

from __future__ import annotations

import io
import json
import random
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import yaml
from campaign_harness import Input
from campaign_mutations import NAUGHTY, mutated_bytes, mutated_text, mutated_value
from PIL import Image, ImageDraw, features
from PIL.PngImagePlugin import PngInfo

from brandsmith.concept.concept import load_concept
from brandsmith.core.pictures import MAX_PIXELS, list_pictures, load_rgb
from brandsmith.core.text import read_text
from brandsmith.draw.recipe import KEYWORD, read_recipe
from brandsmith.judges.labelled import load_split

TOKEN = "red_qoga_logo"


def drawing(side: int = 40) -> Image.Image:
    picture = Image.new("RGB", (side, side - 8), (40, 90, 160))
    ImageDraw.Draw(picture).rectangle((8, 8, side // 2, side // 2), fill=(220, 30, 30))
    return picture


def _encoded(picture: Image.Image, kind: str, **how: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **how)
    return stream.getvalue()


def whole_pictures() -> dict[str, bytes]:
    """Valid files of every format and mode, by a name for each."""
    picture, exif = drawing(), Image.Exif()
    exif[0x0112] = 6
    grey16 = Image.fromarray((np.arange(40 * 32, dtype=np.uint16) * 50).reshape(32, 40))
    text = PngInfo()
    text.add_text("Comment", "hello")
    text.add_text("Long", "x" * 3000, zip=True)
    files = {
        "a.png": _encoded(picture, "PNG"),
        "rgba.png": _encoded(picture.convert("RGBA"), "PNG"),
        "palette.png": _encoded(picture.convert("P"), "PNG"),
        "bit.png": _encoded(picture.convert("1"), "PNG"),
        "grey16.png": _encoded(grey16, "PNG"),
        "text.png": _encoded(picture, "PNG", pnginfo=text),
        "a.jpg": _encoded(picture, "JPEG", exif=exif),
        "progressive.jpg": _encoded(picture, "JPEG", progressive=True),
        "cmyk.jpg": _encoded(picture.convert("CMYK"), "JPEG"),
        "a.webp": _encoded(picture, "WEBP"),
        "lossless.webp": _encoded(picture.convert("RGBA"), "WEBP", lossless=True),
        "a.bmp": _encoded(picture, "BMP"),
        "palette.bmp": _encoded(picture.convert("P"), "BMP"),
        "a.tiff": _encoded(picture, "TIFF"),
        "lzw.tiff": _encoded(picture, "TIFF", compression="tiff_lzw"),
        "deflate.tif": _encoded(picture, "TIFF", compression="tiff_adobe_deflate"),
        "float.tiff": _encoded(Image.fromarray(np.linspace(0, 1, 1280, dtype=np.float32).reshape(32, 40)), "TIFF"),
        "pages.tiff": _encoded(picture, "TIFF", save_all=True, append_images=[picture] * 3),
        "a.gif": _encoded(picture.convert("P"), "GIF"),
        "frames.gif": _encoded(picture.convert("P"), "GIF", save_all=True, append_images=[picture.rotate(90)] * 3),
    }
    return files | ({"a.avif": _encoded(picture, "AVIF")} if features.check("avif") else {})


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of(draw: random.Random) -> bytes:
    """A PNG whose checksums are right and whose header, order or chunks are not."""
    wide, high = draw.choice(
        ((1, 1), (0, 9), (9, 0), (40, 32), (2**31 - 1, 1), (60_000, 60_000), (20_000, 4), (3, 9_000))
    )
    depth, colour = draw.choice((1, 2, 4, 8, 16, 3, 0)), draw.choice((0, 2, 3, 4, 6, 1, 7))
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", wide, high, depth, colour, 0, 0, draw.choice((0, 1, 9))))
    rows = zlib.compress(bytes(min(wide * high * 8 + high, 300_000)))
    body = [_chunk(b"IDAT", draw.choice((rows, rows[:30], b"", draw.randbytes(80))))]
    more = (
        _chunk(b"PLTE", draw.randbytes(draw.choice((0, 3, 768, 7)))),
        _chunk(b"tRNS", draw.randbytes(draw.choice((1, 2, 300)))),
        _chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(80_000_000 if draw.random() < 0.05 else 900))),
        _chunk(b"iCCP", b"p\0\0" + zlib.compress(draw.randbytes(90))),
        _chunk(b"eXIf", draw.randbytes(60)),
        _chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0)),
        _chunk(b"fcTL", draw.randbytes(26)),
        _chunk(b"gAMA", b""),
        _chunk(b"pHYs", bytes(9)),
        _chunk(b"tEXt", b"a" * 100),
        _chunk(b"iTXt", b"a\0\1\0\0\0" + b"x" * 40),
    )
    body += draw.sample(more, draw.randrange(4))
    draw.shuffle(body)
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(body) + draw.choice((_chunk(b"IEND", b""), b""))


def tiff_of(draw: random.Random) -> bytes:
    """A TIFF directory with odd entries, which may be its own successor."""
    tags = {256: 40, 257: 32, 258: 8, 259: 1, 262: 2, 273: 8, 277: 3, 278: 32, 279: 3840}
    for _ in range(draw.choice((0, 1, 2, 3))):
        tags[draw.choice([*tags, 274, 317, 320, 322, 323, 324, 338, 339, 34665, 700])] = draw.choice(
            (0, 1, 2, 3, 4, 8, 32, 65_535, 2**31, 2**32 - 1)
        )
    entries = b"".join(
        struct.pack("<HHII", tag, 4, draw.choice((1, 1, 1, 3, 2**30)), n) for tag, n in sorted(tags.items())
    )
    at = 8 + 3840
    after = draw.choice((0, 0, at, 8, 2**32 - 1))
    return (
        b"II*\0"
        + struct.pack("<I", at)
        + bytes(3840)
        + struct.pack("<H", len(tags))
        + entries
        + struct.pack("<I", after)
    )


def wrong_pixels(pixels: object) -> str:
    fine = isinstance(pixels, np.ndarray) and pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[2] == 3
    return "" if fine and 0 < pixels.size <= 3 * MAX_PIXELS else f"no picture: {getattr(pixels, 'shape', pixels)}"


def picture_files(draw: random.Random, scratch: Path) -> Iterator[Input]:
    whole, folder = whole_pictures(), scratch / "pictures"
    folder.mkdir()
    number = 0
    while True:
        number += 1
        name = draw.choice(sorted(whole))
        how = draw.randrange(10)
        raw = png_of(draw) if how == 0 else tiff_of(draw) if how == 1 else mutated_bytes(draw, whole[name])
        suffix = draw.choice((Path(name).suffix, Path(name).suffix, ".png", ".JPG", ".jfif"))
        file = folder / f"{number}{suffix}"
        file.write_bytes(raw)
        yield Input("pictures", f"{name} #{number}", lambda file=file: load_rgb(file), folder, right=wrong_pixels)
        file.unlink()


def recipes(draw: random.Random, scratch: Path) -> Iterator[Input]:
    """Pictures with a recipe of ours that was changed: `sample --from` and `judge run` read them."""
    from brandsmith.draw.recipe import Origin, Recipe
    from brandsmith.guidance.settings import DrawSettings

    place = scratch / "recipes"
    place.mkdir()
    whole = Recipe(
        "a cat",
        1,
        DrawSettings(num_steps=1, scheduler="ddim"),
        Origin("pocket", "0" * 16, None, None),
        (("a cat", 1),),
        0,
    )
    record = json.loads(whole.as_text()[KEYWORD])
    while True:
        text, info = mutated_value(draw, record), PngInfo()
        shown = json.dumps(text) if draw.random() < 0.8 else draw.choice(NAUGHTY) + "[" * draw.choice((0, 5, 60_000))
        info.add_text(KEYWORD, shown)
        file = place / "a.png"
        file.write_bytes(_encoded(drawing(), "PNG", pnginfo=info))
        yield Input(
            "recipes", shown[:120], lambda file=file: read_recipe(file), place, right=lambda found: odd_recipe(found)
        )


def odd_recipe(found: object) -> str:
    from brandsmith.draw.recipe import Recipe

    if found is None:
        return ""
    if not isinstance(found, Recipe):
        return f"no recipe: {found!r}"
    wrong = [name for name in ("prompt", "version") if not isinstance(getattr(found, name), str)]
    wrong += [name for name in ("seed", "place") if type(getattr(found, name)) is not int]
    wrong += ["base"] if not isinstance(found.origin.base, str) else []
    return f"{wrong} of another type" if wrong else ""


def write_concept_folder(folder: Path, pictures: int = 2) -> Path:
    (folder / "images").mkdir(parents=True)
    (folder / "concept.yaml").write_text(f"token: {TOKEN}\nclass_word: logo\nexpected_text: QOGA\n")
    for number in range(pictures):
        drawing().save(folder / "images" / f"{number}.png")
        (folder / "images" / f"{number}.txt").write_text(f"a {TOKEN} on a wall")
    return folder


def captions(draw: random.Random, scratch: Path) -> Iterator[Input]:
    """Files of text: captions of a concept, and the reader of texts alone."""
    folder = write_concept_folder(scratch / "captions")
    file, valid = folder / "images" / "0.txt", f"a photo of a {TOKEN} on a wall,\nin the evening, ©2024 café"
    while True:
        raw = mutated_text(draw, valid)
        file.write_bytes(raw)
        if draw.random() < 0.5:
            yield Input("captions", repr(raw[:80]), lambda: read_text(file), folder, right=odd_text)
        else:
            yield Input("captions", repr(raw[:80]), lambda: load_concept(folder), folder, right=wrong_caption)


def odd_text(text: object) -> str:
    assert isinstance(text, str)
    return "null, carriage return or byte-order mark" if set(text) & {"\0", "\r"} or text.startswith("\ufeff") else ""


def wrong_caption(concept: object) -> str:
    caption = concept.examples[0].caption  # type: ignore[attr-defined]
    return "" if TOKEN in caption and caption == " ".join(caption.split()) else f"caption {caption[:80]!r}"


def concept_settings(draw: random.Random, scratch: Path) -> Iterator[Input]:
    folder = write_concept_folder(scratch / "settings", 1)
    file = folder / "concept.yaml"
    valid = {"token": TOKEN, "class_word": "logo", "expected_text": "QOGA", "prompts": ["a {token}", "two {token}"]}
    while True:
        file.write_bytes(mutated_yaml(draw, valid))
        raw = file.read_bytes()
        yield Input("concept.yaml", repr(raw[:100]), lambda: load_concept(folder), folder, right=wrong_concept)


def mutated_yaml(draw: random.Random, value: object) -> bytes:
    """YAML of a mutated value, or valid YAML mutated as a text."""
    text = yaml.safe_dump(value, sort_keys=False, allow_unicode=True)
    if draw.random() < 0.55:
        try:
            return yaml.safe_dump(mutated_value(draw, value), sort_keys=False, allow_unicode=True).encode(
                "utf-8", "replace"
            )
        except yaml.YAMLError:
            return text.encode()
    how, key = draw.randrange(9), text.split(":")[0]
    odd = (
        "!!python/object/apply:os.system [ls]",
        "&a [*a]",
        "!!binary x",
        "!!set {a}",
        "2020-13-45",
        "[" * 5000,
        "*nowhere",
        "{<<: {a: 1}}",
        "'",
        '"\\x1b[2J"',
        "0o777",
        "1e999",
        ".nan",
        ".inf",
        "!!int x",
        "|\n  a\n b",
        "? [a]",
        "%TAG ! x",
    )
    return (
        {
            0: lambda: mutated_text(draw, text),
            1: lambda: text + f"{key}: again\n",
            2: lambda: text + f"colour: {draw.choice(odd)}\n",
            3: lambda: text.replace(": ", f": {draw.choice(odd)} ", 1),
            4: lambda: text + "---\n" + text,
            5: lambda: text.replace("  ", "\t"),
            6: lambda: (
                "a: &a [x,x,x,x,x,x,x,x,x]\n"
                + "".join(f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(9))
            ),
            7: lambda: "- " * draw.choice((3, 30, 3000)) + text,
            8: lambda: draw.choice(odd) + "\n" + text,
        }[how]().encode("utf-8", "replace")
        if how
        else mutated_text(draw, text)
    )


def wrong_concept(concept: object) -> str:
    config = concept.config  # type: ignore[attr-defined]
    fine = config.token == TOKEN and all("{token}" in prompt for prompt in config.prompts) and config.class_word.strip()
    return "" if fine else f"taken: {config!r}"[:200]


def labels(draw: random.Random, scratch: Path) -> Iterator[Input]:
    """Labelled pictures of a detector, in YOLO's and in COCO's format."""
    place = scratch / "labels"
    split = place / "detector" / "train"
    (split / "images").mkdir(parents=True)
    (split / "labels").mkdir()
    drawing().save(split / "images" / "a.png")
    coco = {
        "images": [{"id": 1, "file_name": "a.png", "width": 40, "height": 32}],
        "annotations": [{"image_id": 1, "bbox": [4, 4, 12, 12], "category_id": 1}],
    }
    while True:
        yolo = draw.random() < 0.5
        file = split / "labels" / "a.txt" if yolo else split / "labels.json"
        raw = (
            mutated_text(draw, "0 0.5 0.5 0.3 0.2\n0 0.1 0.1 0.05 0.05\n")
            if yolo
            else json.dumps(mutated_value(draw, coco)).encode()
        )
        file.write_bytes(raw)
        yield Input("labels", repr(raw[:100]), lambda: load_split(place, "train"), place, right=wrong_boxes)
        file.unlink()


def wrong_boxes(found: object) -> str:
    boxes = [one.box for one in found if one.box is not None]  # type: ignore[attr-defined]
    bad = [
        box for box in boxes if not (np.isfinite(box).all() and box[0] < box[2] and box[1] < box[3] and max(box) < 1e5)
    ]
    return f"box {bad[0]}" if bad else ""


def concept_folders(draw: random.Random, scratch: Path) -> Iterator[Input]:
    """What lies in a folder of pictures: other files, names, links, pipes."""
    number = 0
    while True:
        number += 1
        folder = write_concept_folder(scratch / "folders" / str(number), 1)
        what = draw.choice(sorted(FOLDER_CHANGES))
        FOLDER_CHANGES[what](draw, folder / "images")
        yield Input("folders", what, partial(_load_and_list, folder), folder)


def _load_and_list(folder: Path) -> object:
    return load_concept(folder), list_pictures(folder / "images")


def _odd_name(draw: random.Random, images: Path) -> None:
    name = draw.choice([n for n in NAUGHTY if n.strip() and "/" not in n and "\0" not in n and len(n.encode()) < 200])
    (images / f"{name}.png").write_bytes(_encoded(drawing(), "PNG"))


FOLDER_CHANGES: dict[str, Callable[[random.Random, Path], object]] = {
    "an odd name": _odd_name,
    "a sub-folder": lambda draw, images: ((images / "10_logo").mkdir(), drawing().save(images / "10_logo" / "b.png")),
    "a folder named like a picture": lambda draw, images: (images / "b.png").mkdir(),
    "a caption without a picture": lambda draw, images: (images / "b.txt").write_text("b"),
    "a picture without a caption": lambda draw, images: drawing().save(images / "b.png"),
    "two pictures of one caption": lambda draw, images: drawing().save(images / "0.jpg"),
    "a link to nothing": lambda draw, images: (images / "b.png").symlink_to("nothing"),
    "a link in a circle": lambda draw, images: (images / "b.png").symlink_to("b.png"),
    "a link to a device": lambda draw, images: (images / "b.png").symlink_to("/dev/zero"),
    "a caption that is a folder": lambda draw, images: ((images / "0.txt").unlink(), (images / "0.txt").mkdir()),
    "an empty picture": lambda draw, images: (images / "b.png").write_bytes(b""),
    "a hidden picture": lambda draw, images: (images / "._0.png").write_bytes(b"\0\5\x16\7"),
    "no picture": lambda draw, images: (images / "0.png").unlink(),
    "no folder": lambda draw, images: ((images / "0.png").unlink(), (images / "0.txt").unlink(), images.rmdir()),
}
