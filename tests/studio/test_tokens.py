"""Programs: tokens act under the name and role they were made with, and the example client works with one."""

from __future__ import annotations

import io
import runpy
import sys
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image
from studio.apps import client_of

from brandsmith.studio.jobs import queue
from brandsmith.studio.settings import StudioSettings
from brandsmith.studio.tokens import new_token, remove_token, tokens
from brandsmith.studio.users import User, write_account
from brandsmith.studio.workspace import Workspace

CLIENT = Path(__file__).parents[2] / "examples" / "studio_client.py"


@pytest.fixture
def here(tmp_path) -> Workspace:
    return Workspace.open(tmp_path / "work")


@pytest.mark.slow
def test_a_token_has_a_role_can_be_taken_back_and_is_not_kept(here):
    client = client_of(here.folder)
    text = new_token(here, User("ada", "maker"), "admin", "a script")
    assert (tokens(here)[0].role, tokens(here)[0].user) == ("maker", "ada"), "never more than its owner"
    assert text not in (here.own / "tokens" / "tokens.json").read_text()
    looks = new_token(here, User("ada", "maker"), "viewer", "a board")
    order = {"json": {"concept": "demo"}}
    assert (
        client.post("/api/v1/orders/doctor", headers={"authorization": f"Bearer {looks}"}, **order).status_code == 403
    )
    made = client.post("/api/v1/orders/doctor", headers={"authorization": f"Bearer {text}"}, **order)
    assert made.json()["request"]["user"] == "ada"
    remove_token(here, tokens(here)[0].digest)
    assert client.get("/api/v1/jobs", headers={"authorization": f"Bearer {text}"}).status_code == 403


def test_a_token_may_no_more_than_its_owner_may_now(here, tmp_path):
    for name, role in (("ada", "viewer"), ("bob", "maker")):
        write_account(tmp_path / "users", name, role, "a long password")
    client = client_of(here.folder, StudioSettings(users=tmp_path / "users"))
    answers = {}
    for name in ("ada", "bob", "gone"):
        headers = {"authorization": f"Bearer {new_token(here, User(name, 'maker'), 'maker', '')}"}
        answers[name] = client.post("/api/v1/orders/doctor", json={}, headers=headers)
    assert {name: answer.status_code for name, answer in answers.items()} == {"ada": 403, "bob": 200, "gone": 403}
    assert "viewer" in answers["ada"].json()["error"] and "not known" in answers["gone"].json()["error"]


def test_the_example_client_saves_what_is_drawn(here, tmp_path, monkeypatch, capsys):
    client = client_of(here.folder)

    @contextmanager
    def opened(request):
        address = request.full_url.removeprefix("http://localhost:8700")
        answer = client.request(
            "POST" if request.data else "GET", address, content=request.data, headers=request.headers
        )
        assert answer.status_code == 200, answer.text
        for job in queue.waiting(here):  # what a worker would do
            Image.new("RGB", (8, 8)).save(here.folder / job.request.folder / "a b.png")
            queue.change(here, job, state="done")
        yield io.BytesIO(answer.content)

    monkeypatch.setattr(urllib.request, "urlopen", opened)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    token = new_token(here, User("ada", "maker"), "maker", "")
    monkeypatch.setattr(sys, "argv", ["studio_client", token, "a cap", "--out", str(tmp_path / "out")])
    runpy.run_path(str(CLIENT), run_name="__main__")
    assert (tmp_path / "out" / "a b.png").is_file() and capsys.readouterr().out.startswith("done")
