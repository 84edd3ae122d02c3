"""The kit's page: one page with every colour, word and right, the same bytes every time, nothing overwritten."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from PIL import Image

from brandsmith.concept.brand_kit import load_brand_kit
from brandsmith.concept.concept import demo_folder
from brandsmith.core.errors import InvalidConfig
from brandsmith.create.kit_page import kit_page, write_kit_page


def test_one_page_shows_every_colour_of_the_palette(tmp_path):
    kit = load_brand_kit("demo")
    (page,) = kit_page(kit, tmp_path).as_pictures(60)
    pixels = np.asarray(page).reshape(-1, 3).astype(int)
    shares = {c.name: float((np.abs(pixels - c.rgb).max(axis=1) <= 2).mean()) for c in kit.palette}
    assert min(shares.values()) > 0.005, shares


def test_the_same_kit_is_the_same_file_and_nothing_is_overwritten(tmp_path):
    kit = load_brand_kit("demo")
    write_kit_page(kit, tmp_path / "a.pdf")
    write_kit_page(kit, tmp_path / "b.pdf")
    assert (tmp_path / "a.pdf").read_bytes() == (tmp_path / "b.pdf").read_bytes()
    with pytest.raises(InvalidConfig, match="exists"):
        write_kit_page(kit, tmp_path / "a.pdf")
    with pytest.raises(InvalidConfig, match="docx"):
        write_kit_page(kit, tmp_path / "a.docx")


def test_a_mark_that_is_a_png_and_a_long_palette_fit_on_the_page_too(tmp_path):
    shutil.copyfile(demo_folder() / "mark.png", tmp_path / "mark.png")
    colours = "\n".join(f'- {{name: Colour {i}, hex: "#{i:02d}60A0"}}' for i in range(24))
    (tmp_path / "brand.yaml").write_text(
        f"name: Acme\nmark: {{light: mark.png}}\npalette:\n{colours}\nrights: {{owner: Acme}}\n", encoding="utf-8"
    )
    (tmp_path / "pages").mkdir()
    pages = kit_page(load_brand_kit(tmp_path), tmp_path / "pages").as_pictures(40)
    assert len(pages) == 1 and isinstance(pages[0], Image.Image)
