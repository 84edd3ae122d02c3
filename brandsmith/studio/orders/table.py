"""Every order by the name that programs use, and putting one into the queue."""

from __future__ import annotations

from collections.abc import Mapping

from brandsmith.studio.jobs import queue
from brandsmith.studio.jobs.record import Job
from brandsmith.studio.orders.creating import (
    AdOrder,
    CatalogueOrder,
    ClipOrder,
    InpaintOrder,
    MoodboardOrder,
    OutpaintOrder,
    SampleOrder,
)
from brandsmith.studio.orders.order import Order
from brandsmith.studio.orders.training import (
    DoctorOrder,
    ExportOrder,
    JudgeOrder,
    ReportOrder,
    ResumeOrder,
    StudyOrder,
    TrainOrder,
)
from brandsmith.studio.workspace import Workspace

ORDERS: Mapping[str, type[Order]] = {
    "train": TrainOrder,
    "resume": ResumeOrder,
    "sample": SampleOrder,
    "judge": JudgeOrder,
    "doctor": DoctorOrder,
    "ad": AdOrder,
    "catalogue": CatalogueOrder,
    "moodboard": MoodboardOrder,
    "inpaint": InpaintOrder,
    "outpaint": OutpaintOrder,
    "clip": ClipOrder,
    "export": ExportOrder,
    "study": StudyOrder,
    "report": ReportOrder,
}


def place_order(workspace: Workspace, user: str, order: Order) -> Job:
    """Queue an order; one whose key is known is the job that is there, and reserves nothing.

    Raises InvalidInput, MissingResource or InvalidConfig for what is not there, also for a job to wait for.
    """
    known = queue.with_key(workspace, order.key, user)
    if known is None:
        queue.check_after(order.after, queue.jobs(workspace))
    return known or queue.add(workspace, order.request(workspace, user))
