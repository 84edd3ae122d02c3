"""The same study on a Ray cluster of two nodes, one of which is killed in the middle: nothing is lost, nothing runs
twice.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import threading
import time
from collections import Counter
from io import StringIO
from pathlib import Path

import pytest
from bases import build_tiny, save_as_diffusers_folder
from lessons import write_concept
from rich.console import Console
from study_process import HALVING, colour_judges, study_text

from brandsmith.core.errors import BrandsmithError, MissingResource
from brandsmith.core.json_files import read_jsonl
from brandsmith.methods.registry import build_config
from brandsmith.study import executors, ray_executor
from brandsmith.study.config import parse_study
from brandsmith.study.engine import run_study
from brandsmith.study.folder import StudyFolder
from brandsmith.study.job import Job

STEPS = 40


@pytest.fixture(scope="module")
def text(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("given")
    write_concept(folder / "brand")
    save_as_diffusers_folder(build_tiny("sd1"), folder / "tiny")
    return study_text(folder / "brand", folder / "tiny", HALVING).replace("steps: 4}", f"steps: {STEPS}}}")


def run(text: str, folder: Path, executor: str) -> StudyFolder:
    place = executors.executor_named(executor)
    run_study(parse_study(text), text, folder, console=Console(file=StringIO()), judges=colour_judges, executor=place)
    return StudyFolder(folder)


@pytest.fixture(scope="module")
def local(text, tmp_path_factory) -> StudyFolder:
    return run(text, tmp_path_factory.mktemp("local") / "study", "local")


@pytest.fixture(scope="module")
def cluster():
    """A head that takes no jobs, and two nodes that take one each."""
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    quick = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 500, "health_check_failure_threshold": 3}
    memory = {"object_store_memory": 80 * 2**20}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_worker_niceness", "0")  # Ray's own 15 starves beside other tests
        here = Path(__file__).parents
        patch.setenv("PYTHONPATH", os.pathsep.join(map(str, here[:3])))  # where the nodes find judges, helpers, us
        found = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "_system_config": quick, **memory})
        found.workers = [found.add_node(num_cpus=1, **memory) for _ in range(2)]
        ray.init(address=found.address, log_to_driver=False, logging_level="error")
    yield found
    ray.shutdown()
    found.shutdown()


def attempts(study: StudyFolder) -> Counter:
    """{(trial, its job, event): how often}"""
    logs = study.folder.glob("claims/*/attempts.jsonl")
    return Counter(
        (log.parent.name, json.dumps([row["train_to"], row["score"]]), row["event"])
        for log in logs
        for row in read_jsonl(log)
    )


def in_the_middle(study: StudyFolder) -> list[str]:
    """Trials that are training: some steps on disk, and not as many as their first rung wants."""
    counts = {f.parent.name: f.read_bytes().count(b"\n") for f in study.folder.glob("trials/*/metrics.jsonl")}
    return [name for name, count in counts.items() if 0 < count < STEPS // 2 - 4]


def over(study: StudyFolder) -> dict[Path, tuple[int, int]]:
    """Inode and time of every picture and checkpoint on disk: what is made again has others."""
    found = [*study.folder.glob("trials/*/samples/*/*.png"), *study.folder.glob("trials/*/checkpoints/step-*")]
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in found}


def kill_a_node(cluster, study: StudyFolder, seen: dict) -> None:
    """Once some jobs are over and two trials are training side by side, so that whichever node dies was working."""
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        middle = in_the_middle(study) if study.folder.is_dir() else []
        finished = sum(number for (_, _, event), number in attempts(study).items() if event == "done")
        if len(middle) == 2 and finished >= 2:
            cluster.remove_node(cluster.workers[0], allow_graceful=False)
            seen |= {"middle": middle, "done": finished, "over": over(study)}
            return
        time.sleep(0.002)


@pytest.mark.slow
def test_a_node_killed_in_the_middle_loses_nothing_and_repeats_nothing(cluster, text, local, tmp_path):
    study, seen = StudyFolder(tmp_path / "ray"), {}
    killer = threading.Thread(target=kill_a_node, args=(cluster, study, seen))
    killer.start()
    run(text, study.folder, "ray")
    killer.join()
    assert seen, "no moment came at which both nodes were training"
    assert study.result_file.read_bytes() == local.result_file.read_bytes()
    check_every_step_and_row_once(study, local)
    check_attempts(study, seen)
    made = over(study)
    assert {path: stamp for path, stamp in made.items() if path in seen["over"]} == seen["over"]
    study.result_file.unlink()
    run(text, study.folder, "ray")  # a second call finds everything in place
    assert over(study) == made and study.result_file.read_bytes() == local.result_file.read_bytes()


def check_every_step_and_row_once(study: StudyFolder, local: StudyFolder) -> None:
    names = sorted(path.name for path in (study.folder / "trials").iterdir())
    assert names == sorted(path.name for path in (local.folder / "trials").iterdir()) and len(names) == 8
    for name in names:
        ours, theirs = study.trial_folder(name), local.trial_folder(name)
        steps = [row["step"] for row in read_jsonl(ours / "metrics.jsonl")]
        assert steps == [row["step"] for row in read_jsonl(theirs / "metrics.jsonl")] == list(range(1, len(steps) + 1))
        rows, expected = (sorted(map(json.dumps, read_jsonl(folder / "scores.jsonl"))) for folder in (ours, theirs))
        assert rows == expected and len(rows) == len(set(rows)) > 0
        assert study.read_trial(name).state == local.read_trial(name).state


def check_attempts(study: StudyFolder, seen: dict) -> None:
    """Every job ended once; only what was in progress on the killed node was started again."""
    counted = attempts(study)
    started, done = (
        {(trial, job): n for (trial, job, event), n in counted.items() if event == wanted}
        for wanted in ("begun", "done")
    )
    assert started.keys() == done.keys() and set(done.values()) == {1}
    assert [(trial in seen["middle"], n) for (trial, _), n in started.items() if n > 1] == [(True, 2)]


@pytest.mark.slow
def test_a_spent_budget_stops_the_cluster_and_more_goes_on(cluster, text, local, tmp_path):
    short = f"{text}budget: {{max_time: 0.001 s}}\n"
    with pytest.raises(BrandsmithError, match=r"budget of .* min is spent"):
        run(short, tmp_path / "ray", "ray")
    study = StudyFolder(tmp_path / "ray")
    assert sum(number for (_, _, event), number in attempts(study).items() if event == "done") in (1, 2)
    run(text, study.folder, "ray")
    assert study.result_file.read_bytes() == local.result_file.read_bytes()
    check_every_step_and_row_once(study, local)


def deadly_judges(concept) -> list:
    os.kill(os.getpid(), signal.SIGKILL)


def refusing_judges(concept) -> list:
    raise MissingResource("no judges here", hint="fit them")


def one_job(local: StudyFolder, folder: Path) -> tuple[StudyFolder, Job]:
    """A copy of the study in which one trial is to draw one more picture, so that the judges load."""
    study = StudyFolder(shutil.copytree(local.folder, folder))
    name = min(path.name for path in (study.folder / "trials").iterdir())
    study.note(name, state="running")
    return study, Job(name, build_config(study.read_trial(name).method), 1, ((STEPS // 2, (77,)),))


@pytest.mark.slow
def test_an_error_on_a_node_is_reported_as_if_it_were_here(cluster, local, tmp_path):
    study, job = one_job(local, tmp_path / "copy")
    with pytest.raises(MissingResource, match="no judges here") as caught:
        ray_executor.RayExecutor(study, judges=refusing_judges).run([job], lambda job: None)
    assert caught.value.hint == "fit them" and study.read_trial(job.trial).state == "running"


@pytest.mark.slow
def test_a_job_whose_process_keeps_dying_is_its_trials_failure(cluster, local, tmp_path, monkeypatch):
    monkeypatch.setattr(ray_executor, "MOST_RESTARTS", 1)
    study, job = one_job(local, tmp_path / "copy")
    finished = []
    ray_executor.RayExecutor(study, judges=deadly_judges).run([job], finished.append)
    record = study.read_trial(job.trial)
    assert finished == [job] and record.state == "failed" and "died 2 times" in record.reason
    assert sum(number for (_, _, event), number in attempts(study).items() if event == "begun") == 2


def test_without_ray_it_is_one_line_and_nothing_is_written(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setattr("brandsmith.core.optional.find_spec", lambda name: None)
    with pytest.raises(MissingResource, match="needs the package 'ray'") as caught:
        executors.executor_named("ray")
    assert caught.value.exit_code == 2 and "brandsmith[ray]" in caught.value.hint


@pytest.mark.slow
def test_an_unknown_executor_is_one_line(tmp_path, monkeypatch, brandsmith):
    monkeypatch.chdir(tmp_path)
    code, _, complaint = brandsmith("study", "run", "thesis-pocket", "--executor", "rey")
    assert code == 2 and "unknown executor 'rey'" in complaint and "did you mean 'ray'" in complaint
    assert not list(tmp_path.iterdir())
