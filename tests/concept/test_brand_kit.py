"""The brand kit: read from either place, and every mistake shown at once with its line."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from PIL import Image

from brandsmith.concept.brand_kit import has_brand_kit, load_brand_kit
from brandsmith.concept.concept import demo_folder, load_concept
from brandsmith.concept.mark_art import draw_mark_art
from brandsmith.core.errors import BrandsmithError, InvalidConcept, InvalidConfig, MissingResource

KIT = """\
name: Acme
mark: {light: mark.svg}
palette:
- {name: Red, hex: "#DE2630"}
rights: {owner: Acme}
"""


@pytest.fixture
def home(tmp_path):
    shutil.copyfile(demo_folder() / "mark.svg", tmp_path / "mark.svg")
    return tmp_path


def written(home, text):
    (home / "brand.yaml").write_text(text, encoding="utf-8")
    return home


def test_the_demo_s_kit_is_whole():
    kit = load_brand_kit("demo")
    assert kit.name == "QOGA" and kit.palette[0].rgb == (0xDE, 0x26, 0x30)
    assert kit.mark_file().is_file() and kit.mark_file(dark=True).is_file()


def test_the_vector_is_the_mark_that_was_taught():
    taught = np.asarray(Image.open(demo_folder() / "mark.png").convert("RGBA"), float)
    drawn = np.asarray(draw_mark_art(load_brand_kit("demo").mark_file(), taught.shape[1]), float)
    assert drawn.shape == taught.shape
    assert np.abs(drawn - taught).mean() < 2


def test_a_small_kit_has_the_defaults(home):
    kit = load_brand_kit(written(home, KIT))
    assert kit.mark_file(dark=True) == kit.mark_file() == home / "mark.svg"
    assert kit.font_file("headline") is None and kit.settings.mark.smallest_px == 64


def test_a_wrong_size_hides_neither_a_missing_mark_nor_a_file_outside(home):
    text = KIT.replace("mark.svg}", "no.svg, dark: ../mark.svg, clear_space: -1}").replace("#DE2630", "red")
    with pytest.raises(InvalidConfig) as caught:
        load_brand_kit(written(home, text))
    told = str(caught.value)
    for part in ("line 2: mark.clear_space", "line 2: mark.light: ", "line 4: palette.0.hex"):
        assert part in told, part
    assert "line 2: mark.dark: '../mark.svg' lies outside the kit's folder" in told


def test_it_may_be_a_part_of_concept_yaml(home):
    shutil.copytree(demo_folder(), home / "demo")
    (home / "demo" / "brand.yaml").unlink()
    assert not has_brand_kit(home / "demo")
    indented = "".join(f"  {line}\n" for line in KIT.splitlines())
    file = home / "demo" / "concept.yaml"
    file.write_text(file.read_text() + f"brand:\n{indented}")
    assert load_brand_kit(home / "demo").name == "Acme"
    assert load_concept(home / "demo").token == "red_qoga_logo"
    file.write_text(file.read_text().replace("#DE2630", "red"))
    with pytest.raises(InvalidConfig, match=r"line 14: palette\.0\.hex"):
        load_brand_kit(home / "demo")


def test_every_mistake_is_shown_with_its_line(home):
    (home / "broken.ttf").write_bytes(b"no font")
    Image.new("RGB", (8, 8)).save(home / "opaque.png")
    text = """\
name: Acme
mark: {light: nowhere.svg, dark: opaque.png, clear_space: -1}
palette:
- {name: Red, hex: red}
- {name: red, hex: "#000000", tolerance: 0}
fonts:
- {use: headline, file: broken.ttf}
colour: blue
rights: {}
"""
    with pytest.raises(InvalidConfig) as caught:
        load_brand_kit(written(home, text))
    shown = str(caught.value)
    for part in (
        "line 2: mark.clear_space",
        "line 4: palette.0.hex",
        "line 5: palette.1.tolerance",
        "line 7: 'fonts.0.licence' is missing",
        "line 8: unknown key 'colour'; allowed here: name, mark",
        "line 9: 'rights.owner' is missing",
    ):
        assert part in shown, part
    right_shape = (
        text.replace(", clear_space: -1", "").replace("hex: red", 'hex: "#FF0000"').replace("tolerance: 0", "")
    )
    right_shape = (
        right_shape.replace("ttf}", "ttf, licence: OFL-1.1}").replace("colour: blue\n", "").replace("{}", "{owner: A}")
    )
    with pytest.raises(InvalidConfig) as caught:
        load_brand_kit(written(home, right_shape.replace('#000000", ', '#000000"')))
    shown = str(caught.value)
    for part in (
        "line 2: mark.light",
        "line 2: mark.dark",
        "no transparent ground",
        "'red' is there twice",
        "line 7: fonts.0.file",
    ):
        assert part in shown, part


def test_what_is_wrong_in_a_needed_part_hides_no_file(home):
    (home / "own.ttf").write_bytes(b"\0\1\0\0" + b"x" * 99)
    lines = (
        "name: ''",
        "mark: {light: none.svg, clear_space: 9}",
        "palette: []",
        "fonts: [{use: text, file: own.ttf, licence: OFL}]",
        "rights: {}",
    )
    (home / "brand.yaml").write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(InvalidConfig, match="6 mistakes") as caught:
        load_brand_kit(home)
    for part in ("line 2: mark.light", "line 2: mark.clear_space", "line 4: fonts.0.file", "no font that can be read"):
        assert part in str(caught.value), part


def test_without_a_kit_the_error_says_what_to_write(tmp_path):
    with pytest.raises(MissingResource, match="no brand kit"):
        load_brand_kit(tmp_path)


@pytest.mark.parametrize("content", ["<svg", "<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>", ""])
def test_art_that_shows_nothing_is_refused(tmp_path, content):
    (tmp_path / "mark.svg").write_text(content)
    with pytest.raises((InvalidConcept, BrandsmithError)):
        draw_mark_art(tmp_path / "mark.svg", 100)
