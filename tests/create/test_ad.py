"""From judged pictures to files: every format or a reason, the same bytes again, and each file says what it is."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from brandsmith.concept.brand_kit import load_brand_kit
from brandsmith.concept.concept import demo_folder, load_concept
from brandsmith.core.pictures import load_rgb, save_png
from brandsmith.create.ad import AdPlan, best_of, create_ad, make_formats, open_ad_folder
from brandsmith.create.ad_brief import AdBrief
from brandsmith.create.ad_slots import FormatRefused
from brandsmith.create.candidates import Candidate, best_first
from brandsmith.create.exact_pictures import what_is_wrong
from brandsmith.create.srgb import srgb_profile
from brandsmith.draw.prompts import ReadPrompt
from brandsmith.draw.recipe import Origin, Recipe, read_recipe
from brandsmith.draw.source import Source
from brandsmith.guidance.settings import DrawSettings
from brandsmith.provenance.certificate import Signing
from brandsmith.results.usable import Usable

USABLE, WRONG = Usable(True, "", {"right": True}), Usable(False, "mark is wrong", {"right": False})
BRIEF = AdBrief(product="a {token}", headline="Made for rain", exact_mark=False, formats=("300x250", "468x60", "60x60"))


def plan(brief=BRIEF):
    settings = DrawSettings().resolved("pocket", fine_tuned=False)
    concept, kit = load_concept("demo"), load_brand_kit("demo")
    return AdPlan(brief, concept, kit, Source("pocket"), settings, {}, ReadPrompt("a"), Signing(sign=False))


def candidates(folder, *verdicts):
    """Candidates that are true pictures of the demo concept."""
    taken = sorted((demo_folder() / "images").glob("*.png"))[: len(verdicts)]
    folder.mkdir(parents=True, exist_ok=True)
    settings = DrawSettings().resolved("pocket", fine_tuned=False)
    for seed, path in enumerate(taken):
        recipe = Recipe("a", seed, settings, Origin("pocket", "0"), (("a", seed),), 0)
        save_png(folder / path.name, load_rgb(path), recipe.as_text())
    pairs = enumerate(zip(taken, verdicts, strict=True))
    return [Candidate(folder / path.name, "a", seed, (), verdict) for seed, (path, verdict) in pairs]


def made(folder, brief=BRIEF, *verdicts):
    own = plan(brief)
    created = open_ad_folder(own, folder)
    created.drawn_by(Origin("pocket", "0"))
    drawn = {"square": best_first(candidates(folder / "drawn", *(verdicts or (WRONG, USABLE))))}
    return make_formats(own, created, own.brief.sizes, drawn, lambda what, done, total: None)


@pytest.mark.slow
def test_every_format_is_made_or_refused_with_its_reason(tmp_path):
    refused = made(tmp_path)
    assert list(refused) == ["60x60"] and "does not fit" in refused["60x60"]
    for size, name in (((300, 250), "300x250"), ((468, 60), "468x60")):
        picture = Image.open(tmp_path / f"{name}.png")
        assert picture.size == size and picture.info["icc_profile"] == srgb_profile()
        assert b"compositeWithTrainedAlgorithmicMedia" in (tmp_path / f"{name}.png").read_bytes()
        assert (tmp_path / f"{name}.psd").is_file() and (tmp_path / f"{name}.svg").is_file()
    manifest = json.loads((tmp_path / "manifest.json").read_text(encoding="utf-8"))
    part = manifest["parts"][0]
    assert part["picture"]["seed"] == 1 and [own["usable"] for own in part["candidates"]] == [True, False]
    recipe = read_recipe(tmp_path / "300x250.png")
    assert recipe and (recipe.prompt, recipe.seed) == ("a", 1), "an ad does not lead to its drawing"
    assert part["read"]["headline"]["exact"] and part["read"]["mark"]["exact"]
    again = tmp_path / "again"
    made(again, BRIEF.model_copy(update={"formats": ("468x60",)}))
    names = [path.name for path in sorted(again.glob("468x60.*"))]
    assert len(names) == 3
    assert [name for name in names if (tmp_path / name).read_bytes() != (again / name).read_bytes()] == []


@pytest.mark.slow
def test_a_finished_brief_is_not_made_again_and_loads_no_base(tmp_path):
    brief = BRIEF.model_copy(update={"formats": ("300x250",), "file_type": "jpeg"})
    assert made(tmp_path, brief) == {}
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("300x250.*")}
    assert {path.suffix for path in before} == {".jpg", ".psd", ".svg"}
    no_such_base = plan(brief)
    result = create_ad(no_such_base, tmp_path)
    assert list(result.shipped) == ["300x250"] and not result.refused
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_without_a_usable_candidate_nothing_is_shipped(tmp_path):
    with pytest.raises(FormatRefused, match=r"none of 2 candidates is measured usable: mark is wrong \(2\)"):
        best_of(candidates(tmp_path, WRONG, WRONG))
    assert set(made(tmp_path / "out", BRIEF, WRONG, WRONG)) == set(BRIEF.formats)
    assert not list((tmp_path / "out").glob("*.png"))


def test_what_was_not_measured_comes_after_what_is_usable_and_before_what_is_not(tmp_path):
    own = candidates(tmp_path, WRONG, Usable(None, "not measured", {}), USABLE)
    assert [candidate.usable.verdict for candidate in best_first(own)] == [True, None, False]


class Laid:
    """What `what_is_wrong` looks at of an exact mark."""

    refused = ("the mark at 1, 1 to 9, 9 is cut off",)
    right = spelled = True
    laid = ()


def test_a_mark_that_could_not_be_laid_says_why():
    assert what_is_wrong(Laid(), None) == "the mark at 1, 1 to 9, 9 is cut off"
