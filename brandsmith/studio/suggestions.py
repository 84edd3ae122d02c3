"""Captions that `brandsmith concept caption` would complete: shown beside each picture, taken over by a click."""

from __future__ import annotations

from brandsmith.studio.caption_edits import write_captions
from brandsmith.studio.concept_view import ConceptView, caption_of, digest_of, view_concept
from brandsmith.studio.jobs import queue
from brandsmith.studio.jobs.record import Job, JobRequest
from brandsmith.studio.workspace import Workspace


def ask_for_captions(workspace: Workspace, identity: str, user: str) -> Job:
    """Have the copy with complete captions made; the same state of a concept is asked about once."""
    state = digest_of(workspace.there("concepts", identity))
    (workspace.own / "captions").mkdir(exist_ok=True)
    out = f".studio/captions/{identity}-{state}"
    command = ("brandsmith", "concept", "caption", f"concepts/{identity}", f"--out={out}")
    key = f"caption-{identity}-{state}"
    return queue.add(workspace, JobRequest(command, user, "cpu", title=f"Captions: {identity}", priority=1, key=key))


def suggested(workspace: Workspace, view: ConceptView) -> dict[str, str]:
    """{picture: a caption that says more than its own}; empty when nobody asked about the concept as it is."""
    found = [job for job in queue.jobs(workspace) if job.request.key.startswith(f"caption-{view.id}-")]
    if not found or found[-1].state != "done":
        return {}
    copy = workspace.own / "captions" / found[-1].request.key.removeprefix("caption-")
    complete = {picture.name: caption_of(copy, picture.name) for picture in view.pictures}
    own = {picture.name: picture.caption for picture in view.pictures}
    return {name: text for name, text in complete.items() if len(text) > len(own[name])}


def accept(workspace: Workspace, identity: str, picture: str, user: str) -> int:
    """Take over the suggestion for one picture (empty: for all); how many captions changed."""
    found = suggested(workspace, view_concept(workspace, identity))
    chosen = {name: text for name, text in found.items() if picture in ("", name)}
    return write_captions(workspace, identity, chosen, "suggested", user)
