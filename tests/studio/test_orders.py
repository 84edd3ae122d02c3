"""What programs may ask for: typed orders that become command lines in which no text is an option or a path."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError
from studio.apps import client_of, csrf_of
from studio.made import write_picture

from brandsmith.core.errors import BrandsmithError, InvalidConfig, MissingResource
from brandsmith.studio.jobs import queue
from brandsmith.studio.orders.creating import (
    AdOrder,
    CatalogueOrder,
    ClipOrder,
    InpaintOrder,
    OutpaintOrder,
    SampleOrder,
)
from brandsmith.studio.orders.table import ORDERS, place_order
from brandsmith.studio.orders.training import ReportOrder, ResumeOrder, StudyOrder, TrainOrder
from brandsmith.studio.workspace import Workspace


@pytest.fixture
def here(tmp_path) -> Workspace:
    return Workspace.open(tmp_path / "work")


def png_of(pixels: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def test_a_training_is_the_command_a_person_would_type(here):
    order = TrainOrder(method="lora", settings={"steps": 12, "rank": 8, "buckets": True})
    request = order.request(here, "ada")
    assert request.command == (
        *("brandsmith", "train", "lora", "--concept=demo", "--base=pocket"),
        *("--set=steps=12", "--set=rank=8", "--set=buckets=true", "--previews", "--run=runs/demo-lora"),
    )
    assert order.request(here, "ada").folder == "runs/demo-lora-2", "the first is reserved"


@pytest.mark.parametrize("prompt", ["--out=/etc", "-x", "$(rm -rf /)", "'; drop", "a {token} cap"])
def test_a_prompt_is_never_an_option(here, prompt):
    command = SampleOrder(prompts=[prompt]).request(here, "ada").command
    assert command[command.index("--") :] == ("--", prompt)
    assert command.index("--") == len(command) - 2


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("train", {"concept": "../x"}),
        ("train", {"concept": "/etc"}),
        ("train", {"base": "https://evil.example/model"}),
        ("train", {"base": "someone/model"}),
        ("train", {"method": "rm"}),
        ("train", {"settings": {"--out": 1}}),
        ("train", {"settings": {"steps": "1\n2"}}),
        ("sample", {"prompts": []}),
        ("sample", {"prompts": ["a\x00b"]}),
        ("sample", {"prompts": ["a"], "draw": {"out": "/etc"}}),
        ("sample", {"prompts": ["a"], "seeds": 10**9}),
        ("judge", {"id": "nowhere"}),
        ("judge", {"id": "x", "kind": ".studio"}),
        ("export", {"run": "../../x"}),
        ("study", {"study": {"storage": "postgresql://evil.example/x"}}),
        ("resume", {"job": "1"}),
        ("doctor", {"concept": "a" * 1000}),
        ("ad", {"brief": "text"}),
        ("train", {"unknown": 1}),
        ("inpaint", {"picture": "creations/x/../../secret.png", "prompt": "a", "box": (0, 0, 8, 8)}),
        ("outpaint", {"picture": "/etc/passwd", "prompt": "a"}),
        ("clip", {"prompts": ["a"], "frames": 1}),
        ("clip", {"prompts": ["a"], "picture": "creations/x/.studio/key"}),
        ("catalogue", {"products": []}),
        ("catalogue", {"products": [{"name": "Cap", "garments": "cap", "out": "/etc"}]}),
        ("catalogue", {"products": [{"name": "Cap", "garments": "cap", "views": "from below"}]}),
        ("sample", {"prompts": ["a"], "after": ["--out"]}),
    ],
)
def test_what_no_page_sends_is_refused_and_reserves_nothing(here, kind, given):
    with pytest.raises((ValidationError, BrandsmithError)):
        ORDERS[kind].model_validate(given).request(here, "ada")
    assert not [name for own in ("runs", "creations", "studies") for name in here.items(own)]


def test_briefs_stay_in_the_workspace(here):
    command = AdOrder(brief={"headline": "Hello", "product": "a {token} cap", "concept": "/etc"}).request(here, "ada")
    assert '"concept": "demo"' in (here.folder / command.command[3]).read_text()
    study = StudyOrder(study={"checkpoints": 2}).request(here, "ada").command
    assert '"base": "pocket"' in (here.folder / study[3]).read_text()


@pytest.fixture
def picture(here) -> str:
    """Drawn by pocket alone."""
    write_picture(here.item("creations", "caps") / "case-0_seed-7.png", "a blue cap", 7, None, run="")
    return "creations/caps/case-0_seed-7.png"


def test_edits_clips_and_catalogues_are_the_commands_a_person_would_type(here, picture):
    mask = base64.b64encode(png_of(np.full((32, 32), 255, np.uint8))).decode()
    parts = {"--box=0,0,16,16": {"box": (0, 0, 16, 16)}, "--where=--out=/etc": {"where": "--out=/etc"}}
    for said, part in (*parts.items(), ("--mask=.studio/masks/", {"mask": mask})):
        command = InpaintOrder(picture=picture, prompt="-x", **part).request(here, "ada").command
        assert command[:3] == ("brandsmith", "create", "inpaint") and command[-3:] == ("--", picture, "-x")
        assert [own for own in command if own.startswith(said)]
    wide = OutpaintOrder(picture=picture, prompt="a street", to="728x90").request(here, "ada").command
    assert wide[wide.index("--to") :][:2] == ("--to", "728x90") and wide[-2:] == (picture, "a street")
    clip = ClipOrder(prompts=["a cap"], picture=picture, loop=True).request(here, "ada")
    assert {f"--from={picture}", "--loop", "--format=webp", "--out=creations/clip-a-cap"} <= set(clip.command)
    rows = [{"name": "Cap; one", "garments": "cap", "colours": "blue; red"}]
    table = CatalogueOrder(products=rows, title="Autumn").request(here, "ada").command
    assert "P-01,Cap; one,cap,blue; red" in (here.folder / table[3]).read_text() and "--title=Autumn" in table


@pytest.mark.parametrize(
    "part", [{}, {"box": (0, 0, 99, 9)}, {"mask": "%%%"}, {"mask": "AAAA"}, {"where": "x", "box": (0, 0, 1, 1)}]
)
def test_a_part_is_named_once_and_lies_in_the_picture(here, picture, part):
    with pytest.raises(BrandsmithError):
        InpaintOrder(picture=picture, prompt="a", **part).request(here, "ada")
    assert here.items("creations") == ["caps"]


def test_an_order_waits_for_jobs_that_are_there(here):
    training = place_order(here, "ada", TrainOrder())
    drawing = place_order(here, "ada", SampleOrder(prompts=["a cap"], run="demo-lora", after=(training.id,)))
    assert queue.ready(queue.jobs(here)) == [training] and drawing.request.after == (training.id,)
    with pytest.raises(BrandsmithError, match="no job '000099'"):
        place_order(here, "ada", SampleOrder(prompts=["a hat"], after=("000099",)))
    assert here.items("creations") == ["a-cap"], "nothing is reserved for it"
    study = place_order(here, "ada", StudyOrder(study={"checkpoints": 2}))
    report = place_order(here, "ada", ReportOrder(study="demo-study", after=(study.id,)))
    assert report.request.command[1:] == ("report", "studies/demo-study", "--out=studies/demo-study/report")
    place_order(here, "ada", SampleOrder(prompts=["a last cap"], after=(report.id, training.id)))
    queue.cancel(here, study.id)
    assert [job.state for job in queue.jobs(here)] == ["queued", "queued", "cancelled", "cancelled", "cancelled"]


def test_the_api_queues_once_a_key_and_says_what_is_wrong(here):
    client = client_of(here.folder)
    headers = {"x-csrf-token": csrf_of(client), "idempotency-key": "k1"}
    first = client.post("/api/v1/orders/sample", json={"prompts": ["a cap"]}, headers=headers).json()
    again = client.post("/api/v1/orders/sample", json={"prompts": ["a cap"]}, headers=headers).json()
    assert first["id"] == again["id"] and here.items("creations") == ["a-cap"]
    wrong = client.post("/api/v1/orders/sample", json={"prompts": 3}, headers=headers)
    assert wrong.status_code == 422 and "prompts" in wrong.json()["error"]
    lost = client.post(
        "/api/v1/orders/sample", json={"prompts": ["x"], "run": "no"}, headers=headers | {"idempotency-key": "k2"}
    )
    assert lost.status_code == 404 and "'no'" in lost.json()["error"]
    assert client.get(f"/api/v1/jobs/{first['id']}").json()["position"] == 1
    page = client.get("/api/v1")
    schema = client.get("/api/v1/openapi.json").json()
    for path in (path for path in schema["paths"] if path.startswith("/api/v1/")):
        assert path in page.text, path
    assert {f"/api/v1/orders/{kind}" for kind in ORDERS} <= set(schema["paths"])


def test_going_on_is_the_same_command(here):
    job = queue.add(here, SampleOrder(prompts=["a cap"]).request(here, "ada"))
    with pytest.raises(BrandsmithError, match="queued"):
        ResumeOrder(job=job.id).request(here, "bob")
    queue.cancel(here, job.id)
    assert ResumeOrder(job=job.id).request(here, "bob").command == job.request.command


def test_bases_are_known_by_name(here):
    with pytest.raises(InvalidConfig, match="someone/model"):
        TrainOrder(base="someone/model").request(here, "ada")
    with pytest.raises(MissingResource, match="there is no 'red'"):
        TrainOrder(concept="red").request(here, "ada")
