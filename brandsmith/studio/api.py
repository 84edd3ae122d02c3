"""`/api/v1`: what pages do, for programs."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from brandsmith.studio.access import Here, Maker, Viewer
from brandsmith.studio.jobs import queue

router = APIRouter(prefix="/api/v1")


@router.get("/jobs")
def list_jobs(here: Here, user: Viewer) -> list[dict[str, Any]]:
    """All jobs, oldest first, with their places in the queue."""
    places = queue.positions(here)
    return [job.as_json() | {"position": places.get(job.id)} for job in queue.jobs(here)]


@router.post("/jobs/{identity}/cancel")
def cancel_job(here: Here, user: Maker, identity: str) -> dict[str, Any]:
    """End a job: at once when it waits, else as soon as it has saved its state."""
    return queue.cancel(here, identity).as_json()
