"""A study finds what is missing before its first step and leaves nothing behind; one trial's failure is its own."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import pytest
from bases import build_tiny, save_as_diffusers_folder
from lessons import write_concept
from rich.console import Console
from study_process import colour_judges

from brandsmith.core.errors import BrandsmithError, InvalidConfig, MissingResource
from brandsmith.results.study_result import _rounded, result_of
from brandsmith.study import worker
from brandsmith.study.config import parse_study
from brandsmith.study.engine import run_study
from brandsmith.study.folder import StudyFolder
from brandsmith.study.proposals import open_proposals
from brandsmith.study.space import check_no_doubles, example_trials, name_setting

TEXT = """
name: tiny
concept: {concept}
base: {base}
training_seeds: [0]
checkpoints: 2
methods:
  - method: hypernetwork
    fixed: {{steps: 2}}
    search: {{learning_rate: {rates}}}
cases: {{prompts: ["a {{token}}"], selection_seeds: [1], report_seeds: [3], draw: {{num_steps: 1{draw}}}}}
{more}
"""


@pytest.fixture(scope="module")
def brand(tmp_path_factory) -> Path:
    return write_concept(tmp_path_factory.mktemp("brand") / "brand").folder


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("base") / "tiny"
    save_as_diffusers_folder(build_tiny("sd1"), folder)
    return folder


@pytest.fixture
def run(brand, base, tmp_path):
    """(rates=, more=, draw=, judges=) -> the result in tmp_path/study."""

    def one(rates="[1e-3]", more="", draw="", judges=colour_judges, executor=worker.LocalExecutor):
        text = TEXT.format(concept=brand, base=base, rates=rates, more=more, draw=draw)
        console = Console(file=StringIO())
        return run_study(parse_study(text), text, tmp_path / "study", console=console, judges=judges, executor=executor)

    return one


def records(folder: Path) -> list[dict]:
    return [json.loads(p.read_text()) for p in sorted(folder.glob("trials/*/trial.json"))]


# ------------------------------------------------------------------------------------------- before the first step
def no_cluster(study, **_):
    raise AssertionError("built before it was checked")


def refuse() -> None:
    raise MissingResource("Ray cannot be reached")


no_cluster.check = refuse


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"judges": None}, "no trained detector"),
        ({"draw": ", scheduler: FlowMatchEulerDiscreteScheduler"}, "cannot sample"),
        ({"draw": ", scheduler: NoSuchScheduler"}, "unknown scheduler"),
        ({"more": "storage: sqlite:////no/such/folder/x.sqlite3"}, "cannot be opened"),
        ({"more": "storage: nonsense"}, "cannot be opened"),
        ({"more": "storage: postgresql://me:hunter2@127.0.0.1:1/x"}, "cannot be opened"),
        ({"more": "trackers: [wandb]"}, "wandb"),
        ({"executor": no_cluster}, "Ray cannot be reached"),
        ({"rates": "[1e-3, 0]"}, "learning_rate"),
        ({"rates": "[1e-3, -1]"}, "learning_rate"),
        ({"rates": "[1e-3, .nan]"}, "learning_rate"),
        ({"rates": "[1e-3, .inf]"}, "learning_rate"),
        ({"rates": "[0.001, '0.001']"}, "twice"),
        ({"rates": "[]"}, "nothing to try"),
    ],
)
def test_what_is_missing_is_found_before_anything_is_written(run, tmp_path, options, words):
    with pytest.raises((InvalidConfig, MissingResource), match=words) as refused:
        run(**options)
    assert refused.value.exit_code == 2 and "hunter2" not in f"{refused.value} {refused.value.hint}"
    assert not (tmp_path / "study").exists()


@pytest.mark.parametrize("given", ["1.5", "[1]", "text", "true", ".inf", "{}"])
@pytest.mark.parametrize("key", ["fixed", "search", "method", "cases", "halving", "draw"])
def test_a_value_where_settings_are_meant_is_a_mistake(key, given, brand, base):
    own = f"methods: [{{method: lora, fixed: {{rank: 4}}, search: {{learning_rate: [1e-3]}}, {key}: {given}}}]"
    lines = [f"name: x\nconcept: {brand}\nbase: {base}", own if key in ("fixed", "search", "method") else "methods: 3"]
    lines[1] = lines[1].replace("fixed: {rank: 4}, ", "") if key == "fixed" else lines[1]
    lines[1] = lines[1].replace("search: {learning_rate: [1e-3]}, ", "") if key == "search" else lines[1]
    lines += [f"{key}: {given}"] if key in ("cases", "halving", "draw") else []
    if (key, given) not in (("fixed", "{}"), ("search", "{}")):
        with pytest.raises(InvalidConfig, match="mistake"):
            parse_study("\n".join(lines))


@pytest.mark.parametrize(
    "line", ["prompts: []", "selection_seeds: []", "report_seeds: [-1]", f"report_seeds: [{10**30}]", "prompts: ['a']"]
)
def test_cases_that_draw_nothing_are_refused(brand, base, line):
    text = TEXT.format(concept=brand, base=base, rates="[1e-3]", more="", draw="")
    name = line.partition(":")[0]
    spoilt = "\n".join(
        f"cases: {{selection_seeds: [1], {line}}}"
        if row.startswith("cases") and name != "selection_seeds"
        else f"cases: {{{line}}}"
        if row.startswith("cases")
        else row
        for row in text.splitlines()
    )
    with pytest.raises(InvalidConfig, match="mistake"):
        parse_study(spoilt)


def test_prompt_syntax_is_checked_first(brand, base, tmp_path):
    text = TEXT.format(concept=brand, base=base, rates="[1e-3]", more="", draw=", combiner: composable")
    text = text.replace('"a {token}"', '"AND {token} AND"')
    with pytest.raises(BrandsmithError) as refused:
        run_study(parse_study(text), text, tmp_path / "study", console=Console(quiet=True), judges=colour_judges)
    assert refused.value.exit_code == 2 and not (tmp_path / "study").exists()


# --------------------------------------------------------------------------------------------------- trials that fail
def breaks_on_checkpoints_of(rate: str, error: Exception):
    class Breaking(worker.Worker):
        def _score(self, job):
            if rate in job.trial:
                raise error
            return super()._score(job)

    class Executor(worker.LocalExecutor):
        def __init__(self, study, *, judges=None, on_step=lambda *_: None):
            self.worker = Breaking(study, judges, on_step)

    return Executor


@pytest.mark.slow
@pytest.mark.parametrize(
    "error", [RuntimeError("CUDA out of memory"), MemoryError(), ValueError("NaN"), ZeroDivisionError()]
)
def test_a_trial_that_breaks_fails_alone(run, tmp_path, error):
    result = run("[1e-3, 2e-3]", executor=breaks_on_checkpoints_of("0.002", error))
    states = {r["settings"]["learning_rate"]: (r["state"], r["reason"]) for r in records(tmp_path / "study")}
    assert states[0.001] == ("finished", "") and states[0.002][0] == "failed" and states[0.002][1]
    assert result.complete and result.winner and "0.001" in result.winner.trial


@pytest.mark.slow
def test_a_diverged_trial_fails_alone(run, tmp_path):
    result = run("[1e-3, 1e30]")
    states = {r["settings"]["learning_rate"]: r["state"] for r in records(tmp_path / "study")}
    assert states[0.001] == "finished" and result.winner and "0.001" in result.winner.trial
    assert states[1e30] in ("failed", "finished")
    if states[1e30] == "finished":
        assert all(line.kpi is None or 0 <= line.kpi <= 1 for line in result.leaderboard)


@pytest.mark.slow
def test_a_study_without_a_success_is_a_failure_each_time(run, tmp_path):
    executor = breaks_on_checkpoints_of("hn", RuntimeError("CUDA out of memory"))
    for _ in range(2):
        with pytest.raises(BrandsmithError, match="all 1 trials failed: RuntimeError: CUDA out of memory") as failed:
            run(executor=executor)
        assert failed.value.exit_code == 1
    assert json.loads((tmp_path / "study" / "result.json").read_text())["complete"] is False
    assert run().winner, "once there is memory, the same command goes on"


@pytest.mark.slow
def test_a_mended_storage_line_is_taken(run, tmp_path):
    good = f"storage: sqlite:///{(tmp_path / 'a.sqlite3').as_posix()}?password=hunter2"
    with pytest.raises(InvalidConfig):
        run(more="storage: sqlit:///x")
    with pytest.raises(InvalidConfig):
        run(more="storage: sqlite:////no/such/place/x")
    assert run(more=good.partition("?")[0]).complete
    assert run(more=f"storage: sqlite:///{(tmp_path / 'b.sqlite3').as_posix()}").complete


def test_no_login_is_written(brand, base, tmp_path):
    text = TEXT.format(
        concept=brand, base=base, rates="[1e-3]", draw="", more="storage: postgresql://me:hunter2@localhost/x"
    )
    config, study = parse_study(text), StudyFolder(tmp_path / "study")
    from brandsmith.concept.concept import load_concept

    study.create(config, text, load_concept(brand))
    assert all("hunter2" not in p.read_text() for p in study.folder.rglob("*") if p.is_file())
    study.check_config(config)
    study.check_config(config.model_copy(update={"storage": None}))


# ------------------------------------------------------------------------------------------------ names and figures
PAIRS = [
    ({"x": "cat dog"}, {"x": "cat-dog"}),
    ({"x": "cat"}, {"x": "Cat"}),
    ({"x": "a/b"}, {"x": "a b"}),
    ({"x": 0.1}, {"x": 0.1000000001}),
    ({"x": ["a", "b"]}, {"x": "--a----b--"}),
    ({"x": "é"}, {"x": "-"}),
    ({"x": "cat "}, {"x": "cat-"}),
]


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_two_settings_have_two_folders(one, other):
    assert name_setting("lora", one) != name_setting("lora", other)


TWICE = """name: mine
concept: demo
methods:
  - {method: lora, fixed: {rank: 4, steps: 40}, search: {learning_rate: [0.001, 0.0001]}}
  - {method: lora, fixed: {rank: 8, steps: 40, alpha: 3.0}, search: {learning_rate: [0.001, 0.0001]}}
  - {method: ti, fixed: {steps: 40}, search: {num_vectors: [1, 2]}}
