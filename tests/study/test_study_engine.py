"""A whole study on a tiny base: files as agreed, halving, budget, and the same table however often it is killed."""

from __future__ import annotations

import json
import multiprocessing
import random
import signal
import subprocess
import sys
import time
from io import StringIO
from pathlib import Path

import optuna
import pytest
from bases import build_tiny, save_as_diffusers_folder
from lessons import write_concept
from rich.console import Console
from study_process import ColourJudge, colour_judges, run_tiny, study_text

from brandsmith.concept.concept import load_concept
from brandsmith.core.errors import BrandsmithError, InvalidConfig, InvalidInput, NotEnoughMemory
from brandsmith.core.files import partial_beside
from brandsmith.core.json_files import read_jsonl
from brandsmith.results.study_result import result_of
from brandsmith.study import worker
from brandsmith.study.config import parse_study
from brandsmith.study.engine import run_study
from brandsmith.study.folder import StudyFolder
from brandsmith.study.plan import plan_study
from brandsmith.study.replicate import replicate_winner


@pytest.fixture(scope="module")
def brand(tmp_path_factory) -> Path:
    return write_concept(tmp_path_factory.mktemp("brand") / "brand").folder


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("base") / "tiny"
    save_as_diffusers_folder(build_tiny("sd1"), folder)
    return folder


def quiet() -> Console:
    return Console(file=StringIO())


@pytest.fixture(scope="module")
def finished(tmp_path_factory, brand, base) -> StudyFolder:
    """The undisturbed study."""
    text = study_text(brand, base)
    folder = tmp_path_factory.mktemp("study") / "undisturbed"
    run_study(parse_study(text), text, folder, console=quiet(), judges=colour_judges)
    return StudyFolder(folder)


def trial_records(study: StudyFolder) -> dict[str, dict]:
    return {p.parent.name: json.loads(p.read_text()) for p in sorted(study.folder.glob("trials/*/trial.json"))}


@pytest.mark.slow
def test_files_are_as_agreed(finished):
    record = finished.record()
    assert {"name", "concept", "base", "cases", "versions", "created"} <= record.keys()
    assert record["concept"]["token"] == "red_qoga_logo" and record["concept"]["expected_text"] == "QOGA"
    assert (
        record["cases"]["prompts"] == ["a red_qoga_logo", "a blue sweater and a red_qoga_logo"]
        and record["cases"]["num_steps"] == 2
    )
    trials = trial_records(finished)
    assert len(trials) == 8
    for name, trial in trials.items():
        assert (
            trial["trial"] == name
            and trial["train_seconds"] > 0
            and trial["adapter_bytes"] > 0
            and trial["peak_memory_mib"] > 1
        )
        assert trial["settings"]["steps"] == 4 and trial["seed"] in (0, 1)
        assert (finished.trial_folder(name) / "samples" / "step-000002" / "case-0_seed-1.png").is_file()
        rows = read_jsonl(finished.trial_folder(name) / "scores.jsonl")
        assert len(rows) == len({(r["step"], r["case"], r["seed"], r["judge"]) for r in rows}) > 0
    assert (finished.folder / "table.csv").read_text().startswith("method,parameters,")


def test_halving_stops_by_the_kpi_of_the_rung(finished):
    """Two of four settings train on: those whose first selection seed scored highest at the first checkpoint."""
    trials = trial_records(finished)
    rung: dict[str, list[float]] = {}
    for name, trial in trials.items():
        rows = [
            r for r in read_jsonl(finished.trial_folder(name) / "scores.jsonl") if r["step"] == 2 and r["seed"] == 1
        ]
        rung.setdefault(trial["setting"], []).extend(r["value"] for r in rows)
    best = sorted(rung, key=lambda s: -sum(rung[s]) / len(rung[s]))[:2]
    assert {t["setting"] for t in trials.values() if t["state"] == "finished"} == set(best)
    for name, trial in trials.items():
        stopped = trial["state"] == "stopped"
        assert stopped == (trial["stopped_at_step"] == 2) == bool(trial["reason"])
        assert (finished.trial_folder(name) / "checkpoints" / "step-000004").is_dir() != stopped
        assert not (finished.trial_folder(name) / "state").exists()


def test_the_result_is_a_pure_function_of_the_files(finished):
    stored = json.loads(finished.result_file.read_text())
    assert stored.pop("complete") is True and stored == json.loads(json.dumps(result_of(finished.records()).as_json()))
    reported = [line for line in stored["leaderboard"] if line["n"]]
    assert stored["winner"]["setting"] == stored["leaderboard"][0]["setting"]
    assert {line["method"] for line in reported} == {"hypernetwork", "textual_inversion"}
    assert (finished.folder / stored["winner"]["checkpoint"]).is_dir()


def test_optuna_keeps_every_setting(finished):
    storage = f"sqlite:///{finished.folder / 'studies.sqlite3'}"
    states = [
        t.state.name
        for name in optuna.get_all_study_names(storage)
        for t in optuna.load_study(study_name=name, storage=storage).trials
    ]
    assert sorted(states) == ["COMPLETE", "COMPLETE", "PRUNED", "PRUNED"]


