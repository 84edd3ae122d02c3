"""An ad as a layered Photoshop file: the picture, the button, each text and the mark, each on a layer of its own."""

from __future__ import annotations

from io import BytesIO

from PIL import Image

from brandsmith.create.ad_compose import ComposedAd, Layer


def psd_bytes(ad: ComposedAd) -> bytes:
    """RGB with transparency, 8 bits; every layer whole, the finished ad as the picture that other programs show."""
    from psd_tools import PSDImage

    document = PSDImage.new("RGBA", (ad.format.width, ad.format.height))
    for layer in ad.layers:
        inside = _inside(layer, (ad.format.width, ad.format.height))
        document.create_pixel_layer(inside.image, name=inside.name, top=inside.top, left=inside.left)
    out = BytesIO()
    document.save(out)
    return out.getvalue()


def _inside(layer: Layer, size: tuple[int, int]) -> Layer:
    """The layer cut to what it shows: a text's layer has a wide empty margin."""
    x0, y0, x1, y1 = layer.image.getchannel("A").getbbox() or (0, 0, 1, 1)
    x0, y0 = max(x0, -layer.left), max(y0, -layer.top)
    x1, y1 = min(x1, size[0] - layer.left), min(y1, size[1] - layer.top)
    cut: Image.Image = layer.image.crop((x0, y0, x1, y1))
    return Layer(layer.name, cut, layer.left + x0, layer.top + y0)
