"""Agents: the dozen verbs by the SDK's own client, in this process."""

from __future__ import annotations

import json
import shutil

import anyio
import pytest
from mcp import Client
from PIL import Image

from brandsmith.core.files import append_jsonl
from brandsmith.core.rows import Row
from brandsmith.studio.jobs import queue
from brandsmith.studio.mcp import build_server
from brandsmith.studio.workspace import Workspace

VERBS = {
    *("list", "inspect_concept", "doctor", "train", "status", "sample", "judge", "report", "create_ad"),
    *("create_moodboard", "create_catalogue", "create_clip", "inpaint", "outpaint", "export", "cancel"),
}


@pytest.fixture
def here(tmp_path) -> Workspace:
    return Workspace.open(tmp_path / "work")


def asked(here: Workspace, verb: str, **given: object):
    async def ask():
        async with Client(build_server(here, work=False)) as client:
            return await client.call_tool(verb, given)

    return anyio.run(ask)


def test_the_verbs_say_what_they_do(here):
    async def ask():
        async with Client(build_server(here, work=False)) as client:
            return await client.list_tools()

    tools = {tool.name: tool for tool in anyio.run(ask).tools}
    assert set(tools) == VERBS
    assert all(len(tool.description) > 40 for tool in tools.values())


def test_work_is_queued_and_pictures_come_with_verdicts(here):
    answer = asked(here, "sample", prompts=["a cap"], wait_seconds=0)
    job = json.loads(answer.content[0].text)
    assert not answer.is_error and job["state"] == "queued" and job["result_id"] == "creations/a-cap"
    folder = here.folder / job["result_id"]
    Image.new("RGB", (900, 900), "red").save(folder / "case-0_seed-7.png")
    row = Row(0, "a cap", 7, "a-cap", 0, "detector@1", "abc", 0.9, "", {})
    append_jsonl(folder / "case-0_seed-7.jsonl", row.as_json())
    shown = asked(here, "status", job=job["job"])
    picture = json.loads(shown.content[0].text)["pictures"][0]
    assert (picture["prompt"], picture["seed"], picture["usable"]["verdict"]) == ("a cap", 7, True)
    assert shown.content[1].type == "image" and len(shown.content[1].data) < 20_000
    assert json.loads(asked(here, "report", kind="creations", id="a-cap").content[0].text)["pictures"]
    assert json.loads(asked(here, "cancel", job=job["job"]).content[0].text)["state"] == "cancelled"
    assert queue.find(here, job["job"]).request.user == "agent"


def test_the_demo_is_there_to_look_at(here):
    answer = asked(here, "inspect_concept", concept="demo")
    assert json.loads(answer.content[0].text)["config"]["token"] and answer.content[1].type == "image"
    assert "demo" in json.loads(asked(here, "list").content[0].text)["concepts"]


@pytest.mark.parametrize(
    ("verb", "given", "said"),
    [
        ("status", {"job": "../../x"}, "is no job"),
        ("report", {"kind": "runs", "id": "nowhere"}, "there is no 'nowhere'"),
        ("report", {"kind": "creations", "id": "../.studio"}, "no name of this workspace"),
        ("train", {"settings": {"--out": "x"}}, "cannot be ordered"),
        ("sample", {"prompts": []}, "prompts"),
    ],
)
def test_what_cannot_be_is_a_sentence(here, verb, given, said):
    answer = asked(here, verb, **given)
    assert answer.is_error and said in answer.content[0].text and "Traceback" not in answer.content[0].text
    assert not queue.jobs(here)


def test_an_unreadable_picture_hides_no_other(here):
    folder = here.kind("creations") / "x"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"none")
    shutil.copy(_picture(folder), folder / "b.png")
    answer = asked(here, "report", kind="creations", id="x")
    assert [one["path"] for one in json.loads(answer.content[0].text)["pictures"]] == ["b.png", "c.png"]


def _picture(folder):
    Image.new("RGB", (8, 8)).save(folder / "c.png")
    return folder / "c.png"
