"""The first run: the demo concept with its judges in the workspace, and a first picture on the way."""

from __future__ import annotations

import shutil

from brandsmith.concept.concept import demo_folder
from brandsmith.core.files import replacing_folder
from brandsmith.studio.inventory import pictures_in
from brandsmith.studio.jobs import queue
from brandsmith.studio.jobs.record import Job, JobRequest
from brandsmith.studio.workspace import Workspace

CONCEPT, PICTURES = "qoga", "first-pictures"
PROMPTS = ("A male model wearing a blue sweater", "A female model wearing a green t shirt")


def start_tour(workspace: Workspace, user: str) -> Job:
    """Copy the demo in and have its first pictures drawn; a second start changes nothing."""
    demo = demo_folder()
    for source, name in ((demo, CONCEPT), (demo.with_name("demo_judges"), f"{CONCEPT}-judges")):
        target = workspace.item("concepts", name)
        if not target.exists():
            with replacing_folder(target) as partial:
                shutil.copytree(source, partial, dirs_exist_ok=True)
    folder = f"creations/{PICTURES}"
    command = ("brandsmith", "sample", *PROMPTS, "--base", "pocket", "--seeds", "1", "--out", folder)
    request = JobRequest(command, user, folder=folder, title="First pictures", key=f"tour-{PICTURES}", priority=1)
    return queue.add(workspace, request)


def first_pictures(workspace: Workspace) -> list[str]:
    """Paths in their creation, as far as they are drawn."""
    return pictures_in(workspace.item("creations", PICTURES))


def tour_job(workspace: Workspace) -> Job | None:
    """The job that draws them; None before the start."""
    return next((job for job in queue.jobs(workspace) if job.request.key == f"tour-{PICTURES}"), None)
