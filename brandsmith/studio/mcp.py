"""`brandsmith mcp`: the studio's verbs for agents, by the Model Context Protocol (official SDK).

Work is queued and done as in the studio, in the same workspace; each verb answers with JSON, and with small pictures
where there are any, usable ones first. An agent gets ids and never a path outside the workspace.
"""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from mcp.server.mcpserver import Image, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field, ValidationError

from brandsmith.core.errors import BrandsmithError
from brandsmith.core.version import package_version
from brandsmith.studio import summaries
from brandsmith.studio.files import thumbnail
from brandsmith.studio.jobs import queue
from brandsmith.studio.jobs.record import Job
from brandsmith.studio.jobs.worker_process import ensure_worker
from brandsmith.studio.orders.table import ORDERS, place_order
from brandsmith.studio.workspace import KINDS, Workspace

PICTURE_PX, MOST_PICTURES = 384, 6
LONGEST_WAIT_SEC = 600
LOOK_EVERY_SEC = 0.25
LOG_BYTES = 2000
Answer = list[str | Image]
Wait = Annotated[int, Field(ge=0, le=LONGEST_WAIT_SEC, description="Seconds to wait for the end; 0 answers at once.")]
ConceptId = Annotated[str, Field(description="A concept's id, or 'demo'.")]
PictureAddress = Annotated[
    str, Field(description="Of the workspace: the result's id and the picture's path, creations/ID/FILE.")
]
After = Annotated[
    list[str] | None, Field(description="Ids of jobs that must be done before, such as the training that shall draw.")
]
RunId = Annotated[str | None, Field(description="A training's id, whose adapter draws; none: the base alone.")]
INSTRUCTIONS = (
    "Teach an image generator a brand and make judged pictures. Look at a concept (inspect_concept, doctor), train, "
    "then sample and judge, or create_ad. Work is queued: ask status for the job's id until it is over."
)
USER = "agent"
_KIND_OF_FOLDER = "runs", "studies", "creations"


def build_server(workspace: Workspace, user: str = USER, *, work: bool = True) -> MCPServer:
    """The server over a workspace. work: keep a worker alive while jobs wait."""
    server = MCPServer("brandsmith", instructions=INSTRUCTIONS, version=package_version(), log_level="ERROR")
    verbs = Verbs(workspace, user, work)
    for verb in (
        *(verbs.inspect_concept, verbs.doctor, verbs.train, verbs.status, verbs.sample, verbs.judge),
        *(verbs.report, verbs.create_ad, verbs.create_catalogue, verbs.create_moodboard, verbs.create_clip),
        *(verbs.inpaint, verbs.outpaint, verbs.export, verbs.cancel),
    ):
        server.tool(structured_output=False)(answering(verb))
    server.tool("list", structured_output=False)(answering(verbs.list_all))
    return server


def answering(verb: Callable[..., Answer]) -> Callable[..., Answer]:
    """`verb`, whose errors are sentences for the agent."""

    @functools.wraps(verb)
    def call(*given: Any, **named: Any) -> Answer:
        try:
            return verb(*given, **named)
        except BrandsmithError as error:
            raise ToolError(f"{error}. {error.hint}" if error.hint else str(error)) from None
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()[:5])
            raise ToolError(f"this cannot be ordered ({wrong})") from None

    return call


