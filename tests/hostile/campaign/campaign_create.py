"""What finished pictures are made from, and what they say of themselves: brand kits, briefs, tables of products, marks,
signed pictures.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from campaign_harness import Input
from campaign_mutations import NAUGHTY, mutated_bytes, mutated_text
from campaign_pictures import drawing, mutated_yaml
from PIL import Image

from brandsmith.concept.brand_kit import BrandKit, load_brand_kit
from brandsmith.concept.concept import demo_folder
from brandsmith.concept.mark_art import draw_mark_art
from brandsmith.core.errors import InvalidInput
from brandsmith.core.pictures import load_rgb
from brandsmith.create.ad_brief import AdBrief, load_ad_brief
from brandsmith.create.products import Product, items_of, read_products
from brandsmith.provenance.claim import Claim, Source
from brandsmith.provenance.found import Found, State, read_found
from brandsmith.provenance.signature import encoded, signed

SVG = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 90 40">{}</svg>'
SHAPES = (
    '<rect width="50" height="20" rx="3" fill="#d22" transform="rotate(3)"/>',
    '<path d="M0 0 L9 9 C1 2 3 4 50 30 Z" stroke="black" stroke-width="2" stroke-dasharray="1 2"/>',
    '<defs><linearGradient id="g"><stop offset="0" stop-color="red"/></linearGradient></defs>'
    '<circle r="9" cx="9" cy="9" fill="url(#g)"/>',
    '<g id="a"><use xlink:href="#a"/><circle r="5" cx="9" cy="9"/></g>',
    '<filter id="f"><feGaussianBlur stdDeviation="1"/></filter><rect filter="url(#f)" width="9" height="9"/>',
    '<image xlink:href="file:///etc/hostname" width="9" height="9"/><rect width="9" height="9"/>',
    '<style>@import url(http://x.y/z.css); rect {fill: red}</style><rect width="9" height="9"/>',
)


def kits(draw: random.Random, scratch: Path) -> Iterator[Input]:
    """`brand.yaml`, changed, beside the demo's mark."""
    place = scratch / "kits"
    shutil.copytree(demo_folder(), place, ignore=shutil.ignore_patterns("images", "detector", "held_out", "judges"))
    file = place / "brand.yaml"
    valid = yaml.safe_load(file.read_text(encoding="utf-8"))
    while True:
        file.write_bytes(mutated_yaml(draw, valid))
        yield Input("kits", repr(file.read_bytes()[:90]), lambda: load_brand_kit(place), place, right=wrong_kit)


def wrong_kit(kit: Any) -> str:
    fine = isinstance(kit, BrandKit) and kit.name.strip() and kit.palette and kit.mark_file().is_file()
    return "" if fine and all(0 <= value < 256 for own in kit.palette for value in own.rgb) else f"taken: {kit}"[:200]


def briefs(draw: random.Random, scratch: Path) -> Iterator[Input]:
    """An ad's brief."""
    place = scratch / "briefs"
    place.mkdir()
    file = place / "ad.yaml"
    valid = {
        "product": "a blue {token} sweater",
        "scene": "on a pink background",
        "headline": "Made for the first cold morning",
        "call_to_action": "Shop the line",
        "formats": ["1:1", "300x250"],
        "seed": 5,
        "draw": {"num_steps": 20, "scheduler": "ddim"},
    }
    while True:
        file.write_bytes(mutated_yaml(draw, valid))
        yield Input("briefs", repr(file.read_bytes()[:90]), lambda: load_ad_brief(file), place, right=wrong_brief)


def wrong_brief(brief: Any) -> str:
    if not isinstance(brief, AdBrief):
        return f"no brief: {brief!r}"[:200]
    prompt, sizes = brief.prompt("red_qoga_logo"), brief.sizes
    fine = "red_qoga_logo" in prompt and not {"{", "}"} & set(prompt) and brief.headline.strip()
    return "" if fine and sizes else f"taken: {brief}"[:200]