def test_the_plan_counts_what_was_done(finished, brand):
    """Steps to the one; pictures too, but for the report of a method whose every setting was stopped, which only the
    run can know.
    """
    plan = plan_study(finished.config(), load_concept(str(brand)))
    trials = trial_records(finished)
    assert (plan.settings, plan.trials, plan.share_of_grid) == (4, 8, 0.75)
    assert (
        plan.training_steps
        == sum(len(read_jsonl(finished.trial_folder(name) / "metrics.jsonl")) for name in trials)
        == 24
    )
    num_methods_finished = len({t["method"] for t in trials.values() if t["state"] == "finished"})
    reported = 2 * 2 * 2 * (2 - num_methods_finished)
    assert len(list(finished.folder.glob("trials/*/samples/*/*.png"))) == plan.pictures - 2 * 2 * 2 + reported


def test_batches_never_mix_seeds():
    """Which seeds are missing after an interruption must not change a batch's company."""
    assert [worker.even_batch(5, n) for n in (1, 2, 4, 5, 10)] == [1, 1, 1, 5, 5]
    assert worker.even_batch(6, 4) == 3 and worker.even_batch(1, 10) == 1


@pytest.mark.slow
def test_finished_work_is_never_repeated(finished, monkeypatch):
    def forbidden(*args, **kwargs):
        raise AssertionError("finished work was repeated")

    monkeypatch.setattr(worker, "train", forbidden)
    monkeypatch.setattr(worker, "sample_checkpoint", forbidden)
    monkeypatch.setattr(ColourJudge, "score", forbidden)
    before, records = finished.result_file.read_text(), trial_records(finished)
    finished.result_file.unlink()
    text = finished.yaml_file.read_text()
    for _ in range(2):
        run_study(parse_study(text), text, finished.folder, console=quiet(), judges=colour_judges)
        assert finished.result_file.read_text() == before
    assert trial_records(finished) == records


def test_names_that_a_killed_process_left_beside_a_trials_record_go(finished):
    """The trial is done, so nothing else would ever look there."""
    beside = finished.trial_folder(next(iter(trial_records(finished)))) / "trial.json"
    of_the_dead = partial_beside(beside)
    session, living = of_the_dead.name.split(".")[-2], f"{2**22 + 7:08x}"
    left = of_the_dead.with_name(of_the_dead.name.replace(session, session[:16] + living + session[24:]))
    left.write_text("half")
    finished.remove_leftovers()
    assert not left.exists() and beside.is_file()


def test_another_question_or_a_second_process_is_refused(finished):
    text = finished.yaml_file.read_text()
    kept = finished.result_file.rename(finished.folder / "kept")  # a complete study is only read
    with pytest.raises(InvalidConfig, match=r"holds another study.*checkpoints"):
        run_study(
            parse_study(text.replace("checkpoints: 2", "checkpoints: 4")),
            text,
            finished.folder,
            console=quiet(),
            judges=colour_judges,
        )
    holder = (
        f"import fcntl,time; f=open({str(finished.folder / '.lock')!r},'w'); fcntl.flock(f,2);"
        " print('held',flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", holder], stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(InvalidInput, match="another process"):
            run_study(parse_study(text), text, finished.folder, console=quiet(), judges=colour_judges)
        other.kill()
    kept.rename(finished.result_file)


@pytest.mark.slow
def test_a_spent_budget_stops_and_more_budget_goes_on(tmp_path, finished, brand, base):
    """The budget ends the session after its first job; raising it ends in the undisturbed study's result."""
    text = study_text(brand, base)
    short = f"{text}budget: {{max_time: 0.001 s}}\n"
    with pytest.raises(BrandsmithError, match=r"budget of .* min is spent"):
        run_study(parse_study(short), short, tmp_path / "s", console=quiet(), judges=colour_judges)
    study = StudyFolder(tmp_path / "s")
    assert sum(t["state"] == "running" for t in trial_records(study).values()) == 1
    assert json.loads(study.result_file.read_text())["complete"] is False
    run_study(parse_study(text), text, study.folder, console=quiet(), judges=colour_judges)
    assert study.result_file.read_text() == finished.result_file.read_text()


@pytest.mark.slow
@pytest.mark.parametrize(("rate", "reason"), [("1e+30", "diverged"), ("1e+38", "RuntimeError")])
def test_a_trial_that_breaks_fails_alone(tmp_path, brand, base, rate, reason):
    text = study_text(brand, base, "halving: null").replace(
        "search: {learning_rate: [1e-3, 1e-1]}", f"search: {{learning_rate: [1e-3, {rate}]}}"
    )
    text = text.replace("training_seeds: [0, 1]", "training_seeds: [0]")
    result = run_study(parse_study(text), text, tmp_path / "s", console=quiet(), judges=colour_judges)
    lines = {line.setting: line for line in result.leaderboard}
    failed = lines.pop(f"hn_learning_rate-{rate.replace('+', '')}")
    assert failed.state == "failed" and reason in failed.reason and failed.n == 0
    assert all(line.state == "finished" and line.n == 4 for line in lines.values())


