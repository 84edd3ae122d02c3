"""A concept expanded, and one made from a mark alone: what is copied, what is made, and what is never touched."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from bases import build_tiny, save_as_diffusers_folder
from lessons import write_concept

from brandsmith.concept.concept import ConceptConfig, demo_folder, load_concept
from brandsmith.core.errors import InvalidConcept
from brandsmith.core.pictures import load_rgb
from brandsmith.evaluate.chain import training_pictures
from brandsmith.judges.cutouts import MARK_FILE, read_cutout
from brandsmith.prepare import from_mark
from brandsmith.prepare.colours import PLAIN, PROTOTYPES
from brandsmith.prepare.expand import Expansion, expand_concept, new_concept
from brandsmith.prepare.find_mark import find_mark
from brandsmith.prepare.from_mark import colours_of, compose
from brandsmith.prepare.shots import FORMS, WORN_FORMS, plan_shots

MARK = demo_folder() / MARK_FILE


def hashes(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def drawn_as_asked(base, prompts, seeds, settings):
    """In the base's place: the product as a square of its colour on its ground, with a red patch where one is named."""
    pictures = []
    for prompt in prompts:
        words = prompt.split()
        ground = words[words.index("background") - 1]
        colour = next(word for word in words if word in PLAIN and word != "red")
        picture = np.empty((128, 128, 3), np.uint8)
        picture[:] = PROTOTYPES[ground][-1]
        picture[24:104, 24:104] = PLAIN[colour]
        if "red" in words:
            picture[54:78, 38:90] = PLAIN["red"]
        pictures.append(picture)
    return pictures


@pytest.fixture
def drawing(monkeypatch):
    monkeypatch.setattr(from_mark, "sample", drawn_as_asked)


@pytest.fixture(scope="module")
def base():
    return build_tiny()


@pytest.mark.slow
def test_an_expanded_concept_has_everything_of_the_old_one_and_more(tmp_path, base, drawing):
    demo = load_concept("demo")
    before = hashes(demo.folder)
    number = expand_concept(demo, base, tmp_path / "more", Expansion(recoloured=1, composed=12))
    assert hashes(demo.folder) == before, "the user's own folder is as it was"
    more, after = load_concept(tmp_path / "more"), hashes(tmp_path / "more")
    assert {name: after[name] for name in before} == before, "and the copy has all of it, byte for byte"
    assert len(more.made) == number >= 20 + 17 + 12 and len(more.examples) == 20
    assert more.training_examples == more.made, "what was made is trained on"
    assert len(training_pictures(more)) == 20, "and never taken for a true picture"
    assert sum(example.mask is not None for example in more.made) > 0.9 * number
    made = json.loads((tmp_path / "more" / "made.json").read_text())
    assert set(made) == {example.image.name for example in more.made}
    assert [source["true"] for source in made.values() if "true" in source] == [e.image.name for e in demo.examples]


@pytest.mark.slow
def test_marks_lie_on_the_latents_cells_in_few_sizes(tmp_path, base, drawing):
    expand_concept(load_concept("demo"), base, tmp_path / "more", Expansion(composed=12))
    mark, widths = read_cutout(MARK), set()
    for example in load_concept(tmp_path / "more").made[20:]:
        mask = load_rgb(example.mask)[..., 0] > 127
        xs, ys = np.nonzero(mask.any(axis=0))[0], np.nonzero(mask.any(axis=1))[0]
        width = round((xs[-1] - xs[0] + 1) / 1.12 / 16) * 16  # without the rim
        left, top = xs[0] + 0.06 * width, ys[0] + 0.06 * width
        assert abs(left / base.vae_scale - round(left / base.vae_scale)) < 0.27
        assert abs(top / base.vae_scale - round(top / base.vae_scale)) < 0.27
        widths.add(width)
        assert find_mark(load_rgb(example.image), mark) is not None
    assert widths == {32, 48}, "half of the 64-px ground, and three eighths of the 128-px pictures"


@pytest.mark.slow
def test_the_same_expansion_makes_the_same_bytes(tmp_path, base, drawing):
    demo = load_concept("demo")
    for name in ("one", "two"):
        expand_concept(demo, base, tmp_path / name, Expansion(composed=5, seed=3))
    assert hashes(tmp_path / "one") == hashes(tmp_path / "two")


@pytest.mark.slow
def test_a_mark_alone_becomes_a_concept(tmp_path, base, drawing):
    config = ConceptConfig(token="red_qoga_logo", expected_text="QOGA")
    number = new_concept(MARK, config, base, tmp_path / "brand", Expansion(recoloured=0, composed=25))
    made = load_concept(tmp_path / "brand")
    assert number == len(made.made) == 25 and not made.examples
    assert made.config == config
    mark, found = read_cutout(MARK), 0
    for example in made.made:
        assert "red_qoga_logo" in example.caption and "background" in example.caption
        found += find_mark(load_rgb(example.image), mark) is not None
    assert found >= 23, f"the mark can be seen on {found} of 25"


def test_no_evaluation_prompt_is_a_caption_of_what_is_made():
    """The brand suite names few grounds; a made caption always does, and never the suite's own product and ground."""
    from brandsmith.concept.brand_suite import brand_suite

    suite = {entry.prompt for entry in brand_suite(load_concept("demo"))}
    shots = plan_shots(3000, np.random.default_rng(0))
    assert not suite & {shot.caption("red_qoga_logo") for shot in shots}


