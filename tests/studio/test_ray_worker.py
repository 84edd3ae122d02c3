"""The studio's jobs on a Ray cluster of two nodes, one of which dies: its job is begun again on the other."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from brandsmith.core.errors import InvalidConfig
from brandsmith.studio.jobs import queue
from brandsmith.studio.jobs.process import living
from brandsmith.studio.jobs.record import JobRequest
from brandsmith.studio.jobs.worker import attempts
from brandsmith.studio.jobs.worker_process import worker_named
from brandsmith.studio.workspace import Workspace

LONG = ("brandsmith", "train", "lora", "--concept=demo", "--set=steps=100000")


@pytest.fixture
def cluster():
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    quick = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 500, "health_check_failure_threshold": 3}
    memory = {"object_store_memory": 80 * 2**20}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_worker_niceness", "0")
        patch.setenv("PYTHONPATH", os.pathsep.join(map(str, Path(__file__).parents[:3])))
        found = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "_system_config": quick, **memory})
        found.workers = [found.add_node(num_cpus=1, **memory) for _ in range(2)]
        ray.init(address=found.address, log_to_driver=False, logging_level="error")
    yield found
    ray.shutdown()
    found.shutdown()


def times(here: Workspace, job) -> int:
    return len(attempts(queue.job_folder(here, job.id)))


@pytest.mark.slow
def test_a_node_that_dies_loses_no_job(cluster, tmp_path):
    here = Workspace.open(tmp_path / "work")
    long = [queue.add(here, JobRequest((*LONG, f"--run=runs/{n}"), "ada", folder=f"runs/{n}")) for n in "ab"]
    waits = queue.add(here, JobRequest(("brandsmith", "explain", "--help"), "ada"))
    worker = worker_named("ray", here)
    until = time.monotonic() + 200

    def look_until(true) -> None:
        while not true():
            assert time.monotonic() < until
            worker.look()
            time.sleep(0.05)

    look_until(lambda: all(times(here, job) == 1 for job in long))
    assert queue.find(here, waits.id).state == "queued", "both nodes are at work"
    cluster.remove_node(cluster.workers[0], allow_graceful=False)

    def lives(job) -> bool:
        return living(attempts(queue.job_folder(here, job.id))[-1]) is not None

    look_until(lambda: not all(map(lives, long)))
    dead, alive = sorted(long, key=lives)
    queue.cancel(here, alive.id)
    look_until(lambda: times(here, dead) == 2)
    assert queue.find(here, alive.id).state == "cancelled" and times(here, alive) == 1
    queue.cancel(here, dead.id)
    look_until(lambda: queue.find(here, waits.id).state == "done")
    assert queue.find(here, dead.id).state == "cancelled" and times(here, waits) == 1


def test_an_unknown_executor_is_refused(tmp_path):
    with pytest.raises(InvalidConfig, match="'k8s'"):
        worker_named("k8s", Workspace.open(tmp_path / "work"))
