"""Create: what people wish for becomes ordinary commands, in which no text is an option or a path."""

from __future__ import annotations

import io
import json
import re
import shutil

import pytest
import yaml
from PIL import Image
from studio.apps import client_of, csrf_of
from studio.made import TOKEN, made_workspace, write_picture, write_run

from brandsmith.concept.concept import demo_folder
from brandsmith.core.errors import InvalidInput
from brandsmith.create.ad_brief import load_ad_brief
from brandsmith.create.products import read_products
from brandsmith.draw.choice import GLANCES
from brandsmith.studio.create.drawing import checked_wish, remembered
from brandsmith.studio.jobs import queue
from brandsmith.studio.workspace import Workspace

MODEL = "brand-lora@200"


@pytest.fixture
def here(tmp_path) -> Workspace:
    found = made_workspace(tmp_path / "work")
    write_picture(found.item("creations", "caps") / "case-0_seed-1000.png")
    return found


@pytest.fixture
def client(here):
    return client_of(here.folder)


def post(client, path, page="/create", files=None, **data):
    return client.post(path, data={"csrf": csrf_of(client, page)} | data, files=files)


def test_a_wish_is_a_command_that_judges_and_shows_itself(here, client):
    answer = post(client, "/create", prompt=f"a {TOKEN} cap", model=MODEL, pictures="2", strength="0.5", seed="7")
    assert answer.status_code == 303 and answer.headers["location"] == "/create?creation=a-cap#pictures"
    (job,) = queue.jobs(here)
    assert job.request.command == (
        *("brandsmith", "sample", "--run", "runs/brand-lora", "--step", "200", "--adapter-strength", "0.5"),
        *("--seeds", "2", "--first-seed", "7", "--out", "creations/a-cap"),
        *("--judge", "--concept", "concepts/brand", "--preview-every", "3", "--", f"a {TOKEN} cap"),
    )
    page = client.get("/create?creation=a-cap").text
    assert page.count("waiting") >= 2 and "brandsmith sample --run runs/brand-lora" in page
    wish = remembered(here, "a-cap")
    assert wish is not None and (wish.first_seed, wish.strength, wish.pictures) == (7, 0.5, 2)


def test_several_adapters_are_added_up_before_they_draw(here, client):
    write_run(here, "cap-lora", "lora", (50,))
    wish = {"prompt": f"a {TOKEN} on a cap_mark", "model": MODEL, "strength": "0.8"}
    post(client, "/create", **wish, models=["cap-lora@50"], strengths=["0.5"])
    merge, drawing = queue.jobs(here)
    assert merge.request.command == (
        *("brandsmith", "lora", "merge", "runs/brand-lora/checkpoints/step-000200"),
        *("runs/cap-lora/checkpoints/step-000050", "--weight=0.8", "--weight=0.5", "--base=pocket"),
        "--run=runs/brand-lora-with-cap-lora",
    )
    assert drawing.request.after == (merge.id,) and drawing.request.command[3:6] == (
        *("runs/brand-lora-with-cap-lora",),
        "--step",
        "0",
    )
    page = client.get(f"/create?creation={drawing.request.folder.rpartition('/')[2]}").text
    assert "brandsmith lora merge" in page and 'value="0.5" min="-2"' in page, "the command, and the form as it was"
    post(client, "/create", **wish, models=["cap-lora@50"], strengths=["0.5"])
    assert queue.jobs(here)[-1].request.after == (merge.id,), "added up once"
    queue.cancel(here, merge.id)
    post(client, "/create", **wish, models=["cap-lora@50"], strengths=["0.5"])
    again = queue.jobs(here)[-2]
    assert again.request.command[2] == "merge" and queue.jobs(here)[-1].request.after == (again.id,)
    number = len(queue.jobs(here))
    for wrong in (["brand-db@50"], [MODEL], ["cap-lora@50"] * 2, ["nowhere@1"]):
        assert post(client, "/create", **wish, models=wrong).status_code == 400
    assert len(queue.jobs(here)) == number


def test_side_by_side_is_two_commands_on_the_same_seeds(here, client):
    post(client, "/create", prompt="a {red} cap", model="brand-db@50", guidance="both", strength="0.3")
    plain, guided = (job.request for job in queue.jobs(here))
    assert (plain.folder, guided.folder) == ("creations/a-red-cap/plain", "creations/a-red-cap/faithful")
    alike = [own.replace("/faithful", "/plain") for own in guided.command if own not in ("--guidance", "faithful")]
    assert tuple(alike) == plain.command and "faithful" in guided.command
    assert "--adapter-strength" not in plain.command, "a DreamBooth has none"
    page = client.get("/creations/a-red-cap").text
    assert "Plain" in page and "Faithful" in page


def test_blocks_become_and_and_not(here, client):
    post(client, "/create", prompt="a cap", model=MODEL, also=["a bowl", " "], without=["a dog"], guidance="faithful")
    (job,) = queue.jobs(here)
    assert job.request.command[-1] == "a cap AND a bowl AND NOT a dog" and "faithful-and" in job.request.command


