"""What a workspace holds, as cards; and pages that show it."""

from __future__ import annotations

import json

from lessons import write_concept
from studio.apps import client_of, csrf_of

from brandsmith.core.run import RunDirectory
from brandsmith.studio.inventory import card_of, cards
from brandsmith.studio.jobs import queue
from brandsmith.studio.pages.jobs import own_page
from brandsmith.studio.queue_view import last_step
from brandsmith.studio.tour import start_tour
from brandsmith.studio.workspace import Workspace


def workspace_with_a_run(folder) -> Workspace:
    here = Workspace.open(folder)
    write_concept(here.item("concepts", "red-hugo"))
    (here.item("concepts", "red-hugo-judges")).mkdir()
    run = RunDirectory(here.item("runs", "red-hugo-lora"))
    run.start({"base": "pocket", "concept": {"token": "red_hugo"}, "settings": {"method": "lora", "steps": 12}})
    run.set_status("running", 4)
    run.metrics_file.write_text("".join(json.dumps({"step": i, "loss": 0.5}) + "\n" for i in range(1, 8)))
    return here


def test_cards_of_what_there_is(tmp_path):
    here = workspace_with_a_run(tmp_path)
    (concept,) = cards(here, "concepts")
    assert concept.title == "Red hugo" and concept.token and 1 <= len(concept.pictures) <= 4 and not concept.problem
    run = card_of(here, "runs", "red-hugo-lora")
    assert (run.state, run.step, run.steps, run.method, run.token) == ("running", 4, 12, "lora", "red_hugo")
    assert last_step(RunDirectory(here.item("runs", "red-hugo-lora"))) == 7
    (here.item("concepts", "red-hugo") / "concept.yaml").write_text("token: [\n")
    assert cards(here, "concepts")[0].problem, "said, and the others are shown"


def test_home_shows_them_and_an_empty_one_says_what_to_do_first(tmp_path):
    empty = client_of(tmp_path / "empty").get("/").text
    assert 'action="/tour"' in empty and "/teach/new" in empty
    client = client_of(workspace_with_a_run(tmp_path / "full").folder)
    page = client.get("/", headers={"accept-language": "nl"}).text
    assert 'lang="nl"' in page and "Red hugo lora" in page and "/pictures/concepts/red-hugo/images/" in page
    assert "red-hugo-judges" not in page and client.get("/all/concepts").status_code == 200


def test_the_tour_starts_once_and_its_job_can_be_ended(tmp_path):
    client = client_of(tmp_path)
    here, token = Workspace.open(tmp_path), csrf_of(client)
    for _ in range(2):
        assert client.post("/tour", data={"csrf": token}).headers["location"] == "/tour"
    (job,) = queue.jobs(here)
    assert job.request.command[:2] == ("brandsmith", "sample") and "first-pictures" in client.get("/tour").text
    assert len(card_of(here, "concepts", "qoga").pictures) == 4
    answer = client.post(f"/jobs/{job.id}/cancel", data={"csrf": token, "back": f"/jobs/{job.id}"})
    assert answer.headers["location"] == f"/jobs/{job.id}?said=cancelled"
    assert "What it wrote is kept" in client.get(answer.headers["location"]).text
    assert start_tour(here, "local").state == "cancelled"


def test_a_form_leads_nobody_elsewhere():
    foreign = ("//evil.example", "https://evil.example", "/\\evil.example", "javascript:x", "", "/a\nb")
    assert {own_page(address) for address in foreign} == {"/"} and own_page("/jobs/000001?x=1") == "/jobs/000001"
