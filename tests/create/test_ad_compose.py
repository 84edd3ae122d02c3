"""An ad in any format: nothing over the product, the mark's space kept, contrast measured; what fails is refused."""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from PIL import Image, features

from brandsmith.concept.brand_kit import load_brand_kit
from brandsmith.concept.concept import demo_folder
from brandsmith.core.pictures import load_rgb
from brandsmith.create.ad_compose import compose_ad, shared_area
from brandsmith.create.ad_slots import FormatRefused
from brandsmith.create.contrast import AA, contrast_of, contrast_on
from brandsmith.create.fonts import bundled_font
from brandsmith.create.formats import parse_format
from brandsmith.create.ground import find_product, fit_ground, is_plain
from brandsmith.create.psd import psd_bytes
from brandsmith.create.srgb import srgb_profile
from brandsmith.create.svg import svg_bytes

TEXTS = {
    "headline": "Made for the first cold morning",
    "call_to_action": "Shop the line",
    "legal": "While stocks last.",
}
FORMATS = (
    "1:1",
    "4:5",
    "9:16",
    "16:9",
    "leaderboard",
    "300x250",
    "970x250",
    "160x600",
    "468x60",
    "1013x577",
    "331x997",
)
KIT = load_brand_kit("demo")


def pictures():
    return [load_rgb(path) for path in sorted((demo_folder() / "images").glob("*.png"))[:6]]


@pytest.fixture(scope="module")
def product():
    """A grey box with a red patch on a ground that gets darker downwards."""
    ground = np.linspace(240, 215, 128)[:, None, None] * np.ones((1, 128, 3)) * [1.0, 0.96, 0.97]
    ground[40:100, 44:84] = (60, 90, 70)
    ground[60:74, 50:78] = (222, 38, 48)
    return find_product(ground.astype(np.uint8))


def test_the_product_is_found_and_its_ground_is_plain(product):
    assert product.box == pytest.approx((44, 40, 84, 100), abs=1.5)
    assert is_plain(product, fit_ground(product))


def test_true_pictures_have_one_product_that_is_not_the_whole_picture():
    boxes = [find_product(picture).box for picture in pictures()]
    areas = [(x1 - x0) * (y1 - y0) / 128**2 for x0, y0, x1, y1 in boxes]
    assert len(areas) == 6 and sum(0.1 < area < 0.95 for area in areas) >= 5


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_everything_has_its_own_place(product, name):
    wanted = parse_format(name)
    small = wanted.width < 330 or wanted.height < 80  # no room for small print
    texts = {"headline": TEXTS["headline"]} if small else TEXTS
    ad = compose_ad(product, texts, KIT, wanted)
    boxes = ad.as_json()["boxes"]
    for box in boxes.values():
        assert -1 <= box[0] < box[2] <= wanted.width + 1 and -1 <= box[1] < box[3] <= wanted.height + 1
    apart = [own for own in boxes if own not in ("mark", "call_to_action")]
    shared = {(one, other): shared_area(boxes[one], boxes[other]) for one, other in combinations(apart, 2)}
    assert len(shared) >= 3 and not any(shared.values()), shared
    assert min(ad.as_json()["contrast"].values()) >= AA
    assert boxes["mark"][2] - boxes["mark"][0] >= KIT.settings.mark.smallest_px - 1
    assert ad.flattened().size == (wanted.width, wanted.height)


def test_the_ground_is_carried_on_without_a_seam(product):
    flat = np.asarray(compose_ad(product, {"headline": "A"}, KIT, parse_format("16:9")).flattened()).astype(float)
    rows = flat[60:1020, 1880]  # far outside the picture
    assert np.abs(np.diff(rows, axis=0)).max() < 3
    assert np.abs(np.diff(flat[1050], axis=0)).max() < 3


def test_a_busy_picture_stays_whole_in_a_frame():
    busy = np.random.default_rng(0).integers(0, 255, (128, 128, 3), np.uint8)
    for name in ("1:1", "16:9", "leaderboard"):
        ad = compose_ad(find_product(busy), TEXTS, KIT, parse_format(name))
        assert not ad.staged.carried_on
        assert all(shared_area(live.placed.box, ad.staged.product) == 0 for live in ad.texts)


def test_a_face_is_part_of_the_product_and_never_covered():
    """A wearer: a pale face under dark hair, whose place is known, over a garment."""
    scene = np.full((128, 128, 3), (205, 214, 226), np.uint8)
    rows, columns = np.mgrid[:128, :128]
    scene[(rows - 30) ** 2 + (columns - 66) ** 2 < 13**2] = (60, 40, 30)
    scene[(rows - 33) ** 2 + (columns - 66) ** 2 < 11**2] = (224, 190, 168)
    scene[48:120, 44:90] = (60, 90, 160)
    found = find_product(scene)
    for name in ("1:1", "9:16", "16:9", "leaderboard", "613x409"):
        ad = compose_ad(found, {"headline": TEXTS["headline"]}, KIT, parse_format(name))
        boxes, person = ad.as_json()["boxes"], ad.staged.product
        scale = (person[3] - person[1]) / (found.box[3] - found.box[1])
        left, top = person[0] - found.box[0] * scale, person[1] - found.box[1] * scale
        face = (left + 53 * scale, top + 19 * scale, left + 79 * scale, top + 46 * scale)
        assert person[1] <= face[1] and face[0] >= person[0] and face[2] <= person[2], "the face is not in the box"
        assert not any(shared_area(boxes[own], face) for own in boxes if own != "product"), name