@pytest.mark.parametrize("text", ["--out=/etc", "-x", "$(rm -rf /)", "<script>alert(1)</script>"])
def test_no_text_is_an_option_or_markup(here, client, text):
    post(client, "/create", prompt=text, model=MODEL, negative=text)
    (job,) = queue.jobs(here)
    assert job.request.command[-2:] == ("--", text) and f"--negative-prompt={text}" in job.request.command
    assert "<script>alert" not in client.get("/create").text


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"prompt": " "}, "prompt is empty"),
        ({"prompt": "a\x00b"}, "cannot be shown"),
        ({"prompt": "a" * 1001}, "1001 characters"),
        ({"model": "../x@1"}, "no model"),
        ({"model": "brand-lora@1"}, "no model"),
        ({"pictures": 400}, "number of pictures"),
        ({"strength": float("nan")}, "strength is nan"),
        ({"guidance": "none"}, "guidance is"),
        ({"also": ["a"] * 7}, "7 blocks"),
        ({"steps": 10_000}, "steps is 10000"),
    ],
)
def test_what_cannot_be_is_said_and_nothing_is_queued(here, given, said):
    with pytest.raises(InvalidInput, match=said):
        checked_wish(here, {"prompt": "a cap", "model": MODEL} | given)
    assert queue.jobs(here) == []


def test_a_picture_fills_the_form_with_all_it_was_drawn_from(here, client):
    page = client.get("/create?like=creations/caps/case-0_seed-1000.png").text
    assert re.search(r'id="field-seed" name="seed" value="1000"', page) and 'value="-x"' in page
    assert re.search(r'value="faithful" checked', page) and re.search(r'value="brand-lora@200"[^>]* selected', page)
    assert client.get("/create?like=creations/../x/y.png").status_code == 200


def test_what_is_being_drawn_is_shown_until_it_is_finished(here, client):
    folder = here.item("creations", "caps") / GLANCES
    write_picture(folder / "case-0_seed-1001.png")
    assert client.get("/glances/caps/case-0_seed-1001.png").headers["content-type"] == "image/png"
    finished = client.get("/glances/caps/case-0_seed-1000.png").content
    assert finished == (here.item("creations", "caps") / "case-0_seed-1000.png").read_bytes(), "not a broken picture"
    assert "/glances/caps/case-0_seed-1001.png" in client.get("/create/pictures/caps").text
    for path in ("case-0_seed-9.png", "..%2fcase-0_seed-1000.png", "x.png", "other/case-0_seed-1001.png"):
        assert client.get(f"/glances/caps/{path}").status_code in (400, 404)


# ----------------------------------------------------------------------------- from a picture

PICTURE = "creations/caps/case-0_seed-1000.png"


def test_variations_keep_every_setting_and_count_on(here, client):
    assert post(client, "/do/vary", picture=PICTURE).status_code == 303
    command = queue.jobs(here)[0].request.command
    assert command[command.index("--first-seed") + 1] == "1001" and "--refiner=attend_excite" in command
    assert "--negative-prompt=-x" in command and "--guidance-scale=1.5" in command


def test_a_picture_is_drawn_again_explained_and_gets_its_exact_mark(here, client):
    for what in ("again", "explain", "mark"):
        assert post(client, f"/do/{what}", picture=PICTURE).status_code == 303
    again, explained, mark = (job.request.command for job in queue.jobs(here))
    assert again[1:4] == ("sample", "--from", PICTURE) and "--run" in again
    assert explained[1] == "explain" and "creations/caps/case-0_seed-1000" in explained and "--frames" in explained
    assert mark[1:4] == ("create", "mark", PICTURE) and mark[-1].endswith("/exact-mark.png")


def mask(size=(32, 32), painted=True) -> bytes:
    image = Image.new("L", size, 0)
    if painted:
        image.paste(255, (4, 4, 20, 20))
    stream = io.BytesIO()
    image.save(stream, format="PNG")
    return stream.getvalue()


def test_a_painted_mask_or_a_box_says_what_is_drawn_anew(here, client):
    sent = {"mask": ("mask.png", mask(), "image/png")}
    assert post(client, "/do/inpaint", files=sent, picture=PICTURE, prompt="a -- bowl").status_code == 303
    assert (
        post(client, "/do/inpaint", picture=PICTURE, prompt="x", left="1", top="2", right="9", bottom="8").status_code
        == 303
    )
    painted, boxed = (job.request.command for job in queue.jobs(here))
    file = here.folder / next(own for own in painted if own.startswith("--mask=")).removeprefix("--mask=")
    assert Image.open(file).getpixel((5, 5)) == 255 and file.parent == here.own / "masks"
    assert painted[-3:] == ("--", PICTURE, "a -- bowl") and "--box=1,2,9,8" in boxed


