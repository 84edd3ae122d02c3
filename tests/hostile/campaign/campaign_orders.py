"""What finished pictures are ordered by: fonts, masks, edits, creations; and files with several faults at once: every
one must be named with its line.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from bases import build_tiny, save_as_diffusers_folder
from campaign_harness import Input, command
from campaign_mutations import NAUGHTY, mutated_bytes
from campaign_pictures import drawing
from PIL import Image

from brandsmith.concept.brand_kit import BrandKit, load_brand_kit
from brandsmith.concept.concept import demo_folder
from brandsmith.core.errors import BrandsmithError, InvalidInput
from brandsmith.create.ad_brief import load_ad_brief
from brandsmith.create.fonts import bundled_font, check_texts, family_of, font_for, open_font, weight_of
from brandsmith.create.mask_files import box_mask, parse_aspect, parse_box, read_mask
from brandsmith.create.products import read_products

SIZE = 40, 48
"""(height, width) of the picture that masks are for."""


def fonts(draw: random.Random, scratch: Path) -> Iterator[Input]:
    """A kit's font, changed; what is taken can be set."""
    place = scratch / "fonts"
    shutil.copytree(demo_folder(), place, ignore=shutil.ignore_patterns("images", "detector", "held_out", "judges"))
    kit = yaml.safe_load((place / "brand.yaml").read_text(encoding="utf-8"))
    kit["fonts"] = [{"use": "headline", "file": "own.ttf", "licence": "OFL-1.1"}]
    (place / "brand.yaml").write_text(yaml.safe_dump(kit), encoding="utf-8")
    whole = bundled_font("headline").read_bytes()
    number = 0
    while True:
        number += 1
        (place / "own.ttf").write_bytes(mutated_bytes(draw, whole))
        own = scratch / "fonts" / f"own-{number}.ttf"  # fonts are kept open by name
        shutil.move(place / "own.ttf", own)
        kit["fonts"][0]["file"] = own.name
        (place / "brand.yaml").write_text(yaml.safe_dump(kit), encoding="utf-8")
        yield Input("fonts", f"#{number}", lambda: _set(load_brand_kit(place)), place, right=_wrong_set)
        own.unlink()


def _set(kit: BrandKit) -> tuple[str, int, float]:
    """What an ad does with a font: what it lacks, its family and weight, and a headline measured."""
    file = font_for(kit, "headline")
    if wrong := check_texts({"headline": "Warm wool"}, kit):
        raise InvalidInput(wrong[0][1], hint="give another font")
    return family_of(file), weight_of(file), open_font(file, 40).getlength("Warm wool")


def _wrong_set(found: tuple[str, int, float]) -> str:
    family, weight, length = found
    return "" if family.strip() and 0 < weight <= 1000 and 0 < length < 4000 else f"set as {found}"


def masks(draw: random.Random, scratch: Path) -> Iterator[Input]:
    """A mask's file, of every mode and damaged; boxes and shapes as text."""
    place = scratch / "masks"
    place.mkdir()
    numbers = (*NAUGHTY, "1", "7", "40", "48", "49", "-1", "1e3", "٣", "9" * 30, "0")
    while True:
        kind = draw.choice(("file", "file", "box", "shape"))
        if kind == "file":
            picture = _mask_picture(draw)
            file = place / ("mask.tif" if picture.mode in ("F", "I", "CMYK") else draw.choice(("mask.png", "mask.tif")))
            picture.save(file)
            if draw.random() < 0.5:
                file.write_bytes(mutated_bytes(draw, file.read_bytes()))
            yield Input("masks", file.name, lambda file=file: read_mask(file, SIZE), place, right=_wrong_mask)
            file.unlink()
            continue
        text = draw.choice((",", ":", "x", ", ")).join(
            draw.choice(numbers) for _ in range(draw.choice((1, 2, 4, 4, 5)))
        )
        if kind == "box":
            yield Input(
                "masks", repr(text), lambda text=text: box_mask(parse_box(text), SIZE), place, right=_wrong_mask
            )
        else:
            yield Input("masks", repr(text), lambda text=text: parse_aspect(text), place, right=_wrong_shape)


def _mask_picture(draw: random.Random) -> Image.Image:
    height, width = SIZE if draw.random() < 0.8 else (SIZE[1], SIZE[0])
    values = np.zeros((height, width), np.uint8)
    values[5 : draw.choice((5, 6, height)), 5 : draw.choice((6, width))] = draw.choice((0, 127, 128, 255))
    if draw.random() < 0.2:
        values[:] = np.random.default_rng(draw.randrange(99)).integers(0, 256, values.shape)
    if draw.random() < 0.1:
        return Image.fromarray(values.astype(np.float32) * draw.choice((1.0, np.nan, np.inf, -1.0)))
    return Image.fromarray(values).convert(draw.choice(("1", "L", "LA", "RGB", "RGBA", "P", "I", "CMYK")))