def test_a_text_that_no_colour_makes_readable_is_refused(monkeypatch):
    """On a steep fall of light, by a kit whose lightest colour is a middle grey."""
    grey = KIT.palette[0].model_copy(update={"hex": "#777777"})
    kit = replace(KIT, settings=KIT.settings.model_copy(update={"palette": (grey,)}))
    scene = np.linspace(0, 255, 128)[:, None, None] * np.ones((1, 128, 3))
    scene[50:90, 50:80] = (222, 38, 48)
    with pytest.raises(FormatRefused, match=r"hard to read: contrast [1-4]\.\d on the picture, WCAG AA asks 4\.5"):
        compose_ad(find_product(scene.astype(np.uint8)), TEXTS, kit, parse_format("4:5"))


def test_too_much_text_is_refused_with_the_reason(product):
    with pytest.raises(FormatRefused, match="headline does not fit"):
        compose_ad(product, {"headline": "word " * 80}, KIT, parse_format("468x60"))
    with pytest.raises(FormatRefused, match="the mark does not fit"):
        compose_ad(product, {"headline": "A"}, KIT, parse_format("60x60"))


def test_right_to_left_headlines_turn_the_layout_round(product):
    if not (features.check("raqm") and features.check("fribidi")):
        pytest.fail("raqm with FriBidi is missing here: install libfribidi0")
    texts = TEXTS | {"headline": "נעשה לגשם הראשון"}
    wide = compose_ad(product, texts, KIT, parse_format("16:9")).as_json()["boxes"]
    assert wide["headline"][0] > wide["product"][2] and wide["mark"][0] > wide["product"][2]


def test_contrast_is_wcag_s():
    assert contrast_of((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    assert contrast_of((119, 119, 119), (255, 255, 255)) == pytest.approx(4.48, abs=0.01)
    mixed = np.array([[0, 0, 0]] * 90 + [[255, 255, 255]] * 10)
    assert contrast_on((255, 255, 255), mixed) == pytest.approx(1)


def test_the_layered_file_shows_the_ad_and_has_every_layer(product, tmp_path):
    from psd_tools import PSDImage

    ad = compose_ad(product, TEXTS, KIT, parse_format("300x250"))
    for name in ("a.psd", "b.psd"):
        (tmp_path / name).write_bytes(psd_bytes(ad))
    assert (tmp_path / "a.psd").read_bytes() == (tmp_path / "b.psd").read_bytes()
    opened = PSDImage.open(tmp_path / "a.psd")
    assert [layer.name for layer in opened] == ["picture", "button", *ad.slots.texts, "mark"]
    shown = Image.new("RGBA", (300, 250))
    for layer in opened:
        shown.alpha_composite(layer.topil().convert("RGBA"), (layer.left, layer.top))
    assert np.abs(np.asarray(shown.convert("RGB"), int) - np.asarray(ad.flattened(), int)).max() <= 1


def test_texts_of_the_svg_are_live_and_its_pictures_embedded(product, tmp_path):
    ad = compose_ad(product, TEXTS, KIT, parse_format("16:9"))
    (tmp_path / "ad.svg").write_bytes(svg_bytes(ad, KIT))
    root = ElementTree.parse(tmp_path / "ad.svg").getroot()
    space = "{http://www.w3.org/2000/svg}"
    spans = [span.text for text in root.iter(f"{space}text") for span in text]
    assert " ".join(spans[:2]) == TEXTS["headline"] or " ".join(spans[:3]) == TEXTS["headline"]
    assert {image.get("id") for image in root.iter(f"{space}image")} == {"picture", "mark"}
    assert not re.search(r'href="(?!data:)', (tmp_path / "ad.svg").read_text(encoding="utf-8"))


@pytest.mark.parametrize("headline", ["Made for rain", "נעשה לגשם הראשון"])
def test_a_renderer_that_knows_the_font_draws_the_svg_as_the_picture(product, tmp_path, headline):
    import resvg_py

    ad = compose_ad(product, TEXTS | {"headline": headline}, KIT, parse_format("300x250"))
    (tmp_path / "ad.svg").write_bytes(svg_bytes(ad, KIT))
    fonts = [str(bundled_font(use)) for use in ("headline", "text")]
    drawn = resvg_py.svg_to_bytes(svg_string=(tmp_path / "ad.svg").read_text(encoding="utf-8"), font_files=fonts)
    shown = np.asarray(Image.open(io.BytesIO(bytes(drawn))).convert("RGB"), int)
    away = np.abs(shown - np.asarray(ad.flattened(), int)).max(axis=2)
    assert away.mean() < 3 and (away > 90).mean() < 0.004, (away.mean(), (away > 90).mean())


def test_the_profile_has_a_fixed_date_and_is_read_as_srgb():
    from PIL import ImageCms

    profile = srgb_profile()
    assert profile[24:36].hex() == "07d000010001000000000000"
    assert "sRGB" in ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile)))
