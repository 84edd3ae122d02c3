"""Jobs as files: ordered, cancelled, worked by processes that outlive who started them."""

from __future__ import annotations

import time

import pytest

from brandsmith.core.errors import InvalidInput
from brandsmith.studio.jobs import queue
from brandsmith.studio.jobs.lanes import Lanes, next_job
from brandsmith.studio.jobs.process import living
from brandsmith.studio.jobs.record import JobRequest
from brandsmith.studio.jobs.worker import Worker, attempts
from brandsmith.studio.jobs.worker_process import ensure_worker, living_worker
from brandsmith.studio.queue_view import view_queue
from brandsmith.studio.workspace import Workspace

QUICK = ("brandsmith", "--help")
ONE = Lanes((), 1)


@pytest.fixture
def here(tmp_path) -> Workspace:
    return Workspace.open(tmp_path / "work")


def work_until_over(worker: Worker, within_sec: float = 60.0) -> None:
    end = time.monotonic() + within_sec
    while worker.look():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_order_positions_and_keys(here):
    low = queue.add(here, JobRequest(QUICK, "ada", priority=-1))
    first = queue.add(here, JobRequest(QUICK, "ada", key="form-1"))
    light = queue.add(here, JobRequest(QUICK, "bob", lane="cpu"))
    assert queue.add(here, JobRequest(QUICK, "ada", key="form-1")) == first
    high = queue.add(here, JobRequest(QUICK, "bob", priority=1))
    assert [job.id for job in queue.waiting(here)] == [high.id, first.id, light.id, low.id]
    assert queue.positions(here) == {high.id: 1, first.id: 2, light.id: 1, low.id: 3}
    assert queue.cancel(here, first.id).state == "cancelled"
    queue.reprioritise(here, low.id, 1)
    assert [job.id for job in queue.waiting(here)] == [low.id, high.id, light.id]


def test_the_view_of_the_queue_is_of_one_moment(here, monkeypatch):
    """Between two readings jobs come and go: a page that read twice failed in one of fifteen hundred requests."""
    first = queue.add(here, JobRequest(QUICK, "ada"))
    later = [queue.jobs(here), [first, queue.add(here, JobRequest(QUICK, "bob"))]]
    monkeypatch.setattr(queue, "jobs", lambda workspace: later.pop(0) if later else [])
    assert [line.job.id for line in view_queue(here).waiting] == [first.id] and len(later) == 1


def test_only_our_commands(here):
    for command in (("rm", "-rf", "/"), ("brandsmith",), ("brandsmith", "studio", "x")):
        with pytest.raises(InvalidInput):
            queue.add(here, JobRequest(command, "ada"))


def test_one_heavy_job_a_card_and_light_ones_beside(here):
    jobs = [queue.add(here, JobRequest(QUICK, "ada", lane=lane)) for lane in ("gpu", "gpu", "gpu", "cpu", "cpu")]
    heavy, second, third, light, _ = jobs
    assert next_job(jobs, [], ONE) == (heavy, None)
    assert next_job(jobs[1:], [heavy], ONE) == (light, None)
    assert next_job([second, third], [heavy, light], ONE) is None
    at_work = queue.change(here, heavy, state="running", card=0)
    assert next_job([second], [at_work], Lanes((0, 1), 1)) == (second, 1)


def test_a_job_waits_for_another_and_is_cancelled_with_it(here):
    training = queue.add(here, JobRequest(QUICK, "ada", title="Training"))
    report = queue.add(here, JobRequest(QUICK, "ada", lane="cpu", after=(training.id,), title="Report"))
    drawing = queue.add(here, JobRequest(QUICK, "ada", after=(report.id,)))
    free = queue.add(here, JobRequest(QUICK, "ada"))
    assert queue.ready(queue.jobs(here)) == [training, free]
    assert {line.job.id: line.waits_for for line in view_queue(here).waiting}[report.id] == ("Training",)
    queue.change(here, training, state="done")
    assert queue.ready(queue.jobs(here))[0] == report
    queue.change(here, report, state="failed")
    with queue.changing(here):
        queue.settle(here)
    lost = queue.find(here, drawing.id)
    assert lost.state == "cancelled" and f"waited for job {report.id} (Report), which failed" in lost.reason
    assert queue.find(here, free.id).state == "queued"
    for wrong in (report.id, "999999"):
        with pytest.raises(InvalidInput, match=r"is failed|no job"):
            queue.add(here, JobRequest(QUICK, "ada", after=(wrong,)))