class Verbs:
    """What an agent may do. The docstrings are what it reads."""

    def __init__(self, workspace: Workspace, user: str, work: bool) -> None:
        self.workspace, self.user, self.work = workspace, user, work

    def list_all(self) -> Answer:
        """Ids of concepts, runs (trainings), studies and creations, and the jobs that wait or are at work."""
        items = {kind: self.workspace.items(kind) for kind in KINDS}
        places = queue.positions(self.workspace)
        at_work = [_job_json(job, places) for job in queue.jobs(self.workspace) if not job.over]
        return [_text({**items, "concepts": ["demo", *items["concepts"]], "jobs": at_work})]

    def inspect_concept(self, concept: ConceptId) -> Answer:
        """What a concept teaches: its token, class word, captions, and some of its pictures."""
        return self._item("concepts", concept)

    def doctor(self, concept: ConceptId = "demo", wait_seconds: Wait = 120) -> Answer:
        """Everything that is wrong with a concept's pictures and captions, each with its remedy."""
        return self._order("doctor", {"concept": concept}, wait_seconds)

    def train(
        self,
        concept: ConceptId = "demo",
        method: Literal["dreambooth", "lora", "textual_inversion", "hypernetwork"] = "lora",
        settings: Annotated[
            dict[str, Any] | None, Field(description="As 'brandsmith train --set' takes them: steps, rank, …")
        ] = None,
        wait_seconds: Wait = 0,
    ) -> Answer:
        """Teach a concept to the base. Minutes to hours: ask status, which shows previews with their verdicts."""
        return self._order("train", {"concept": concept, "method": method, "settings": settings or {}}, wait_seconds)

    def status(
        self, job: Annotated[str, Field(description="A job's id, such as 000017.")], wait_seconds: Wait = 0
    ) -> Answer:
        """How far a job is, what it printed last, and the pictures it has made so far with their verdicts."""
        return self._job(queue.find(self.workspace, job), wait_seconds)

    def sample(
        self,
        prompts: list[str],
        run: RunId = None,
        seeds: Annotated[int, Field(ge=1, le=64, description="Pictures of each prompt.")] = 4,
        best_of: Annotated[
            int | None, Field(description="Instead: draw until each prompt has so many usable pictures.")
        ] = None,
        concept: ConceptId = "demo",
        after: After = None,
        wait_seconds: Wait = 60,
    ) -> Answer:
        """Draw pictures. A prompt names the concept by its token; AND and NOT join parts."""
        given = {"prompts": prompts, "run": run, "seeds": seeds, "best_of": best_of, "concept": concept}
        return self._order("sample", {**given, "after": after or []}, wait_seconds)

    def judge(
        self,
        id: Annotated[str, Field(description="Of a creation or a run.")],
        kind: Literal["creations", "runs"] = "creations",
        concept: ConceptId = "demo",
        after: After = None,
        wait_seconds: Wait = 120,
    ) -> Answer:
        """Score pictures: is the mark present, right, spelled; is the prompt obeyed; is it no copy."""
        given = {"id": id, "kind": kind, "concept": concept, "after": after or []}
        return self._order("judge", given, wait_seconds)

    def report(self, kind: Literal["runs", "studies", "creations"], id: str) -> Answer:
        """What came of a training, a study or a creation: figures, and its pictures with verdicts, usable first."""
        return self._item(kind, id)

    def create_ad(
        self,
        product: Annotated[str, Field(description="What is drawn, with {token}: 'a blue {token} cap'.")],
        headline: str,
        run: RunId = None,
        concept: ConceptId = "demo",
        more: Annotated[
            dict[str, Any] | None, Field(description="Other keys of a brief: scene, call_to_action, legal, formats.")
        ] = None,
        after: After = None,
        wait_seconds: Wait = 0,
    ) -> Answer:
        """A finished ad in every format: drawn, judged, laid out with real text and the true mark."""
        brief = {**(more or {}), "product": product, "headline": headline}
        given = {"brief": brief, "run": run, "concept": concept, "after": after or []}
        return self._order("ad", given, wait_seconds)

    def create_catalogue(
        self,
        products: Annotated[
            list[dict[str, str]],
            Field(description="Rows: name and garments ('cap; t shirt'), and colours, views, section, text, price."),
        ],
        title: str = "Catalogue",
        run: RunId = None,
        concept: ConceptId = "demo",
        after: After = None,
        wait_seconds: Wait = 0,
    ) -> Answer:
        """A catalogue: every product drawn in every colour and view until it is usable, and pages as a PDF."""
        given = {"products": products, "title": title, "run": run, "concept": concept, "after": after or []}
        return self._order("catalogue", given, wait_seconds)

    def create_moodboard(
        self, theme: str, run: RunId = None, concept: ConceptId = "demo", after: After = None, wait_seconds: Wait = 0
    ) -> Answer:
        """The most different usable pictures of a theme, with their colours."""
        given = {"theme": theme, "run": run, "concept": concept, "after": after or []}
        return self._order("moodboard", given, wait_seconds)

    def create_clip(
        self,
        prompts: list[str],
        run: RunId = None,
        concept: Annotated[str | None, Field(description="Whose judges look at every frame.")] = None,
        frames: Annotated[int, Field(ge=2, le=64)] = 16,
        after: After = None,
        wait_seconds: Wait = 0,
    ) -> Answer:
        """Short films of the mark, as animated WebP."""
        given = {"prompts": prompts, "run": run, "concept": concept, "frames": frames, "after": after or []}
        return self._order("clip", given, wait_seconds)

    def inpaint(
        self,
        picture: PictureAddress,
        prompt: Annotated[str, Field(description="What to draw there.")],
        where: Annotated[str | None, Field(description="A phrase that finds the part: 'the bowl'.")] = None,
        box: Annotated[list[int] | None, Field(description="Instead: x0, y0, x1, y1 in pixels.")] = None,
        wait_seconds: Wait = 60,
    ) -> Answer:
        """Draw a part of a picture anew; everything else stays as it is."""
        given = {"picture": picture, "prompt": prompt, "where": where, "box": box}
        return self._order("inpaint", given, wait_seconds)

    def outpaint(
        self,
        picture: PictureAddress,
        prompt: Annotated[str, Field(description="What the whole shows.")],
        to: Annotated[str, Field(description="A shape such as 16:9, or a size such as 728x90.")] = "16:9",
        wait_seconds: Wait = 60,
    ) -> Answer:
        """Draw a picture on beyond its edges; its own pixels stay."""
        return self._order("outpaint", {"picture": picture, "prompt": prompt, "to": to}, wait_seconds)

    def export(
        self,
        run: str,
        to: Literal["diffusers", "kohya", "comfyui", "a1111", "single-file", "compact"] | None = None,
        wait_seconds: Wait = 60,
    ) -> Answer:
        """Write a training's adapter for another program."""
        return self._order("export", {"run": run, "to": to}, wait_seconds)

    def cancel(self, job: Annotated[str, Field(description="A job's id.")]) -> Answer:
        """End a job. What it wrote stays; the same order goes on from there."""
        return self._job(queue.cancel(self.workspace, job), 0)

    # ------------------------------------------------------------------------- answers

    def _order(self, name: str, given: Mapping[str, Any], wait_sec: int) -> Answer:
        order = ORDERS[name].model_validate(dict(given))
        return self._job(place_order(self.workspace, self.user, order), wait_sec)

    def _job(self, job: Job, wait_sec: int) -> Answer:
        job = self._waited(job, wait_sec)
        places = queue.positions(self.workspace)
        answer = _job_json(job, places)
        if job.over:
            answer["result"] = summaries.last_json(self.workspace, job)
        else:
            answer["printed"] = summaries.log_tail(self.workspace, job, LOG_BYTES)
        kind, _, identity = job.request.folder.partition("/")
        pictures = self._pictures(kind, identity) if kind in _KIND_OF_FOLDER else []
        return [_text({**answer, "pictures": [picture for picture, _ in pictures]}), *(image for _, image in pictures)]

    def _waited(self, job: Job, wait_sec: int) -> Job:
        until = time.monotonic() + wait_sec
        while True:
            if self.work:
                ensure_worker(self.workspace)
            job = queue.find(self.workspace, job.id)
            if job.over or time.monotonic() >= until:
                return job
            time.sleep(LOOK_EVERY_SEC)

    def _item(self, kind: str, identity: str) -> Answer:
        if (kind, identity) == ("concepts", "demo"):
            return summaries_of_demo()
        found = summaries.item(self.workspace, kind, identity, MOST_PICTURES)
        pictures = self._pictures(kind, identity)
        shown = {**found, "pictures": [picture for picture, _ in pictures]}
        return [_text(shown), *(image for _, image in pictures)]

    def _pictures(self, kind: str, identity: str) -> list[tuple[dict[str, Any], Image]]:
        """(what is known of it, itself) of the first pictures of an item; those that cannot be read are left out."""
        found = []
        for picture in summaries.pictures_with_verdicts(self.workspace, kind, identity, MOST_PICTURES):
            file = self.workspace.item(kind, identity) / picture.path
            try:
                small = thumbnail(self.workspace, file, PICTURE_PX)
            except (BrandsmithError, OSError):
                continue
            found.append((picture.as_json(), Image(path=small)))
        return found


def summaries_of_demo() -> Answer:
    """The demo concept lies in the package, not in the workspace."""
    from brandsmith.concept.concept import demo_folder
    from brandsmith.core.pictures import list_pictures

    pictures = list_pictures(demo_folder() / "images", quiet=True)
    known = {"id": "demo", "num_pictures": len(pictures), **summaries.concept_json(demo_folder())}
    return [_text(known), *(Image(path=file) for file in pictures[:MOST_PICTURES])]


def _job_json(job: Job, places: Mapping[str, int]) -> dict[str, Any]:
    return {
        "job": job.id,
        "title": job.title,
        "state": job.state,
        "position": places.get(job.id),
        "reason": job.reason,
        "result_id": job.request.folder,
        "command": " ".join(job.request.command),
    }


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