@pytest.mark.parametrize(
    ("content", "corners"),
    [(mask((16, 16)), ""), (mask(painted=False), ""), (b"\x89PNG\r\nrubbish", ""), (b"", ""), (b"", "99")],
)
def test_a_mask_that_is_none_draws_nothing(here, client, content, corners):
    sent = {"mask": ("../../x.png", content, "image/png")}
    box = dict.fromkeys(("left", "top", "right", "bottom"), corners)
    assert post(client, "/do/inpaint", files=sent, picture=PICTURE, prompt="a bowl", **box).status_code == 400
    assert queue.jobs(here) == [] and list((here.own / "masks").glob("*")) == []


@pytest.mark.parametrize(("shape", "place", "status"), [("16:9", "0.2", 303), ("--x", "0.5", 400), ("4:5", "7", 400)])
def test_a_frame_is_a_shape_and_a_place(here, client, shape, place, status):
    answer = post(client, "/do/outpaint", picture=PICTURE, prompt="a cap", to=shape, place=place)
    assert answer.status_code == status and len(queue.jobs(here)) == (status == 303)


# ----------------------------------------------------------------------------- briefs


def test_the_ad_wizard_writes_the_brief_that_the_command_line_takes(here, client, tmp_path):
    for name in ("brand.yaml", "mark.svg", "mark-on-dark.svg"):
        shutil.copy(demo_folder() / name, here.item("concepts", "brand"))
    texts = {"product": f"a blue {TOKEN} sweater", "headline": "Für den Herbst: „neu“", "call_to_action": "Kaufen"}
    answer = post(client, "/create/ad", page="/create/ad", model=MODEL, formats=["1:1", "4:5"], candidates="4", **texts)
    (job,) = queue.jobs(here)
    file = here.folder / job.request.command[-1]
    brief = load_ad_brief(file)
    assert (
        brief.product == "a blue {token} sweater"
        and brief.formats == ("1:1", "4:5")
        and (brief.candidates, brief.budget) == (4, 16)
    )
    assert yaml.safe_load(file.read_text())["concept"] == "../../concepts/brand" and job.request.accepts == (0, 1)
    assert "Für den Herbst" in client.get(answer.headers["location"]).text


def test_every_mistake_of_a_brief_is_shown_and_the_form_keeps_its_texts(here, client):
    answer = post(client, "/create/ad", page="/create/ad", model=MODEL, headline="Hi", product="a {thing}", scene="{x}")
    assert answer.status_code == 400 and queue.jobs(here) == [] and 'value="Hi"' in answer.text
    assert "which nothing fills in" in answer.text and str(here.folder) not in answer.text
    assert list((here.own / "briefs").iterdir()) == []


def test_the_catalogue_wizard_writes_the_table(here, client):
    columns = {"name": ["Harbour", "", "City"], "garments": ["sweater", "", "cap"], "colours": ["blue; green", "", ""]}
    given = {"model": MODEL, "title": "Knitwear", "budget": "2"} | columns
    assert post(client, "/create/catalogue", page="/create/catalogue", **given).status_code == 303
    (job,) = queue.jobs(here)
    products = read_products(here.folder / job.request.command[-1])
    assert [own.name for own in products] == ["Harbour", "City"] and products[0].colours == ("blue", "green")
    bad = post(client, "/create/catalogue", page="/create/catalogue", model=MODEL, title="K", name="A", garments="")
    assert bad.status_code == 400 and "garments" in bad.text and len(queue.jobs(here)) == 1


def test_a_mood_board_is_a_command(here, client):
    assert (
        post(client, "/create/board", page="/create/board", theme="-- Blue", model=MODEL, pictures="4").status_code
        == 303
    )
    command = queue.jobs(here)[0].request.command
    assert command[1:3] == ("create", "moodboard") and command[-2:] == ("--", "-- Blue") and "16" in command


@pytest.mark.parametrize(
    "path", ["/create", "/gallery", "/create/ad", "/create/catalogue", "/create/board", "/creations/caps"]
)
def test_pages_need_no_script_of_their_own_lines(client, path):
    page = client.get(path)
    assert page.status_code == 200 and "style=" not in page.text
    assert not re.search(r"<script(?![^>]*src=)", page.text) and "onclick" not in page.text


def test_an_empty_workspace_says_what_to_do(tmp_path):
    client = client_of(tmp_path / "empty")
    assert "Write what you want to see" in client.get("/create").text
    assert "Create" in client.get("/gallery").text and client.get("/creations/nothing").status_code == 404


def test_a_creation_says_why_a_part_was_not_made(here, client):
    folder = here.item("creations", "caps")
    reason = "none of 8 candidates is measured usable: <mark> missing (8)"
    (folder / "manifest.json").write_text(json.dumps({"summary": {"refused": {"16:9": reason}}}), encoding="utf-8")
    page = client.get("/creations/caps").text
    assert "16:9" in page and "&lt;mark&gt; missing (8)" in page and "<mark>" not in page
    (folder / "manifest.json").write_text("[1]", encoding="utf-8")
    assert client.get("/creations/caps").status_code == 200