@pytest.mark.slow
@pytest.mark.parametrize("helps", [True, False])
def test_a_trial_that_runs_out_of_memory_is_tried_once_more_with_what_fits(tmp_path, brand, base, helps, monkeypatch):
    text = study_text(brand, base, "halving: null").replace("training_seeds: [0, 1]", "training_seeds: [0]")
    real, tried = worker.train, []

    def train(config, *args, **kwargs):
        if config.method == "hypernetwork" and (not config.gradient_checkpointing or not helps):
            tried.append(config.gradient_checkpointing)
            raise NotEnoughMemory("out of memory on cuda: 9 of 8 GiB", means={"gradient_checkpointing": True})
        return real(config, *args, **kwargs)

    monkeypatch.setattr(worker, "train", train)
    if helps:
        result = run_study(parse_study(text), text, tmp_path / "s", console=quiet(), judges=colour_judges)
        assert all(line.state == "finished" for line in result.leaderboard) and set(tried) == {False}
        return
    with pytest.raises(NotEnoughMemory, match=r"2 of \d trials did not fit into memory: out of memory on cuda"):
        run_study(parse_study(text), text, tmp_path / "s", console=quiet(), judges=colour_judges)
    assert tried == [False, True] * 2
    study = StudyFolder(tmp_path / "s")
    assert sum(record["state"] == "failed" for record in trial_records(study).values()) == 2
    assert json.loads(study.result_file.read_text())["complete"] is False


@pytest.mark.slow
def test_replicate_trains_the_winner_anew(finished):
    found = replicate_winner(finished.folder, 2, console=quiet(), judges=colour_judges)
    assert found.training_seeds == [2, 3] and len(found.kpi_by_trial) == 2
    assert found.low <= found.mean <= found.high and found.spread >= 0
    winner = json.loads(finished.result_file.read_text())["winner"]
    assert found.setting == winner["setting"] and found.kpi_in_study == winner["kpi"]
    assert json.loads((finished.folder / "replicate-2.json").read_text()) == found.as_json()
    with pytest.raises(InvalidInput, match="no spread"):
        replicate_winner(finished.folder, 1, console=quiet())


@pytest.mark.slow
def test_tpe_learns_in_rounds_and_goes_on_where_it_was(tmp_path, brand, base):
    ranges = "search: {learning_rate: {low: 1e-4, high: 1e-1, log: true}}"
    text = study_text(brand, base, "search: {sampler: tpe, trials_per_method: 3, round_size: 2}")
    text = text.replace("training_seeds: [0, 1]", "training_seeds: [0]").replace(
        "search: {learning_rate: [1e-3, 1e-1]}", ranges
    )
    text = text.replace("search: {learning_rate: [1e-2, 3e-1]}", "search: {}")
    result = run_study(parse_study(text), text, tmp_path / "a", console=quiet(), judges=colour_judges)
    rates = sorted(line.settings["learning_rate"] for line in result.leaderboard if line.method == "hypernetwork")
    assert len(rates) == 3 and all(1e-4 <= rate <= 1e-1 for rate in rates) and result.num_settings == 4


NUM_KILLS = 10


@pytest.mark.slow
def test_kill_9_changes_nothing(tmp_path, finished, brand, base, monkeypatch):
    """Killed at ten random moments of its work, then left alone: byte for byte the undisturbed result."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    processes = multiprocessing.get_context(
        "forkserver"
    )  # forks of a process that has torch loaded: real processes, quick to start
    processes.set_forkserver_preload(["brandsmith.study.engine"])
    out, whole, killed_at = tmp_path / "killed", work_done(finished.folder), []
    for goal in sorted(random.Random(9).sample(range(1, int(0.95 * whole)), NUM_KILLS)):
        process = processes.Process(target=run_tiny, args=(brand, base, out))
        before = work_done(out)
        process.start()
        while process.is_alive() and work_done(out) < max(goal, before + 1):
            time.sleep(0.003)
        process.kill()
        process.join()
        killed_at.append((goal, work_done(out), process.exitcode))
    assert [code for *_, code in killed_at] == [-signal.SIGKILL] * NUM_KILLS, killed_at
    last = processes.Process(target=run_tiny, args=(brand, base, out))
    last.start()
    last.join(300)
    assert last.exitcode == 0
    for name in ("result.json", "table.csv", "table.md"):
        assert (out / name).read_bytes() == (finished.folder / name).read_bytes(), (name, killed_at)
    for name, trial in trial_records(StudyFolder(out)).items():
        folder = out / "trials" / name
        steps = [row["step"] for row in read_jsonl(folder / "metrics.jsonl")]
        assert len(steps) == len(set(steps)) and trial["state"] in ("finished", "stopped")
        rows = read_jsonl(folder / "scores.jsonl")
        assert len(rows) == len({(r["step"], r["case"], r["seed"], r["judge"]) for r in rows})


def work_done(out: Path) -> int:
    """Pictures, rows and training steps on disk."""
    files = [*out.glob("trials/*/scores.jsonl"), *out.glob("trials/*/metrics.jsonl")]
    return len(list(out.glob("trials/*/samples/*/*.png"))) + sum(f.read_bytes().count(b"\n") for f in files)
