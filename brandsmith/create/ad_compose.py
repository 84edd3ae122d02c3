"""One ad in one format: a judged picture, real text and the kit's mark, as layers from the ground up.

Checked on the pixels: contrast of every text (WCAG AA), nothing over the product's box, the mark's clear space empty.
What fails is refused with its reason (`FormatRefused`). Not here: how candidates are drawn, which files are written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from brandsmith.concept.brand_kit import BrandKit
from brandsmith.concept.mark_art import draw_mark_art
from brandsmith.create.ad_slots import FormatRefused, MarkRoom, PlacedText, Sheet, Slots, lay_out
from brandsmith.create.contrast import AA, SEEN, Rgb, contrast_on, is_dark, luminance, text_colour
from brandsmith.create.fonts import font_for, is_right_to_left
from brandsmith.create.formats import Format
from brandsmith.create.staging import Product, Staged, stage_product
from brandsmith.create.text_layout import draw_text
from brandsmith.judges.boxes import Box

SUPERSAMPLED = 4
"""A button is drawn so many times as large and shrunk: its edge is smooth."""
PANEL_ALPHA = 232
"""Of the quiet panel behind a text that the picture would make hard to read."""
RATIO_AT_PX = 512


@dataclass(frozen=True)
class Layer:
    """One named layer, its top left corner in the format's pixels."""

    name: str
    image: Image.Image
    """RGBA"""
    left: int
    top: int


@dataclass(frozen=True)
class LiveText:
    """A text with its place and colour, for files in which it stays text."""

    name: str
    placed: PlacedText
    colour: Rgb
    contrast: float


@dataclass(frozen=True)
class Button:
    box: Box
    colour: Rgb


@dataclass(frozen=True)
class ComposedAd:
    """An ad in one format."""

    format: Format
    staged: Staged
    layers: tuple[Layer, ...]
    """From the picture at the bottom up."""
    texts: tuple[LiveText, ...]
    button: Button | None
    slots: Slots
    mark_is_dark: bool
    """Whether the mark's art is the one for dark grounds."""

    def flattened(self) -> Image.Image:
        """RGB, as it is published."""
        canvas = Image.new("RGBA", (self.format.width, self.format.height), (255, 255, 255, 255))
        for layer in self.layers:
            _lay(canvas, layer)
        return canvas.convert("RGB")

    def as_json(self) -> dict[str, Any]:
        """Places, sizes and contrasts, for the manifest."""
        boxes = {live.name: live.placed.box for live in self.texts}
        boxes |= {"product": self.staged.product, "mark": self.slots.mark, "mark_clear": self.slots.mark_clear}
        boxes |= {"button": self.button.box} if self.button else {}
        return {
            "width": self.format.width,
            "height": self.format.height,
            "ground": "carried on" if self.staged.carried_on else "framed",
            "enlarged": round(self.staged.scale, 2),
            "boxes": {name: [round(value, 1) for value in box] for name, box in boxes.items()},
            "lines": {live.name: list(live.placed.block.lines) for live in self.texts},
            "size_px": {live.name: live.placed.block.size_px for live in self.texts},
            "contrast": {live.name: round(live.contrast, 2) for live in self.texts},
        }


def compose_ad(product: Product, texts: Mapping[str, str], kit: BrandKit, wanted: Format) -> ComposedAd:
    """Raises FormatRefused with the reason."""
    slots = lay_out(_sheet(texts, kit, wanted))
    palette = [colour.rgb for colour in kit.palette]
    staged = stage_product(product, slots.stage, slots.frame, wanted, _lightest(palette))
    check_places(slots, staged.product)
    work = _Composition(staged, palette)
    button = work.add_button(slots.button) if slots.button else None
    for name, placed in slots.texts.items():
        work.add_text(name, placed)
    dark = work.add_mark(kit, slots)
    return ComposedAd(wanted, staged, tuple(work.layers), tuple(work.texts), button, slots, dark)


def _sheet(texts: Mapping[str, str], kit: BrandKit, wanted: Format) -> Sheet:
    art = draw_mark_art(kit.mark_file(), RATIO_AT_PX)
    needs = kit.settings.mark
    room = MarkRoom(art.width / art.height, needs.clear_space, needs.smallest_px)
    fonts = font_for(kit, "headline"), font_for(kit, "text")
    return Sheet(wanted, texts, *fonts, room, is_right_to_left(texts["headline"]))


def _lightest(palette: Sequence[Rgb]) -> Rgb:
    return max(palette, key=lambda colour: float(luminance(np.array(colour))))


