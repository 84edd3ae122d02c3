"""`/api/v1`: what pages do, for programs. Documented by OpenAPI (`/api/v1/openapi.json`), read at `/api/v1`.

A program sends `Authorization: Bearer TOKEN`; browsers' scripts send the session's cookie and `X-CSRF-Token`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, UploadFile
from pydantic import BaseModel, Field
from starlette.responses import HTMLResponse, PlainTextResponse

from brandsmith.studio import summaries, uploads
from brandsmith.studio.access import Here, Maker, Refused, Viewer
from brandsmith.studio.jobs import queue
from brandsmith.studio.jobs.record import Job
from brandsmith.studio.orders.order import Order
from brandsmith.studio.orders.table import ORDERS, place_order
from brandsmith.studio.render import render
from brandsmith.studio.users import User
from brandsmith.studio.workspace import KINDS, Workspace

router = APIRouter(prefix="/api/v1")
LONGEST_LOG = 65_536


@router.get("", response_class=HTMLResponse, include_in_schema=False)
def documentation(request: Request, user: Viewer) -> HTMLResponse:
    """The calls as a page that needs no network."""
    return render(request, "api.html", calls=list(_calls(request.app.openapi())))


@router.get("/items")
def list_items(here: Here, user: Viewer) -> dict[str, list[str]]:
    """Ids of concepts, runs, studies and creations."""
    return {kind: here.items(kind) for kind in KINDS}


@router.get("/items/{kind}/{identity}")
def read_item(
    here: Here, user: Viewer, kind: str, identity: str, most: Annotated[int, Query(ge=1, le=500)] = 60
) -> dict[str, Any]:
    """One item: what it is, how far it is, and its pictures with their verdicts, usable ones first."""
    return summaries.item(here, kind, identity, most)


@router.post("/concepts")
def new_concept(here: Here, user: Maker, concept: summaries.NewConcept) -> dict[str, str]:
    """An empty concept, to be given pictures."""
    return {"id": summaries.make_concept(here, concept)}


@router.post("/concepts/{identity}/pictures")
def upload_pictures(here: Here, user: Maker, identity: str, files: list[UploadFile]) -> dict[str, Any]:
    """Pictures for a concept, with captions as `.txt` of the same name."""
    folder = here.there("concepts", identity) / "images"
    sent = uploads.keep_pictures(files, folder, captions=True)
    return {"kept": list(sent.kept), "refused": [{"name": name, "why": why} for name, why in sent.refused]}


@router.get("/jobs")
def list_jobs(here: Here, user: Viewer) -> list[dict[str, Any]]:
    """All jobs, oldest first, with their places in the queue."""
    known = queue.jobs(here)
    places = queue.places(known)
    return [job.as_json() | {"position": places.get(job.id)} for job in known]


@router.get("/jobs/{identity}")
def read_job(here: Here, user: Viewer, identity: str) -> dict[str, Any]:
    """One job."""
    return queue.find(here, identity).as_json() | {"position": queue.positions(here).get(identity)}


@router.get("/jobs/{identity}/log", response_class=PlainTextResponse)
def read_log(here: Here, user: Viewer, identity: str) -> str:
    """The end of what a job printed."""
    return summaries.log_tail(here, queue.find(here, identity), LONGEST_LOG)


@router.post("/jobs/{identity}/cancel")
def cancel_job(here: Here, user: Maker, identity: str) -> dict[str, Any]:
    """End a job: at once when it waits, else as soon as it has saved its state."""
    return queue.cancel(here, _own_job(here, user, identity).id).as_json()


class Priority(BaseModel):
    priority: int = Field(ge=-1, le=1)


@router.post("/jobs/{identity}/priority")
def change_priority(here: Here, user: Maker, identity: str, wish: Priority) -> dict[str, Any]:
    """-1 low, 0, 1 high."""
    return queue.reprioritise(here, _own_job(here, user, identity).id, wish.priority).as_json()


def _own_job(workspace: Workspace, user: User, identity: str) -> Job:
    """A maker's own job; an admin's any."""
    job = queue.find(workspace, identity)
    if job.request.user != user.name and not user.may("admin"):
        raise Refused(f"job {identity} is {job.request.user}'s", hint="ask them, or an admin")
    return job


def _order_call(kind: type[Order]) -> Callable[..., dict[str, Any]]:
    def call(
        here: Here, user: Maker, order: Order, idempotency_key: Annotated[str, Header(max_length=80)] = ""
    ) -> dict[str, Any]:
        keyed = order.model_copy(update={"key": idempotency_key}) if idempotency_key else order
        return place_order(here, user.name, keyed).as_json()

    call.__annotations__["order"] = kind
    call.__doc__ = f"Queue {kind.__doc__}"
    return call


for _name, _kind in ORDERS.items():
    router.add_api_route(
        f"/orders/{_name}", _order_call(_kind), methods=["POST"], name=f"order_{_name}", operation_id=f"order_{_name}"
    )


def _calls(schema: dict[str, Any]) -> Any:
    """(method, path, what it does, its body's fields) of every call, for the page."""
    models = schema.get("components", {}).get("schemas", {})
    for path, methods in schema["paths"].items():
        for method, call in methods.items() if path.startswith(router.prefix) else ():
            content = call.get("requestBody", {}).get("content", {}).get("application/json", {})
            body = models.get(content.get("schema", {}).get("$ref", "").rpartition("/")[2], {})
            text = (call.get("description") or call.get("summary", "")).partition("\n")[0]
            yield method.upper(), path, text, list(body.get("properties", {}))