def products(draw: random.Random, scratch: Path) -> Iterator[Input]:
    """A table of products, and every picture that it asks for."""
    place = scratch / "products"
    place.mkdir()
    file = place / "products.csv"
    valid = (
        "id,name,garments,colours,views,section,text,price,prompt\n"
        'Q-01,Harbour sweater,sweater,blue; green,front; man,Knitwear,"Merino, two sizes",€ 89,\n'
        "Q-02,Cap,cap,red,,Hats,,€ 20,a {colour} {token} {garment} by the sea\n"
    )
    while True:
        cells = [line.split(",") for line in valid.splitlines()]
        for _ in range(draw.choice((0, 1, 2))):
            row = draw.choice(cells)
            row[draw.randrange(len(row))] = draw.choice((*NAUGHTY, "{thing}", "a {thing.x}", "{token!r}", '"'))
        text = "\n".join(",".join(row) for row in cells) + "\n"
        file.write_bytes(mutated_text(draw, text) if draw.random() < 0.5 else text.encode("utf-8", "replace"))

        def read() -> Any:
            found = read_products(file)
            return found, items_of(found, "red_qoga_logo")

        yield Input("products", repr(file.read_bytes()[:90]), read, place, right=wrong_products)


def wrong_products(read: Any) -> str:
    found, items = read
    names = [item.name for item in items]
    fine = found and all(isinstance(own, Product) and own.id and own.name.strip() for own in found)
    fine = fine and len({name.casefold() for name in names}) == len(names) and not any("/" in name for name in names)
    return "" if fine and all(item.prompt.strip().isprintable() for item in items) else f"taken: {items[:2]}"[:200]


def marks(draw: random.Random, scratch: Path) -> Iterator[Input]:
    """A mark as a vector or a picture."""
    place = scratch / "marks"
    place.mkdir()
    picture = drawing().convert("RGBA")
    picture.putalpha(Image.fromarray(np.pad(np.full((12, 12), 255, np.uint8), ((8, 12), (8, 20)))))
    while True:
        file = place / draw.choice(("mark.svg", "mark.svg", "mark.SVG", "mark.png"))
        if file.suffix == ".png":
            picture.save(file)
            file.write_bytes(mutated_bytes(draw, file.read_bytes()))
        else:
            text = SVG.format("".join(draw.sample(SHAPES, draw.choice((1, 2, 3)))))
            for _ in range(draw.choice((0, 1, 2))):
                digit = draw.choice([i for i, sign in enumerate(text) if sign.isdigit()])
                text = text[:digit] + draw.choice(("-9", "0", "1e9", "nan", "99999", "")) + text[digit + 1 :]
            file.write_bytes(mutated_text(draw, text) if draw.random() < 0.4 else text.encode())
        yield Input(
            "marks", repr(file.read_bytes()[:300]), lambda file=file: draw_mark_art(file, 64), place, right=wrong_mark
        )
        file.unlink()


def wrong_mark(art: Any) -> str:
    fine = isinstance(art, Image.Image) and art.mode == "RGBA" and art.width == 64 and 0 < art.height <= 64 * 60
    return "" if fine else f"no mark: {art}"


def signed_pictures(draw: random.Random, scratch: Path) -> Iterator[Input]:
    """Signed pictures, changed: what changed is never called whole, and nothing of it is believed unread."""
    place = scratch / "signed"
    place.mkdir()
    os.environ.setdefault("BRANDSMITH_CONFIG", str(scratch / "config"))  # pytest has set its own
    claim = Claim(Source.TRAINED, '{"prompt": "a cat", "seed": 1}')
    whole = {end: signed(encoded(drawing(), end, {}, 90), claim) for end in (".png", ".jpg", ".webp")}
    said = {end: _said(place / f"whole{end}", content) for end, content in whole.items()}
    number = 0
    while True:
        number += 1
        end = draw.choice(sorted(whole))
        file = place / f"{number}{end}"
        file.write_bytes(mutated_bytes(draw, whole[end]))

        def wrong(found: Any, end: str = end, file: Path = file) -> str:
            return wrong_claim(found, file, *said[end])

        yield Input("signed", f"{end} #{number}", lambda file=file: read_found(file), place, right=wrong)
        file.unlink()


def _said(file: Path, content: bytes) -> tuple[Found, np.ndarray]:
    file.write_bytes(content)
    return read_found(file), load_rgb(file)


def wrong_claim(found: Any, file: Path, whole: Found, pixels: np.ndarray) -> str:
    """C2PA signs neither the room that a signature leaves nor where the manifest stands in the file; the picture and
    all that is said of it are the same then.
    """
    if not isinstance(found, Found):
        return f"nothing found: {found!r}"[:200]
    if found.manifest.state in (State.TAMPERED, State.ABSENT):
        return ""
    try:
        same = np.array_equal(load_rgb(file), pixels)
    except InvalidInput:
        same = True
    return "" if same and found == whole else f"a changed picture is called {found.manifest.state}"