class _Composition:
    """The layers so far, and the pixels that they make: what the next text is read on."""

    def __init__(self, staged: Staged, palette: Sequence[Rgb]) -> None:
        self.palette = palette
        self.canvas = Image.fromarray(staged.canvas).convert("RGBA")
        self.layers = [Layer("picture", self.canvas.copy(), 0, 0)]
        self.texts: list[LiveText] = []

    def behind(self, box: Box) -> np.ndarray:
        """Pixels (h, w, 3) of a box, which may reach out of the format."""
        x0, y0, x1, y1 = (max(0, round(value)) for value in box)
        return np.asarray(self.canvas.convert("RGB"))[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)]

    def add(self, layer: Layer) -> None:
        self.layers.append(layer)
        _lay(self.canvas, layer)

    def add_button(self, box: Box) -> Button:
        """In the brand's main colour where that is seen on the ground, else in what text would have."""
        ground = self.behind(box)
        main = self.palette[0]
        colour = main if contrast_on(main, ground) >= SEEN else text_colour(ground, self.palette)[0]
        self.add(_pill("button", box, colour))
        return Button(box, colour)

    def add_text(self, name: str, placed: PlacedText) -> None:
        """In the colour that reads best; on a quiet panel where none does. Raises FormatRefused."""
        pixels = self.behind(placed.box)
        colour, contrast = self._button_ink(pixels) if name == "call_to_action" else text_colour(pixels, self.palette)
        if contrast < AA and name != "call_to_action":
            self.add(_panel(f"panel of {name}", placed, _lightest(self.palette)))
            colour, contrast = text_colour(self.behind(placed.box), self.palette)
        if contrast < AA:
            raise FormatRefused(
                f"{name} is hard to read: contrast {contrast:.1f} on the picture, WCAG AA asks {AA}",
                hint="name a scene with a quieter ground",
            )
        pad = placed.block.size_px
        self.add(Layer(name, draw_text(placed.block, colour), placed.left - pad, placed.top - pad))
        self.texts.append(LiveText(name, placed, colour, contrast))

    def _button_ink(self, pixels: np.ndarray) -> tuple[Rgb, float]:
        """White where it reads, as on most buttons."""
        white = contrast_on((255, 255, 255), pixels)
        return ((255, 255, 255), white) if white >= AA else text_colour(pixels, self.palette)

    def add_mark(self, kit: BrandKit, slots: Slots) -> bool:
        """The art that belongs on this ground; returns whether it is the one for dark grounds."""
        dark = is_dark(self.behind(slots.mark_clear))
        art = draw_mark_art(kit.mark_file(dark=dark), round(slots.mark[2] - slots.mark[0]))
        self.add(Layer("mark", art, round(slots.mark[0]), round(slots.mark[1])))
        return dark


def _lay(canvas: Image.Image, layer: Layer) -> None:
    """A layer onto an RGBA canvas, what is outside it left out."""
    left, top = max(-layer.left, 0), max(-layer.top, 0)
    right, bottom = (
        min(layer.image.width, canvas.width - layer.left),
        min(layer.image.height, canvas.height - layer.top),
    )
    if left < right and top < bottom:
        canvas.alpha_composite(layer.image.crop((left, top, right, bottom)), (max(layer.left, 0), max(layer.top, 0)))


def _pill(name: str, box: Box, colour: Rgb, alpha: int = 255, radius: float | None = None) -> Layer:
    wide, high = round(box[2] - box[0]), round(box[3] - box[1])
    large = Image.new("L", (wide * SUPERSAMPLED, high * SUPERSAMPLED), 0)
    corner = (high / 2 if radius is None else radius) * SUPERSAMPLED
    ImageDraw.Draw(large).rounded_rectangle((0, 0, large.width - 1, large.height - 1), corner, fill=alpha)
    shape = Image.new("RGBA", (wide, high), (*colour, 0))
    shape.putalpha(large.resize((wide, high), Image.Resampling.LANCZOS))
    return Layer(name, shape, round(box[0]), round(box[1]))


def _panel(name: str, placed: PlacedText, colour: Rgb) -> Layer:
    pad = 0.45 * placed.block.size_px
    x0, y0, x1, y1 = placed.box
    return _pill(name, (x0 - pad, y0 - pad, x1 + pad, y1 + pad), colour, PANEL_ALPHA, pad)


def check_places(slots: Slots, product: Box) -> None:
    """Raise FormatRefused where a text, the button or the mark with its clear space is over the product, or where
    something is in the mark's clear space.
    """
    placed = {name: text.box for name, text in slots.texts.items()}
    if slots.button:
        placed["button"] = slots.button
    for name, box in (placed | {"mark": slots.mark_clear}).items():
        if shared_area(box, product) > 0:
            raise FormatRefused(f"{name} would stand over the product", hint="shorten the texts")
    for name, box in placed.items():
        if shared_area(box, slots.mark_clear) > 0:
            raise FormatRefused(f"{name} would stand in the mark's clear space", hint="shorten the texts")


def shared_area(one: Box, other: Box) -> float:
    """In square pixels."""
    wide, high = min(one[2], other[2]) - max(one[0], other[0]), min(one[3], other[3]) - max(one[1], other[1])
    return max(0.0, wide) * max(0.0, high)
