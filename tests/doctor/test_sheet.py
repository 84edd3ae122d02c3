"""The sheet shows what the training's own functions make of pictures and captions, with the settings given."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from brandsmith.benchmark.planted_faults import TOKEN, add, picture, said, sound_concept
from brandsmith.core.errors import InvalidConcept, InvalidConfig
from brandsmith.core.pictures import load_rgb
from brandsmith.doctor.before_training import examine_before_training
from brandsmith.doctor.command import examine
from brandsmith.methods.lora import LoraConfig

SIDE, HIGH = 192, 250


def cells(folder, tmp_path, *pairs, also=(), more=0):
    """The cells of a concept's sheet, each (184, 184, 3)."""
    file = tmp_path / f"{len(list(tmp_path.glob('*.png')))}.png"
    examine(str(folder), "pocket", None, file, also, pairs)
    sheet = load_rgb(file)
    places = [(x, y) for y in range(0, len(sheet), HIGH) for x in range(0, sheet.shape[1], SIDE)]
    return [sheet[y + 4 : y + SIDE - 4, x + 4 : x + SIDE - 4].astype(int) for x, y in places]


@pytest.fixture
def folder(tmp_path):
    sound_concept(tmp_path / "brand", 1, more="class_word: logo\n")
    return tmp_path / "brand"


def test_views_are_mirrored_and_tinted_and_cost_a_cell_each(folder, tmp_path):
    plain = cells(folder, tmp_path)[0]
    several = cells(folder, tmp_path, "views=3", "mirror_views=true", "colour_views=0.3")
    assert np.abs(several[0] - plain).max() == 0, "the picture itself comes first"
    assert all(np.abs(own - plain).mean() > 4 for own in several[1:3]) and (several[3] == 255).all()


def test_a_wide_picture_is_whole_in_its_bucket_and_no_fault(folder, tmp_path):
    wide = folder / "images" / "00.png"
    picture(0, 640, 170).save(wide)
    square, bucket = cells(folder, tmp_path)[0], cells(folder, tmp_path, "buckets=true")[0]
    used = (bucket != 255).any(axis=(1, 2)).mean()
    assert (square != 255).any(axis=(1, 2)).all() and used < 0.4
    kinds = [[own.kind for own in examine(str(folder), "pocket", None, None, (), pairs)[0].findings] for pairs in ROWS]
    assert "extreme shape" in kinds[0] and "extreme shape" not in kinds[1]
    with pytest.raises(InvalidConcept, match=r"(?s)buckets=true.*or cut it"):
        examine_before_training([str(folder)], "pocket", LoraConfig())
    examine_before_training([str(folder)], "pocket", LoraConfig(buckets=True))


ROWS = ((), ("buckets=true",))


def test_what_a_mask_or_transparency_leaves_out_is_dark(folder, tmp_path):
    bright = cells(folder, tmp_path, "mask_weight=1")[0]
    (folder / "masks").mkdir()
    half = np.zeros((160, 160), np.uint8)
    half[:, :80] = 255
    Image.fromarray(half).save(folder / "masks" / "00.png")
    masked = cells(folder, tmp_path, "mask_weight=5")[0]
    assert np.abs(masked[:, :80] - bright[:, :80]).max() <= 3
    assert masked[:, 110:].mean() < 0.45 * bright[:, 110:].mean()
    (folder / "masks" / "00.png").unlink()
    clear = picture(0).convert("RGBA")
    clear.putalpha(Image.fromarray(half))
    clear.save(folder / "images" / "00.png")
    assert np.abs(cells(folder, tmp_path, "mask_weight=5")[0][:, :80] - masked[:, :80]).max() <= 3


def test_repeats_weights_captions_and_other_concepts_are_shown(folder, tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr("brandsmith.doctor.sheet.Cell", lambda pixels, name, text: shown.append((name, text)) or CELL)
    config = folder / "concept.yaml"
    config.write_text(f'{config.read_text()}repeats: {{"images/*": 10}}\nweights: {{"class_images/*": 0.5}}\n')
    said(folder / "images" / "00.png", f"a {TOKEN}, red, blue, green, grey, white")
    add(folder / "class_images" / "c.png", 61, "a logo")
    sound_concept(tmp_path / "other", 1)
    config = tmp_path / "other" / "concept.yaml"
    config.write_text(config.read_text().replace(TOKEN, "other_token_x"))
    said(tmp_path / "other" / "images" / "00.png", "a other_token_x")
    cells(folder, tmp_path, "shuffle_tags=true", "prior_weight=1", "views=2", also=[str(tmp_path / "other")])
    names, texts = zip(*shown, strict=True)
    assert names == ("00.png, x 10", "00.png, view 2", "00.png", "00.png, view 2", "class: c.png, weight 0.5")
    assert texts[0] != texts[1] and sorted(texts[0].split(", ")) == sorted(texts[1].split(", "))
    assert texts[2] == "a other_token_x" and texts[0].startswith(f"a {TOKEN}, ")
    shown.clear()
    cells(folder, tmp_path, "caption_dropout=1")
    assert [text for _, text in shown] == ["(no caption)"], "the class's pictures are not trained on without a weight"
    with pytest.raises(InvalidConfig, match="buckts"):
        cells(folder, tmp_path, "buckts=true")


class _Cell:
    pixels, name, said = None, "", ""


CELL = _Cell()
