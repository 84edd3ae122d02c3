"""Jobs as files: ordered, cancelled, worked by processes that outlive who started them."""

from __future__ import annotations

import time

import pytest

from brandsmith.core.errors import InvalidInput
from brandsmith.studio.jobs import queue
from brandsmith.studio.jobs.lanes import Lanes, next_job
from brandsmith.studio.jobs.record import JobRequest
from brandsmith.studio.jobs.worker import Worker, attempts
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


@pytest.mark.slow
def test_a_job_runs_and_says_how_it_ended(here):
    good = queue.add(here, JobRequest(("brandsmith", "explain", "--help"), "ada", lane="cpu"))
    bad = queue.add(here, JobRequest(("brandsmith", "doctor", "nowhere"), "ada"))
    work_until_over(Worker(here, ONE))
    good, bad = queue.find(here, good.id), queue.find(here, bad.id)
    assert (good.state, good.exit_code, good.tries) == ("done", 0, 1)
    assert (bad.state, bad.exit_code, bad.tries) == ("failed", 2, 1) and "nowhere" in bad.reason
    assert len(attempts(queue.job_folder(here, good.id))) == 1