"""


def test_a_method_that_is_listed_twice_has_names_of_its_own_for_each(tmp_path):
    config = parse_study(TWICE, "study.yaml")
    check_no_doubles(config)
    trials = [trial for space in config.methods for trial in example_trials(config, space)]
    assert len({trial.name for trial in trials}) == 6
    assert {(t.config.rank, t.setting.values["rank"]) for t in trials[:4]} == {(4, 4), (8, 8)}
    assert trials[4].setting.name == "ti_num_vectors-1", "what the study has once keeps its name"
    asked = [p.first(9) for p in open_proposals(config, tmp_path, "now")]
    assert {one.setting.name for part in asked for one in part} == {trial.setting.name for trial in trials}


@pytest.mark.parametrize("change", [("rank: 8", "rank: 4"), ("alpha: 3.0", "views: 1")], ids=str)
def test_a_study_that_tries_a_setting_twice_is_refused(change, brandsmith, tmp_path):
    text = TWICE.replace("rank: 8, steps: 40, alpha: 3.0", "steps: 40, rank: 4")
    if change[1] == "views: 1":
        text = TWICE.replace("[1, 2]", "[1, 2, 1]")
    (tmp_path / "study.yaml").write_text(text)
    code, _, complaint = brandsmith("study", "run", tmp_path / "study.yaml", "--out", tmp_path / "out")
    assert code == 2 and "twice" in complaint and not (tmp_path / "out").exists(), complaint


def test_names_of_shipped_values_stay():
    assert name_setting("dreambooth", {"class_prompts": "class word"}) == "db_class_prompts-class-word"


def test_settings_are_never_rounded():
    study = Path(__file__).parents[1] / "results" / "study_0_1"
    line = result_of(StudyFolder(study).records()).leaderboard[0]
    from dataclasses import replace

    small = replace(line, settings={"learning_rate": 4e-7}, kpi=0.12345678)
    assert (_rounded(small).settings, _rounded(small).kpi) == ({"learning_rate": 4e-7}, 0.123457)
