"""Teach: from dropped files to a training in the queue, with undo for every change on the way."""

from __future__ import annotations

import io
import json

import pytest
from PIL import Image
from studio.apps import client_of, csrf_of

from brandsmith.concept.concept import load_concept
from brandsmith.core.files import write_json
from brandsmith.core.run import RunDirectory
from brandsmith.studio import concept_view
from brandsmith.studio.boxes import labelled_boxes, read_boxes
from brandsmith.studio.caption_edits import prefixed, replaced, with_its_token
from brandsmith.studio.concept_view import view_concept
from brandsmith.studio.findings import examine, last_examination
from brandsmith.studio.goals import GOALS, reasons_for
from brandsmith.studio.jobs import queue
from brandsmith.studio.languages import words
from brandsmith.studio.run_view import loss_plot
from brandsmith.studio.workspace import Workspace


def png(colour: str, size: tuple[int, int] = (96, 64)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def taught(tmp_path):
    """(client, its token, the workspace) with one concept of two pictures, of which one has a caption."""
    client = client_of(tmp_path)
    token = csrf_of(client)
    files = [
        ("pictures", ("one.png", png("red"), "image/png")),
        ("pictures", ("two.png", png("navy", (64, 64)), "image/png")),
        ("pictures", ("two.txt", b"a navy red_hugo_logo wall", "text/plain")),
    ]
    data = {"csrf": token, "name": "Red Hugo", "goal": "logo", "text": "HUGO"}
    answer = client.post("/teach/new", data=data, files=files)
    assert answer.status_code == 303 and answer.headers["location"] == "/teach/red-hugo?said=concept_made"
    return client, token, Workspace.open(tmp_path)


def captions(here: Workspace) -> dict[str, str]:
    return {picture.name: picture.caption for picture in view_concept(here, "red-hugo").pictures}


@pytest.mark.slow
def test_dropped_pictures_are_a_concept_that_training_reads(taught):
    client, _, here = taught
    concept = load_concept(here.item("concepts", "red-hugo"))
    assert concept.token == "red_hugo_logo" and concept.config.expected_text == "HUGO" and len(concept.examples) == 2
    assert captions(here) == {"one.png": "a red_hugo_logo", "two.png": "a navy red_hugo_logo wall"}
    (job,) = queue.jobs(here)
    assert job.request.command[:3] == ("brandsmith", "doctor", "concepts/red-hugo") and job.request.lane == "cpu"
    page = client.get("/teach/red-hugo").text
    assert 'name="caption:one.png"' in page and 'class="cut"' in page, "96 x 64 loses its sides"


def test_nothing_dropped_and_no_name_are_said(tmp_path):
    client = client_of(tmp_path)
    token = csrf_of(client)
    answer = client.post("/teach/new", data={"csrf": token, "name": "x"})
    assert answer.status_code == 422 and "nothing was dropped" in answer.text and 'value="x"' in answer.text
    sent = [("pictures", ("a.png", b"<script>", "image/png"))]
    answer = client.post("/teach/new", data={"csrf": token, "name": "x"}, files=sent)
    assert answer.status_code == 422 and "no picture could be kept" in answer.text


def test_captions_are_edited_in_place_in_bulk_and_back(taught):
    client, token, here = taught
    folder = "/teach/red-hugo"
    edit = {"csrf": token, "caption:one.png": "a red_hugo_logo on <b>red</b>"}
    assert client.post(f"{folder}/captions", data=edit).headers["location"].endswith("said=captions")
    assert "on &lt;b&gt;red&lt;/b&gt;" in client.get(folder).text
    answer = client.post(f"{folder}/captions", data={**edit, "caption:one.png": "a wall"}, headers={"hx-request": "1"})
    assert "is not in it" in answer.text and captions(here)["one.png"] == "a wall"
    client.post(f"{folder}/bulk", data={"csrf": token, "find": "wall", "replace": "door", "prefix": "photo,"})
    assert set(captions(here).values()) == {"photo, a door", "photo, a navy red_hugo_logo door"}
    for expected in ("a wall", "a red_hugo_logo on <b>red</b>", "a red_hugo_logo"):
        client.post(f"{folder}/undo", data={"csrf": token})
        assert captions(here)["one.png"] == expected
    assert (
        client.post(f"{folder}/captions", data={"csrf": token, "caption:../x.png": "y"})
        .headers["location"]
        .endswith("nothing_changed")
    )


def test_a_picture_is_read_again_only_when_something_of_it_changed(taught, monkeypatch):
    client, token, here = taught
    before = view_concept(here, "red-hugo")
    read = []
    monkeypatch.setattr(concept_view, "picture_size", lambda path: read.append(path.name) or (96, 64))
    assert view_concept(here, "red-hugo") == before and read == []
    client.post("/teach/red-hugo/captions", data={"csrf": token, "caption:two.png": "a red_hugo_logo door"})
    assert captions(here)["two.png"] == "a red_hugo_logo door" and set(read) == {"two.png"}


def test_words_are_replaced_whole():
    given = {"a": "a redder red Red door , "}
    assert replaced(given, "red", "blue") == {"a": "a redder blue blue door"} and replaced(given, " ", "x") == given
    assert prefixed({"a": "photo, x", "b": "x"}, "photo,") == {"a": "photo, x", "b": "photo, x"}
    assert with_its_token("A Red_Hugo", "red_hugo") == "A Red_Hugo" and with_its_token("", "t") == "a t"


def test_findings_stand_beside_their_picture_and_one_click_mends(taught):
    client, token, here = taught
    client.post("/teach/red-hugo/captions", data={"csrf": token, "caption:one.png": "a wall"})
    job = examine(here, "red-hugo", "local")
    found = [
        {"kind": "token missing", "severity": "fault", "file": "images/one.txt", "what": "<i>no", "remedy": "add"},
        {"kind": "near duplicate", "severity": "advice", "file": "images/two.png", "what": "as one", "remedy": "leave"},
        {"kind": "rights", "severity": "advice", "file": "brand.yaml", "what": "who agreed?", "remedy": "say"},
    ]
    (queue.job_folder(here, job.id) / "log.txt").write_text(f"$ x\n{json.dumps({'findings': found})}\n")
    with queue.changing(here):
        queue.change(here, job, state="done", exit_code=1)
    seen = last_examination(here, view_concept(here, "red-hugo"))
    assert seen.fresh and (seen.num_faults, seen.num_advice) == (1, 2) and seen.general[0].kind == "rights"
    page = client.get("/teach/red-hugo").text
    assert "&lt;i&gt;no" in page and page.count('name="click"') == 2
    client.post("/teach/red-hugo/remedy", data={"csrf": token, "picture": "one.png", "click": "token"})
    client.post("/teach/red-hugo/remedy", data={"csrf": token, "picture": "two.png", "click": "remove"})
    assert captions(here) == {"one.png": "a red_hugo_logo, a wall"}
    client.post("/teach/red-hugo/undo", data={"csrf": token})
    assert captions(here)["two.png"] == "a navy red_hugo_logo wall", "a picture that was left out comes back"
    wrong = {"csrf": token, "picture": "../concept.yaml", "click": "remove"}
    assert client.post("/teach/red-hugo/remedy", data=wrong).status_code >= 400
    assert load_concept(here.item("concepts", "red-hugo"))


def test_boxes_become_labels_and_masks(taught):
    client, token, here = taught
    own = "/teach/red-hugo/pictures/one.png"
    boxes = json.dumps([[0.8, 0.2, 0.9, 0.8], [0.5, 0.5, 0.5, 0.5]])
    data = {"csrf": token, "boxes": boxes, "mask_too": "true", "following": "two.png"}
    assert client.post(f"{own}/boxes", data=data).headers["location"] == "/teach/red-hugo/pictures/two.png?said=saved"
    folder = here.item("concepts", "red-hugo")
    assert labelled_boxes(folder, "one.png") == [pytest.approx((0.8, 0.2, 0.9, 0.8))]
    picture = view_concept(here, "red-hugo").pictures[0]
    assert picture.box and picture.has_mask and picture.kept[2] == pytest.approx(0.9, abs=0.01), "the crop moved"
    mask = Image.open(folder / "masks" / "one.png")
    assert mask.size == (96, 64) and mask.getpixel((82, 32)) == 255 and mask.getpixel((10, 32)) == 0
    assert load_concept(folder).examples[0].mask
    sent = {"mask": ("mask.png", png("white", (48, 32)), "image/png")}
    assert client.post(f"{own}/mask", data={"csrf": token}, files=sent).status_code == 303
    assert Image.open(folder / "masks" / "one.png").size == (96, 64)
    client.post(f"{own}/boxes", data={**data, "boxes": "[]"})
    assert not labelled_boxes(folder, "one.png") and not view_concept(here, "red-hugo").pictures[0].has_mask
    assert not (folder / "detector").exists(), "a concept with such a folder counts as labelled"
    assert client.get("/teach/red-hugo/pictures/none.png").status_code == 404
    assert client.post(f"{own}/boxes", data={**data, "boxes": "{}"}).status_code >= 400
    assert read_boxes("[[2, 2, -1, -1]]") == [(0.0, 0.0, 1.0, 1.0)]


def test_every_goal_has_settings_with_reasons_and_starts_a_training(taught):
    client, token, here = taught
    assert set(GOALS) == {"logo", "product", "garment", "style", "person"}
    for goal in GOALS.values():
        page = client.get(f"/teach/red-hugo/train?goal={goal.name}").text
        reasons = reasons_for(goal, view_concept(here, "red-hugo"))
        assert all(words("en")[reason.why] in page.replace("&#39;", "'") for reason in reasons), goal.name
        assert len(reasons) >= 2 and ("mirror_views" in page) is False, "lettering is not mirrored"
    form = {"csrf": token, "goal": "garment", "method": "lora", "base": "pocket", "use": ["buckets", "previews"]}
    answer = client.post("/teach/red-hugo/train", data={**form, "steps": "20", "rank": "8", "name": "First try"})
    assert answer.headers["location"] == "/runs/first-try?said=started"
    command = queue.jobs(here)[-1].request.command
    assert command == (
        *("brandsmith", "train", "lora", "--concept=concepts/red-hugo", "--base=pocket", "--set=buckets=true"),
        *("--set=steps=20", "--set=rank=8", "--previews", "--run=runs/first-try"),
    )
    for wrong in ({"steps": "-3"}, {"method": "magic"}, {"base": "/etc"}, {"base": "owner/model"}):
        assert client.post("/teach/red-hugo/train", data={**form, **wrong}).status_code == 422, wrong
    assert len([job for job in queue.jobs(here) if job.request.command[1] == "train"]) == 1


def test_the_cost_is_asked_once_and_shown(taught):
    client, token, here = taught
    form = {"csrf": token, "goal": "logo", "method": "lora", "base": "pocket"}
    for _ in range(2):
        assert "<progress" in client.post("/teach/red-hugo/estimate", data=form, headers={"hx-request": "1"}).text
    (job,) = [job for job in queue.jobs(here) if "--dry-run" in job.request.command]
    memory = {"peak": 3_200_000_000}
    cost = {"steps": 900, "seconds_per_step": 0.2, "memory": memory, "free_memory": 8e9, "disk": 5e7, "free_disk": 4e10}
    cost |= {"device": "cpu", "compute": "float32", "buckets": {"64 x 96": 1}, "fits": True}
    (queue.job_folder(here, job.id) / "log.txt").write_text(json.dumps(cost))
    with queue.changing(here):
        queue.change(here, job, state="done", exit_code=0)
    page = client.get(f"/teach/red-hugo/estimate/{job.id}").text
    assert "3.0 min" in page and "3.2 GB" in page and "1 × 64 x 96" in page


def test_a_training_is_watched_stopped_and_gone_on_with(taught):
    client, token, here = taught
    client.post("/teach/red-hugo/train", data={"csrf": token, "method": "lora", "base": "pocket", "name": "try"})
    folder = here.item("runs", "try")
    assert client.get("/runs/try").status_code == 200, "before the run has written its settings"
    run = RunDirectory(folder)
    settings = {"method": "lora", "steps": 8, "keep_state": True}
    write_json(run.config_file, {"base": "pocket", "concept": {"token": "red_hugo_logo"}, "settings": settings})
    rows = [{"step": step, "loss": 1 / step, "seconds": 0.1} for step in range(1, 9)]
    run.metrics_file.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    run.set_status("finished", 8)
    run.state_file.parent.mkdir()
    run.state_file.write_bytes(b"x")
    previews = folder / "previews" / "step-000008"
    previews.mkdir(parents=True)
    (previews / "case-0_seed-1000.png").write_bytes(png("red"))
    row = {"case": 0, "prompt": "a <red> red_hugo_logo", "seed": 1000, "run": "try", "step": 8, "judge": "ocr@1"}
    row |= {"weights": "x", "value": 0.4, "reason": "", "details": {"exact": False}}
    (folder / "previews.jsonl").write_text(f"{json.dumps(row)}\n")
    page = client.get("/runs/try").text
    assert "a &lt;red&gt; red_hugo_logo" in page and 'class="chip bad"' in page and '<svg class="plot"' in page
    assert client.post("/runs/try/stop", data={"csrf": token}).headers["location"] == "/runs/try?said=stopping"
    (job,) = [job for job in queue.jobs(here) if job.request.folder == "runs/try"]
    assert job.state == "cancelled"
    client.post("/runs/try/resume", data={"csrf": token})
    again = queue.jobs(here)[-1]
    assert again.request.command == job.request.command and again.state == "queued"
    queue.cancel(here, again.id)
    client.post("/runs/try/continue", data={"csrf": token, "steps": "40"})
    assert queue.jobs(here)[-1].request.command == (*job.request.command, "--more-steps=40")


def test_a_long_run_is_a_short_plot():
    rows = [{"step": step, "loss": 1.0 if step != 50 else 90.0} for step in range(1, 20_001)]
    plot = loss_plot(rows, 20_000, ("Loss", "steps", "loss"))
    assert len(plot) < 60_000 and "Loss: loss 1.000" in plot and ">1<" in plot and ">2<" not in plot, (
        "one bad step does not flatten the curve"
    )


def test_pictures_may_follow_a_training(taught):
    client, token, here = taught
    data = {"csrf": token, "goal": "logo", "method": "lora", "then": "--out a red_hugo_logo cap"}
    client.post("/teach/red-hugo/train", data=data)
    training, drawing = queue.jobs(here)[-2:]
    assert drawing.request.after == (training.id,) and drawing.request.command[-2:] == ("--", data["then"])
    assert drawing.request.command[3] == training.request.folder == "runs/red-hugo-lora"
    assert "after Training: red-hugo-lora" in client.get("/").text
    queue.cancel(here, training.id)
    assert queue.find(here, drawing.id).state == "cancelled"