def _wrong_mask(mask: Any) -> str:
    fine = isinstance(mask, np.ndarray) and mask.shape == SIZE and mask.dtype == bool and mask.any()
    return "" if fine else f"no mask: {mask!r}"[:200]


def _wrong_shape(aspect: float) -> str:
    return "" if 0 < aspect < float("inf") else f"taken: {aspect}"


def edits(draw: random.Random, scratch: Path) -> Iterator[Input]:
    """`create inpaint` and `create outpaint` with words of every kind; nothing is drawn and nothing written."""
    place, out = scratch / "edits", scratch / "out"
    place.mkdir()
    save_as_diffusers_folder(build_tiny(), place / "tiny")
    drawing().save(place / "photo.png")
    valid: dict[str, dict[str, object]] = {
        "inpaint": {"--box": "2,2,9,9"},
        "outpaint": {"--to": "16:9", "--place": "0.5"},
    }
    values = (*NAUGHTY, "2,2,9,9", "9,9,2,2", "16:9", "0.5", "1", "3", "the cat", place / "photo.png")
    while True:
        kind = draw.choice(sorted(valid))
        given = valid[kind] | {"--strength": "0.5", "--feather": "3", "--tries": "2"}
        if kind == "inpaint" and draw.random() < 0.4:
            del given["--box"]
            given[draw.choice(("--where", "--mask"))] = place / "photo.png"
        for option in draw.sample(sorted(given), draw.choice((0, 1, 2))):
            given[option] = draw.choice(values)
        prompt = draw.choice(("a cat", draw.choice(NAUGHTY)))
        words: list[object] = ["create", kind, place / "photo.png", prompt, "--base", place / "tiny", "--num-steps", 1]
        words += [*(word for pair in given.items() for word in pair), "--out", out, "--dry-run"]
        yield Input("edits", str(words[3:]), _ended(words), place, out=out)


def creations(draw: random.Random, scratch: Path) -> Iterator[Input]:
    """The other commands of `create` with words of every kind; nothing is drawn and nothing written."""
    place, out = scratch / "creations", scratch / "made"
    place.mkdir()
    (place / "ad.yaml").write_text("product: a blue {token} sweater\nheadline: Rain can wait\n", encoding="utf-8")
    (place / "all.csv").write_text("id,name,garments\nQ-01,Cap,cap\n", encoding="utf-8")
    firsts = (("ad", place / "ad.yaml"), ("catalogue", place / "all.csv"), ("moodboard", "rain"), ("views", "a cap"))
    options = ("--seed", "--first-seed", "--budget", "--threshold", "--candidates", "--title", "--views", "--language")
    while True:
        words: list[object] = ["create", *draw.choice(firsts), "--out", out, "--dry-run"]
        if draw.random() < 0.3:
            words[2] = draw.choice(NAUGHTY)
        for option in draw.sample(options, draw.choice((0, 1, 2))):
            words += [option, draw.choice((*NAUGHTY, "0.5", "1", "3", "nl"))]
        yield Input("creations", str(words[1:]), _ended(words), place, out=out)


def _ended(words: list[object]) -> Callable[[], Any]:
    return command(*(str(word).replace("\0", "") for word in words))


# ----------------------------------------------------------------------------- several faults at once

BRIEF_LINES = {
    "product": ("product: a blue {token} sweater", ("product: a blue sweater", "product: a {tokn} cap", "product: 7")),
    "headline": ("headline: Made for rain", ("headline: ''", "headline: A bargain", "headline: Made 夏")),
    "scene": ("scene: on a wall", ("scene: on a {wall}", "scene: [a]")),
    "legal": ("legal: While stocks last.", ("legal: Cheap", "legal: 3.5")),
    "formats": ("formats: [1:1, 300x250]", ("formats: [1:1, 3x3]", "formats: []", "formats: {a: b}")),
    "candidates": ("candidates: 4", ("candidates: many", "candidates: 0", "candidates: 2000")),
    "seed": ("seed: 3", ("seed: -1", "seed: 1.5")),
    "file_type": ("file_type: png", ("file_type: gif", "file_type: true")),
    "draw": ("draw: {num_steps: 9}", ("draw: {steps: 3}", "draw: {num_steps: none}")),
    "exact_mark": ("exact_mark: true", ("exact_mark: often", "exact_mark: 2")),
}
KIT_LINES = {
    "name": ("name: QOGA", ("name: ''", "name: 3")),
    "mark": (
        "mark: {light: mark.svg}",
        ("mark: {light: none.svg}", "mark: {light: mark.svg, clear_space: 9}", "mark: {}", "mark: mark.svg"),
    ),
    "palette": (
        "palette: [{name: Red, hex: '#DE2630'}]",
        ("palette: []", "palette: [{name: Red, hex: red}]", "palette: [{name: A, hex: '#000000', tolerance: 0}]"),
    ),
    "fonts": ("fonts: []", ("fonts: [{use: headline, file: none.ttf, licence: OFL}]", "fonts: [{use: body}]")),
    "words": ("words: {never: [cheap]}", ("words: {must: [a], never: [A]}", "words: {some: [a]}")),
    "rights": ("rights: {owner: QOGA}", ("rights: {}", "rights: {owner: ' '}")),
}
ROW = {"id": "Q-1", "name": "Cap", "garments": "cap", "colours": "blue", "views": "front", "prompt": ""}
WRONG_CELLS = {
    "id": ("", "Q 1", "Ä-1", "x" * 70),
    "name": ("", "n" * 200),
    "garments": ("", "cap; cap"),
    "colours": ("red; red", "red; " + "b" * 250),
    "views": ("sideways", "front; front"),
    "prompt": ("a {thing}", "a {token", "a {token} by the sea"),
}