def test_shots_name_everything_and_never_the_marks_own_colour():
    shots = plan_shots(500, np.random.default_rng(0), avoid=("red",), patch="red")
    assert all(shot.colour in shot.caption("t") and shot.ground in shot.caption("t") for shot in shots)
    assert not any(shot.colour == "red" or shot.ground == shot.colour for shot in shots)
    assert all("red logo" in shot.prompt() for shot in shots)
    assert {shot.form for shot in shots} == {*FORMS, *WORN_FORMS}


def test_colours_of_the_mark():
    assert colours_of(read_cutout(MARK)) == ["red"]


def drawn_grey(base, prompts, seeds, settings):
    """In the place of a base that draws nothing."""
    return [np.full((128, 128, 3), 200, np.uint8)] * len(prompts)


@pytest.mark.slow
def test_a_base_that_draws_nothing_to_print_on_is_an_error_that_says_so(tmp_path, base, monkeypatch):
    monkeypatch.setattr(from_mark, "sample", drawn_grey)
    with pytest.raises(InvalidConcept, match="could be printed on 0 of 24") as refused:
        list(compose(base, read_cutout(MARK), "red_qoga_logo", "logo", 3))
    assert "t shirt" in refused.value.hint


@pytest.mark.slow
def test_nothing_is_left_where_it_failed(tmp_path, base, monkeypatch):
    monkeypatch.setattr(from_mark, "sample", drawn_grey)
    with pytest.raises(InvalidConcept):
        new_concept(MARK, ConceptConfig(token="red_qoga_logo"), base, tmp_path / "brand", Expansion(0, 3))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_commands(tmp_path, brandsmith, drawing):
    save_as_diffusers_folder(build_tiny(), tmp_path / "tiny")
    expand = ("concept", "expand", "demo", "--base", tmp_path / "tiny", "--composed", "4", "--out", tmp_path / "more")
    assert brandsmith(*expand)[:2] == (0, f"{tmp_path / 'more'}\n")
    code, _, error = brandsmith(*expand)
    assert code == 2 and "exists" in error
    new = ("concept", "new", "--mark", MARK, "--token", "my_mark", "--composed", "4", "--base", tmp_path / "tiny")
    assert brandsmith(*new, "--text", "QOGA", "--out", tmp_path / "brand")[0] == 0
    assert load_concept(tmp_path / "brand").config.expected_text == "QOGA"
    code, told, _ = brandsmith("concept", "caption", "demo", "--out", tmp_path / "captioned")
    assert code == 0 and "16.png: not said in the caption: teal, green background" in told
    assert "11.png: complete" in told
    captioned = load_concept(tmp_path / "captioned")
    assert captioned.examples[15].caption == "a teal billboard with a red_qoga_logo on a green background"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--token", "a b"), "token is 'a b'"),
        (("--mark", "none.png"), "none.png"),
        (("--token", "cat"), "cat"),
        (("--products", "cup,,hat"), "products are 'cup,,hat'"),
        (("--base", "nowhere/at-all"), "nowhere"),
    ],
)
def test_wrong_input_is_one_line_before_anything_loads(tmp_path, brandsmith, monkeypatch, options, said):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    given = {"--mark": str(MARK), "--token": "my_mark", "--out": str(tmp_path / "brand")} | {options[0]: options[1]}
    code, _, error = brandsmith("concept", "new", *(word for pair in given.items() for word in pair))
    assert code == 2 and said in error and "Traceback" not in error
    assert not (tmp_path / "brand").exists()


def test_a_concept_without_a_mark_can_be_recoloured_only(tmp_path, brandsmith, given):
    brand, tiny = given
    code, _, error = brandsmith("concept", "expand", brand, "--base", tiny, "--out", tmp_path / "more")
    assert code == 2 and MARK_FILE in error and "compose 0" in error
    code, _, _ = brandsmith("concept", "expand", brand, "--base", tiny, "--out", tmp_path / "more", "--composed", "0")
    assert code == 0


def test_an_svg_is_drawn_as_it_is(tmp_path):
    from brandsmith.prepare.mark_file import write_mark_file

    svg = tmp_path / "mark.svg"
    svg.write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 20 10"><rect x="2" y="2" width="16" height="6"'
        ' fill="#dc2626"/></svg>'
    )
    write_mark_file(svg, tmp_path / "mark.png")
    cut = read_cutout(tmp_path / "mark.png")
    assert abs(cut.shape[1] / cut.shape[0] - 16 / 6) < 0.05
    assert tuple(cut[cut.shape[0] // 2, cut.shape[1] // 2]) == (220, 38, 38, 255)
    svg.write_text("<svg")
    with pytest.raises(InvalidConcept, match=r"mark\.svg"):
        write_mark_file(svg, tmp_path / "other.png")


def test_without_a_mark_true_pictures_are_copied_with_complete_captions(tmp_path, base):
    concept = write_concept(tmp_path / "brand")
    expand_concept(concept, base, tmp_path / "more", Expansion(composed=0))
    more = load_concept(tmp_path / "more")
    assert len(more.made) == 4 and all(example.mask is None for example in more.made)
    for true, made in zip(concept.examples, more.made, strict=True):
        assert np.array_equal(load_rgb(true.image), load_rgb(made.image))
        assert made.caption.replace(" on a", "").count("red_qoga_logo") == true.caption.count("red_qoga_logo") == 1
