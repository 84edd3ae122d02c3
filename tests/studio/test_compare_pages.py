"""Compare and Learn: grids at fixed seeds, votes that are blind, rankings with n, lessons that can be played."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from studio.apps import client_of, csrf_of
from studio.made import TOKEN, made_workspace, write_picture

from brandsmith.core.errors import InvalidInput
from brandsmith.core.pictures import save_png
from brandsmith.results.votes import Vote, read_votes
from brandsmith.studio.compare.grid import cells, checked_grid, order, read_grid
from brandsmith.studio.compare.standing import result_of
from brandsmith.studio.compare.voting import VOTES, open_pairs, pairs
from brandsmith.studio.jobs import queue
from brandsmith.studio.workspace import Workspace

MODELS = ["brand-lora@100", "brand-lora@200", "brand-db@50"]
PROMPTS = [f"a {TOKEN} cap", f"a {TOKEN} bag", f"a {TOKEN} box"]


@pytest.fixture
def here(tmp_path) -> Workspace:
    return made_workspace(tmp_path / "work")


@pytest.fixture
def drawn(here):
    """A grid of four contenders whose pictures are there: the later checkpoint is better."""
    grid = checked_grid(here, MODELS, [0.5, 1.0], PROMPTS, (10, 2))
    identity, _ = order(here, grid, "ada")
    for contender in grid.contenders:
        for case, prompt in enumerate(grid.prompts):
            for seed in grid.seeds:
                usable = "200" in contender.name or seed == 10
                file = here.item("creations", identity) / contender.name / f"case-{case}_seed-{seed}.png"
                write_picture(file, prompt, seed, usable)
    return identity


def test_a_grid_is_one_ordinary_command_for_each_contender(here):
    grid = checked_grid(here, MODELS, [0.5, 1.0], [*PROMPTS, " ", PROMPTS[0]], (10, 2))
    assert [own.name for own in grid.contenders] == [
        *("brand-lora.100.x0.5", "brand-lora.100", "brand-lora.200.x0.5", "brand-lora.200", "brand-db.50")
    ]
    identity, jobs = order(here, grid, "ada")
    assert jobs[0].request.command == (
        *("brandsmith", "sample", "--run", "runs/brand-lora", "--step", "100", "--adapter-strength", "0.5"),
        *("--judge", "--concept", "concepts/brand", "--seeds", "2", "--first-seed", "10"),
        *("--out", f"creations/{identity}/brand-lora.100.x0.5", "--", *PROMPTS),
    )
    assert read_grid(here, identity) == grid and len(jobs) == 5


@pytest.mark.parametrize(
    ("models", "strengths", "prompts", "said"),
    [
        (["brand-db@50"], [1, 2], PROMPTS, "1 to compare"),
        (MODELS, [1], [], "0 prompts"),
        (MODELS, list(range(-2, 4)), PROMPTS, "13 contenders"),
        (["x@1"], [1], PROMPTS, "no model"),
        (MODELS, [99], PROMPTS, "strength is 99"),
    ],
)
def test_a_grid_of_nothing_or_too_much_is_refused(here, models, strengths, prompts, said):
    with pytest.raises(InvalidInput, match=said):
        checked_grid(here, models, strengths, prompts, (1, 1))
    assert queue.jobs(here) == [] and here.items("creations") == []


def test_the_page_shows_every_cell_and_ships_the_best(here, drawn):
    page = client_of(here.folder).get(f"/compare/{drawn}").text
    assert page.count("data-enlarge data-caption") == 5 * 3 * 2
    assert re.search(r"brand-lora · 200( × 0.5)?:", page) and "100 %" in page and "not clearly worse" in page


def test_nobody_learns_from_a_pair_who_drew_what(here, drawn):
    client = client_of(here.folder)
    page = client.get(f"/compare/{drawn}/vote").text
    form = page[page.index("<form") : page.index("</form>")]
    assert "brand" not in re.sub(rf"{re.escape(drawn)}|{TOKEN}", "", form)
    sides = re.findall(r'src="(/compare/[^"]+/blind/[0-9a-f]{20}/(?:left|right))"', page)
    assert len(sides) == 2 and all(client.get(own).headers["content-type"] == "image/png" for own in sides)
    assert client.get(f"/compare/{drawn}/blind/{'0' * 20}/left").status_code == 400


@pytest.mark.slow
def test_a_vote_is_a_line_with_user_pair_and_order(here, drawn):
    client = client_of(here.folder)
    for number in range(3):
        page = client.get(f"/compare/{drawn}/vote").text
        key = re.search(r'name="pair" value="([0-9a-f]{20})"', page)[1]
        data = {"csrf": csrf_of(client), "pair": key, "choice": "left"}
        assert client.post(f"/compare/{drawn}/vote", data=data).status_code == 303
        votes = read_votes(here.item("creations", drawn) / VOTES)
        assert len(votes) == number + 1 and votes[-1].user and votes[-1].choice == "left"
    bad = client.post(f"/compare/{drawn}/vote", data=data | {"choice": "both"})
    assert bad.status_code == 422 and len(read_votes(here.item("creations", drawn) / VOTES)) == 3


def test_every_user_gets_every_pair_once_and_the_sides_are_mixed(here, drawn):
    grid, found = read_grid(here, drawn), cells(here, drawn)
    own = pairs(grid, found, "ada")
    assert len(own) == 10 * 3 * 2 and len({pair.key for pair in own}) == len(own)
    first = sum(pair.left < pair.right for pair in own) / len(own)
    assert 0.25 < first < 0.75
    votes = [Vote("ada", p.left, p.right, grid.prompts[p.case], p.seed, "left") for p in own[:4]]
    assert len(open_pairs(grid, found, votes, "ada")) == 56 and len(open_pairs(grid, found, votes, "bo")) == 60
    asked = open_pairs(grid, found, votes, "bo")
    voted = {(frozenset((p.left, p.right)), p.case, p.seed) for p in own[:4]}
    assert {(frozenset((p.left, p.right)), p.case, p.seed) for p in asked[-4:]} == voted, "those with votes come last"


def test_people_and_judges_stand_side_by_side_with_n(here, drawn):
    grid, found = read_grid(here, drawn), cells(here, drawn)
    good = [own.name for own in grid.contenders if "200" in own.name]
    votes = [
        Vote("ada", p.left, p.right, grid.prompts[p.case], p.seed, "left" if p.left in good else "right")
        for p in pairs(grid, found, "ada")
        if (p.left in good) != (p.right in good)
    ]
    result = result_of(grid, found, votes)
    assert {own.contender.name for own in result.standings[:2]} == set(good) and result.num_votes == len(votes) == 36
    assert result.agreement.n == 5 and result.agreement.value > 0.7 and result.agreement.low < result.agreement.value
    assert all(own.usable.n == 6 and own.usable.num_clusters == 3 for own in result.standings)
    assert result_of(grid, {}, []).winner is None


# ----------------------------------------------------------------------------- learning


def test_a_lesson_is_one_job_of_explain_and_plays_its_frames(here):
    client = client_of(here.folder)
    data = {"csrf": csrf_of(client, "/learn"), "prompt": "--a cat", "model": "brand-lora@200", "seed": "5"}
    place = client.post("/learn", data=data).headers["location"]
    (job,) = queue.jobs(here)
    assert job.request.command[1] == "explain" and job.request.command[-2:] == ("--", "--a cat")
    assert "--frames" in job.request.command and "data-waits" in client.get(place).text
    folder = here.item("creations", place.rpartition("/")[2])
    save = {"file": "frames/a.png"}
    frames = {
        "noising": [save | {"t": 0}],
        "denoising": [{"step": 1, "latents": "frames/a.png", "imagined": "frames/a.png"}],
        "attention": [{"words": 'red " <b> cat', "files": ["frames/a.png"], "peaks": [0.5]}],
        "scales": [save | {"scale": 1.5}],
    }
    save_png(folder / "frames" / "a.png", np.zeros((8, 8, 3), np.uint8))
    (folder / "explain.json").write_text(json.dumps({"prompt": "--a cat", "verdict": "cat is there"}))
    (folder / "frames.json").write_text(json.dumps(frames))
    page = client.get(place).text
    assert "cat is there" in page and page.count("data-player=") == 4 and "<b> cat" not in page
    assert client.get("/pictures" + f"/creations/{folder.name}/frames/a.png").status_code == 200
    (folder / "frames.json").write_text("{}")
    assert client.get(place).status_code == 404 and client.get("/learn/lesson-nowhere").status_code == 404


@pytest.mark.parametrize("path", ["/compare", "/learn"])
def test_pages_open_in_an_empty_workspace(tmp_path, path):
    page = client_of(tmp_path / "empty").get(path)
    assert page.status_code == 200 and "style=" not in page.text