def faulty_briefs(draw: random.Random, scratch: Path) -> Iterator[Input]:
    """An ad's brief with one to five faults."""
    place = scratch / "faulty-briefs"
    place.mkdir()
    yield from _faulty_yaml(draw, "faulty briefs", place / "ad.yaml", BRIEF_LINES, load_ad_brief)


def faulty_kits(draw: random.Random, scratch: Path) -> Iterator[Input]:
    """A brand kit with one to five faults."""
    place = scratch / "faulty-kits"
    shutil.copytree(demo_folder(), place, ignore=shutil.ignore_patterns("images", "detector", "held_out", "judges"))
    yield from _faulty_yaml(
        draw, "faulty kits", place / "brand.yaml", KIT_LINES, lambda file: load_brand_kit(file.parent)
    )


def _faulty_yaml(
    draw: random.Random,
    boundary: str,
    file: Path,
    lines: Mapping[str, tuple[str, tuple[str, ...]]],
    load: Callable[[Path], object],
) -> Iterator[Input]:
    while True:
        keys = draw.sample(sorted(lines), len(lines))
        wrong = set(draw.sample(keys, draw.randint(1, min(5, len(keys)))))
        text = [draw.choice(lines[key][1]) if key in wrong else lines[key][0] for key in keys]
        if draw.random() < 0.3:
            text.insert(place := draw.randint(0, len(text)), "unheard_of: 1")
            keys.insert(place, "unheard_of")
            wrong.add("unheard_of")
        file.write_text("\n".join(text) + "\n", encoding="utf-8")
        needed = {number: key for number, key in enumerate(keys, 1) if key in wrong}
        yield Input(boundary, repr(text), _names_all(lambda: load(file), needed), file.parent, refuse=True)


def faulty_products(draw: random.Random, scratch: Path) -> Iterator[Input]:
    """A table of two to six products in which one to five cells are wrong."""
    place = scratch / "faulty-products"
    place.mkdir()
    file = place / "all.csv"
    while True:
        rows = [dict(ROW, id=f"Q-{number}") for number in range(draw.randint(2, 6))]
        needed: dict[int, str] = {}
        for number in draw.sample(range(len(rows)), draw.randint(1, min(5, len(rows)))):
            column = draw.choice(sorted(WRONG_CELLS))
            rows[number][column] = draw.choice(WRONG_CELLS[column])
            needed[number + 2] = column.removesuffix("s")  # "unknown view"
        if len(rows) > len(needed) and draw.random() < 0.3:
            number = draw.choice([own for own in range(len(rows)) if own + 2 not in needed])
            rows[number]["prompt"] = "one, cell, too, many"  # commas, and no quotes
            needed[number + 2] = "cells"
        text = "\n".join([",".join(ROW), *(",".join(row.values()) for row in rows)])
        file.write_text(text + "\n", encoding="utf-8")
        yield Input("faulty products", repr(text), _names_all(lambda: read_products(file), needed), place, refuse=True)


def _names_all(load: Callable[[], object], needed: Mapping[int, str]) -> Callable[[], object]:
    """`load`, whose refusal must name every line of `needed` with its key; else an AssertionError."""

    def call() -> object:
        try:
            return load()
        except BrandsmithError as error:
            told = str(error).splitlines()
            for number, key in needed.items():
                own = [line for line in told if line.strip().startswith(f"line {number}: ")]
                assert any(key in line for line in own), f"line {number} ({key}) is not told in {told}"
            raise

    return call
