"""The gallery: every picture with what it was drawn from and what the judges say, usable ones first; stars are kept."""

from __future__ import annotations

import json
import os
import shutil

import pytest
from studio.apps import client_of, csrf_of
from studio.made import TOKEN, made_workspace, row, write_picture, write_run

from brandsmith.studio.gallery import Filters, find_picture, gallery, of_item
from brandsmith.studio.stars import set_star, stars
from brandsmith.studio.workspace import Workspace


@pytest.fixture
def here(tmp_path) -> Workspace:
    found = made_workspace(tmp_path / "work")
    folder = found.item("creations", "caps")
    for seed, usable in ((1000, False), (1001, True), (1002, None)):
        os.utime(write_picture(folder / f"case-0_seed-{seed}.png", seed=seed, usable=usable), (seed, seed))
    write_picture(found.item("creations", "bags") / "a.png", "a black bag", 7)
    return found


def names(pictures):
    return [picture.name for picture in pictures]


def test_usable_pictures_come_first_and_each_says_why_it_is_not(here):
    found = gallery(here, Filters(words="caps"))
    assert names(found) == ["case-0_seed-1001.png", "case-0_seed-1000.png", "case-0_seed-1002.png"]
    good, bad, unjudged = found
    assert good.usable.verdict is True and [verdict for _, verdict, _ in good.checks] == [True] * 5
    assert ("spelled", False, "misspelt") in bad.checks and unjudged.checks == []
    assert (good.model, good.prompt) == ("brand-lora, step 200", f"a blue cap with a {TOKEN}")


def test_a_prompt_without_the_concept_is_asked_less(here):
    picture = find_picture(here, "creations", "bags", "a.png")
    assert [name for name, _, _ in picture.checks] == ["obeyed", "not_copied"]


def test_filters_and_orders(here):
    assert names(gallery(here, Filters("BAG black"))) == ["a.png"] and gallery(here, Filters("bag cap")) == []
    assert len(gallery(here, Filters(usable=True))) == 2 and gallery(here, Filters(kind="runs")) == []
    assert names(gallery(here, Filters("caps", order="newest")))[0] == "case-0_seed-1002.png"
    assert names(gallery(here, Filters("caps", order="oldest")))[0] == "case-0_seed-1000.png"
    set_star(here, "creations/bags/a.png", True)
    assert names(gallery(here, Filters(starred=True))) == ["a.png"] and stars(here) == {"creations/bags/a.png"}
    set_star(here, "creations/bags/a.png", False)
    assert stars(here) == frozenset()


def test_what_was_chosen_from_is_shown_on_request_and_lends_its_verdict(here):
    folder = here.item("creations", "ad")
    candidate = write_picture(folder / "drawn" / "c_seed-5.png", seed=5)
    shutil.copy(candidate, folder / "final.png")
    assert names(of_item(here, "creations", "ad")) == ["final.png"]
    assert len(of_item(here, "creations", "ad", candidates=True)) == 2


def test_a_run_shows_what_it_drew_with_its_scores(here):
    write_run(here, "scored", "lora", (10,))
    run = here.item("runs", "scored")
    prompt = f"a {TOKEN}"
    write_picture(run / "samples" / "step-000010" / "case-0_seed-3.png", prompt, 3, usable=None)
    rows = [
        row(prompt, 3, name, 0.0 if name == "copying" else 1.0, True).as_json() | {"step": 10}
        for name in ("detector", "ocr")
    ]
    (run / "scores.jsonl").write_text("".join(json.dumps(own) + "\n" for own in rows))
    (picture,) = of_item(here, "runs", "scored")
    assert picture.usable.verdict is True and list(picture.usable.checks) == ["present", "spelled"]


def test_what_is_no_picture_is_left_out_and_a_changed_one_is_read_again(here):
    folder = here.item("creations", "caps")
    (folder / "torn.png").write_bytes(b"\x89PNG\r\n")
    (folder / ".glances").mkdir()
    write_picture(folder / ".glances" / "x.png")
    write_picture(folder / "mask.png")
    (folder / "case-0_seed-1000").mkdir()
    write_picture(folder / "case-0_seed-1000" / "attention.png")
    assert len(of_item(here, "creations", "caps")) == 3
    write_picture(folder / "torn.png", "a red hat", 9)
    assert find_picture(here, "creations", "caps", "torn.png").prompt == "a red hat"


def test_pages_show_pictures_verdicts_and_stars(here):
    client = client_of(here.folder)
    page = client.get("/gallery?usable=true").text
    assert page.count('class="judged') == 2 and "/picture/creations/caps/case-0_seed-1001.png" in page
    csrf = csrf_of(client, "/gallery")
    answer = client.post("/star", data={"picture": "creations/bags/a.png", "on": "true", "csrf": csrf})
    assert answer.status_code == 200 and 'aria-pressed="true"' in answer.text
    assert client.get("/gallery?starred=true").text.count('class="judged') == 1
    one = client.get("/picture/creations/caps/case-0_seed-1000.png").text
    assert "misspelt" in one and "/do/vary" in one and "seed-1000" in one
    assert client.post("/star", data={"picture": "runs/x/../../a.png", "on": "true", "csrf": csrf}).status_code == 400
    empty = client.get("/gallery?words=nothing-like-this").text
    assert "Use fewer words" in empty


def test_an_unsigned_picture_says_so(here):
    panel = client_of(here.folder).get("/provenance/creations/caps/case-0_seed-1001.png").text
    assert "Not signed" in panel and "brandsmith provenance show creations/caps/case-0_seed-1001.png" in panel
