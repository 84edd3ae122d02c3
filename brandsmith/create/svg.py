"""An ad as SVG: the picture embedded, the button a shape, the mark its own vector, and every text live.

The bundled font travels inside the file (its licence allows it); a kit's own fonts are named and must be installed
where the file is opened.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from html import escape
from pathlib import Path

from PIL import Image

from brandsmith.concept.brand_kit import BrandKit
from brandsmith.concept.mark_art import draw_mark_art, is_vector, shown_part
from brandsmith.core.pictures import picture_size
from brandsmith.create.ad_compose import ComposedAd, Layer, LiveText
from brandsmith.create.contrast import Rgb
from brandsmith.create.fonts import FontUse, bundled_font, family_of, weight_of
from brandsmith.create.text_layout import line_width

PICTURE_QUALITY = 92
"""Of the embedded JPEG: an SVG is for setting the texts anew, the PNG beside it for publishing."""
MARK_PX = 2048
"""Width at which a mark that is no vector is embedded, at most its own."""


def svg_bytes(ad: ComposedAd, kit: BrandKit) -> bytes:
    return ("\n".join(_lines(ad, kit)) + "\n").encode()


def _lines(ad: ComposedAd, kit: BrandKit) -> Iterator[str]:
    width, height = ad.format.width, ad.format.height
    yield f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
    yield f"  <title>{escape(' '.join(ad.texts[0].placed.block.lines))}</title>"
    yield from _font_faces(ad)
    for layer in ad.layers:
        live = next((text for text in ad.texts if text.name == layer.name), None)
        if live:
            yield _text(live)
        elif layer.name == "picture":
            yield _image("picture", _jpeg(layer.image), "image/jpeg", 0, 0, width, height)
        elif layer.name == "button" and ad.button:
            yield _pill(layer, ad.button.colour)
        elif layer.name == "mark":
            yield _mark(layer, kit.mark_file(dark=ad.mark_is_dark))
        else:
            yield _image(layer.name, _png(layer.image), "image/png", layer.left, layer.top, *layer.image.size)
    yield "</svg>"


def _font_faces(ad: ComposedAd) -> Iterator[str]:
    uses: tuple[FontUse, ...] = ("headline", "text")
    ours = {bundled_font(use) for use in uses}
    for font in sorted({live.placed.block.style.font for live in ad.texts} & ours):
        data = base64.b64encode(font.read_bytes()).decode()
        yield (
            f"  <style>@font-face {{ font-family: '{family_of(font)}'; font-weight: {weight_of(font)}; "
            f"src: url(data:font/ttf;base64,{data}) }}</style>"
        )


def _text(live: LiveText) -> str:
    """One `text` with a `tspan` a line, and no blank between them, which would be set. Right-to-left lines hang from
    their middle: programs differ in which end of them is the start.
    """
    placed, block = live.placed, live.placed.block
    font = block.style.font
    turned = ' direction="rtl" text-anchor="middle"' if block.right_to_left else ""
    spans = []
    for i, line in enumerate(block.lines):
        half = line_width(line, font, block.size_px) / 2 if block.right_to_left else 0.0
        x, y = placed.left + block.line_x(i) + half, placed.top + block.baseline(i)
        spans.append(f'<tspan x="{x:g}" y="{y}">{escape(line)}</tspan>')
    return (
        f'  <text id="{live.name}" font-family="{escape(family_of(font))}" font-weight="{weight_of(font)}" '
        f'font-size="{block.size_px}" fill="{_hex(live.colour)}"{turned}>{"".join(spans)}</text>'
    )


def _pill(layer: Layer, colour: Rgb) -> str:
    wide, high = layer.image.size
    return (
        f'  <rect id="button" x="{layer.left}" y="{layer.top}" width="{wide}" height="{high}" rx="{high / 2:g}" '
        f'fill="{_hex(colour)}"/>'
    )


def _mark(layer: Layer, file: Path) -> str:
    """The kit's own vector, placed so that what it shows fills the layer; a PNG where the kit has no vector."""
    wide, high = layer.image.size
    if not is_vector(file):
        art = draw_mark_art(file, min(MARK_PX, max(wide, picture_size(file)[0])))
        return _image("mark", _png(art), "image/png", layer.left, layer.top, wide, high)
    x0, y0, x1, y1 = shown_part(file)
    whole_wide, whole_high = wide / (x1 - x0), high / (y1 - y0)
    left, top = layer.left - x0 * whole_wide, layer.top - y0 * whole_high
    return _image("mark", file.read_bytes(), "image/svg+xml", left, top, whole_wide, whole_high)


def _image(name: str, content: bytes, kind: str, x: float, y: float, wide: float, high: float) -> str:
    data = base64.b64encode(content).decode()
    place = f'x="{x:g}" y="{y:g}" width="{wide:g}" height="{high:g}"'
    return f'  <image id="{escape(name)}" {place} preserveAspectRatio="none" href="data:{kind};base64,{data}"/>'


def _jpeg(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.convert("RGB").save(out, "JPEG", quality=PICTURE_QUALITY, subsampling=0)
    return out.getvalue()


def _png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def _hex(colour: Rgb) -> str:
    return "#" + "".join(f"{channel:02x}" for channel in colour)