def test_a_chain_is_cancelled_with_its_first_job(here):
    first = queue.add(here, JobRequest(QUICK, "ada"))
    second = queue.add(here, JobRequest(QUICK, "ada", after=(first.id,)))
    third = queue.add(here, JobRequest(QUICK, "ada", after=(second.id,)))
    queue.cancel(here, first.id)
    assert [queue.find(here, own.id).state for own in (second, third)] == ["cancelled", "cancelled"]
    assert "was cancelled" in queue.find(here, third.id).reason and queue.find(here, third.id).ended


@pytest.mark.slow
def test_a_worker_begins_what_waited_when_it_may(here):
    first = queue.add(here, JobRequest(("brandsmith", "explain", "--help"), "ada"))
    second = queue.add(here, JobRequest(("brandsmith", "explain", "--help"), "ada", lane="cpu", after=(first.id,)))
    work_until_over(Worker(here, ONE))
    first, second = queue.find(here, first.id), queue.find(here, second.id)
    assert (first.state, second.state) == ("done", "done") and second.started >= first.ended


@pytest.mark.slow
def test_a_job_runs_and_says_how_it_ended(here):
    good = queue.add(here, JobRequest(("brandsmith", "explain", "--help"), "ada", lane="cpu"))
    bad = queue.add(here, JobRequest(("brandsmith", "report", "nowhere"), "ada"))
    work_until_over(Worker(here, ONE))
    good, bad = queue.find(here, good.id), queue.find(here, bad.id)
    assert (good.state, good.exit_code, good.tries) == ("done", 0, 1)
    assert (bad.state, bad.exit_code, bad.tries) == ("failed", 2, 1) and "nowhere" in bad.reason
    assert len(attempts(queue.job_folder(here, good.id))) == 1


LONG = ("brandsmith", "train", "lora", "--concept=demo", "--run=runs/x", "--set=steps=100000")


def begun(here: Workspace, job, worker: Worker, times: int):
    """The process of a job once it was begun so often."""
    end = time.monotonic() + 60
    while len(found := attempts(queue.job_folder(here, job.id))) < times:
        assert time.monotonic() < end and worker.look()
        time.sleep(0.02)
    return living(found[-1])


@pytest.mark.slow
def test_a_killed_job_is_begun_once_more_then_reported(here):
    worker = Worker(here, ONE)
    job = queue.add(here, JobRequest(LONG, "ada", folder="runs/x"))
    for time_of_it in (1, 2):
        begun(here, job, worker, time_of_it).kill()
    work_until_over(worker)
    job = queue.find(here, job.id)
    assert (job.state, job.tries) == ("failed", 2) and "killed twice" in job.reason


@pytest.mark.slow
def test_another_worker_takes_over_what_is_at_work_and_ends_what_is_cancelled(here):
    job = queue.add(here, JobRequest(LONG, "ada", folder="runs/x"))
    begun(here, job, Worker(here, ONE), 1)
    second = Worker(here, ONE, grace_sec=0.5)
    for _ in range(3):
        assert second.look()
    assert queue.find(here, job.id).state == "running" and len(attempts(queue.job_folder(here, job.id))) == 1
    queue.cancel(here, job.id)
    work_until_over(second)
    assert (
        queue.find(here, job.id).state == "cancelled" and living(attempts(queue.job_folder(here, job.id))[-1]) is None
    )


@pytest.mark.slow
def test_the_worker_is_a_process_of_its_own_and_is_replaced(here):
    ensure_worker(here)
    assert living_worker(here) is None, "nothing waits"
    job = queue.add(here, JobRequest(("brandsmith", "explain", "--help"), "ada"))
    ensure_worker(here)
    end = time.monotonic() + 60
    while (first := living_worker(here)) is None:
        assert time.monotonic() < end
        time.sleep(0.05)
    first.kill()
    while not queue.find(here, job.id).over:
        ensure_worker(here)
        assert time.monotonic() < end
        time.sleep(0.1)
    assert queue.find(here, job.id).state == "done" and queue.find(here, job.id).tries == 1
    if second := living_worker(here):
        second.kill()
