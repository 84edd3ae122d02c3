"""study.yaml: every mistake at once, each with its line; and what ships is right."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest
import torch

from brandsmith.base.sources import outline_of
from brandsmith.core.errors import InvalidConfig
from brandsmith.core.yaml_lines import read_yaml
from brandsmith.methods.method import Words
from brandsmith.methods.registry import METHODS, build_config
from brandsmith.study.config import Halving, load_study, parse_study, shipped_study, with_halving
from brandsmith.study.proposals import distributions
from brandsmith.study.space import build_setting, build_trials, name_setting

GOOD = """\
name: mine
concept: demo
methods:
  - method: lora
    fixed: {steps: 400}
    search:
      learning_rate: [1e-4, 5e-4]
      rank: [4, 8]
"""
MISTAKES = """\
name: mine
concept: nowhere
kpi: nice
colour: red
training_seeds: [0, 0]
checkpoints: 3
methods:
  - method: lorra
  - method: lora
    fixed: {steps: 100, seed: 3, rnk: 4}
    search:
      learning_rate: []
      rank: {low: 4, high: 2}
      alpha: 3
      batch_size: [1, none]
  - method: ti
    fixed: {learning_rate: 5 px}
cases:
  selection_seeds: [1, 2]
  report_seeds: [2]
  sampler: {num_steps: many, scheduler: eulr}
  prompts: [a cap]
budget: {max_time: 90}
halving:
  rungs: [3, 1]
  seeds: 9
  keep: 2
storage: 7
name: twice
"""
EXPECTED = [
    (2, "no concept folder"),
    (3, "unknown KPI 'nice'"),
    (4, "unknown key 'colour'"),
    (5, "has a value twice"),
    (8, "did you mean 'lora'"),
    (10, "'seed' is set by the study"),
    (10, "did you mean 'rank'"),
    (10, "100 cannot be divided into 3"),
    (12, "the list is empty"),
    (13, "a grid needs a list"),
    (13, "from 4 to 2 is empty"),
    (14, "search takes a list"),
    (15, "given 'none'"),
    (17, "given '5 px'"),
    (20, "seed 2 is a selection seed too"),
    (21, "did you mean 'euler'"),
    (21, "valid integer"),
    (22, "lacks {token}"),
    (23, "a number and a unit"),
    (25, "between 1 and 2"),
    (26, "at most the 2 selection seeds"),
    (27, "unknown key 'halving.keep'"),
    (28, "storage"),
    (29, "given twice"),
]


def mistakes(text: str) -> list[tuple[int, str]]:
    with pytest.raises(InvalidConfig) as caught:
        parse_study(text)
    return [(int(m[1]), m[2]) for m in re.finditer(r"^  line (\d+): (.*)$", str(caught.value), re.M)]


def test_every_mistake_is_listed_with_its_line():
    found = mistakes(MISTAKES)
    for line, words in EXPECTED:
        assert any(at == line and words in message for at, message in found), (line, words, found)
    assert len(found) == len(EXPECTED)
    assert found == sorted(found)


@pytest.mark.parametrize(
    ("spoil", "line", "words"),
    [
        (lambda t: t.replace("concept: demo\n", ""), 1, "'concept' is missing"),
        (lambda t: t.replace("name: mine", "name: 'a/b'"), 1, "name"),
        (lambda t: t.replace("rank: [4, 8]", "rank: [4, 4]"), 8, "given twice"),
        (lambda t: t.replace("fixed: {steps: 400}", "fixed: {steps: 400, rank: 4}"), 8, "both fixed and searched"),
        (lambda t: t + "base: ./nowhere\n", 9, "unknown base"),
        (lambda t: t + f"base: {'a' * 300}\n", 9, "unknown base"),
        (lambda t: t + "budget: {max_time: 90 parsec}\n", 9, "a number and a unit"),
        (lambda t: t + "methods: [}\n", 9, "not valid YAML"),
        (lambda t: t[: t.index("methods")] + "methods: []\n", 3, "methods"),
        (lambda t: "", 1, "holds no keys"),
        (lambda t: "- a\n", 1, "holds no keys"),
    ],
)
def test_single_mistakes(spoil, line, words):
    found = mistakes(spoil(GOOD))
    assert any(at == line and words in message for at, message in found), found


def test_reading_a_study_asks_no_hub(monkeypatch):
    """Its base may be gigabytes away: that is for the moment the study starts."""
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: pytest.fail("the network was asked"))
    assert parse_study(GOOD + "base: owner/model\n").base == "owner/model"
    without_steps = GOOD.replace("fixed: {steps: 400}", "fixed: {}")
    assert without_steps != GOOD and parse_study(without_steps + "base: owner/model\n")
    assert any(f"base/{'a' * 300}" in message for _, message in mistakes(GOOD + f"base: ./base/{'a' * 300}\n"))


def test_a_range_is_for_tpe():
    text = GOOD.replace("rank: [4, 8]", "rank: {low: 4, high: 32, log: true}")
    assert "a grid needs a list" in mistakes(text)[0][1]
    space = parse_study(text + "search: {sampler: tpe}\n").methods[0]
    kinds = distributions(space)
    assert (
        type(kinds["rank"]).__name__ == "IntDistribution"
        and type(kinds["learning_rate"]).__name__ == "CategoricalDistribution"
    )


def test_a_concept_without_text_cannot_be_ranked_by_reading(tmp_path):
    from lessons import write_concept

    folder = write_concept(tmp_path / "brand").folder
    (folder / "concept.yaml").write_text("token: red_qoga_logo\nclass_word: logo\n")
    assert "has no expected_text" in mistakes(GOOD.replace("demo", str(folder)))[0][1]
    assert parse_study(GOOD.replace("demo", str(folder)) + "kpi: detector\n").kpi == "detector"


def test_a_rate_chooses_from_enough_pictures():
    ranked = GOOD + "kpi: usable_rate\n"
    assert parse_study(GOOD).fewest_to_choose == 0 and parse_study(ranked).fewest_to_choose == 10
    assert parse_study(ranked + "fewest_judged: 20\n").fewest_to_choose == 20
    assert "the study draws 20 (5 prompts, 2 selection seeds, 2" in mistakes(ranked + "fewest_judged: 21\n")[0][1]
    few = ranked + "training_seeds: [0]\ncases: {selection_seeds: [1]}\n"
    assert "it takes 10 measured selection pictures" in mistakes(few)[0][1]
    assert "counts where kpi is usable_rate" in mistakes(GOOD + "fewest_judged: 5\n")[0][1]


def test_numbers_in_scientific_notation_are_numbers():
    assert read_yaml("a: [1e-4, 1E+3, -2e5, .5e-1, 1.0e-4]\nb: 1e\nc: e5").value == {
        "a": [1e-4, 1e3, -2e5, 0.05, 1e-4],
        "b": "1e",
        "c": "e5",
    }


def test_names_tell_settings_apart():
    assert name_setting("lora", {"rank": 8, "learning_rate": 1e-3}) == "lora_learning_rate-0.001_rank-8"
    close = {name_setting("lora", {"learning_rate": value}) for value in (1.0000001e-3, 1.0000002e-3)}
    assert len(close) == 2
    assert len(name_setting("lora", {f"setting_{i}": "x" * 30 for i in range(9)})) <= 90


@pytest.mark.parametrize(("name", "fewest"), [("thesis-pocket", 3), ("thesis-sd15", 3)])
def test_shipped_studies_are_right(name, fewest):
    config, _ = load_study(shipped_study(name))
    assert (
        config.name == name and len(config.methods) == 4 and config.checkpoints >= 4 and len(config.training_seeds) >= 2
    )
    for space in config.methods:
        combinations = 1
        for choices in space.search.values():
            combinations *= len(choices)
        assert combinations >= fewest
        trial = build_trials(config, space, build_setting(space, {k: v[0] for k, v in space.search.items()}))[1]
        assert trial.seed == trial.config.seed == config.training_seeds[1]
        assert trial.checkpoint_step(config.checkpoints) == trial.config.steps
    if name == "thesis-sd15":
        numbers = {space.method: space.search["learning_rate"] for space in config.methods}
        assert 2e-5 in numbers["dreambooth"] and 5e-6 in numbers["lora"] and 1e-3 in numbers["textual_inversion"]
        lora = next(space for space in config.methods if space.method == "lora")
        assert 16 in lora.search["rank"] and lora.fixed["text_encoder_learning_rate"] == 1e-4


@pytest.mark.slow
def test_loras_kin_are_compared_at_equal_size():
    outline, sizes = outline_of("pocket"), {}
    for space in load_study(shipped_study("lora-kin"))[0].methods[1:]:
        settings = {key: value for key, value in space.fixed.items() if key not in ("num_vectors", "spell")}
        with torch.device("meta"):
            layers = METHODS["lora"].attach(outline, build_config("lora", **settings), Words("t", "logo"), None)
        numbers = [p.numel() for group in layers.groups for p in group.parameters.values()]
        sizes[space.fixed.get("kind", "lora")] = sum(numbers)
        layers.detach()
    assert sizes.keys() == {"lora", "dora", "loha", "lokr"}
    assert max(sizes.values()) < 1.06 * min(sizes.values())


@pytest.mark.parametrize(
    "text", [GOOD, GOOD.replace("name: mine", "name: 'mine' # a comment"), shipped_study("thesis-pocket").read_text()]
)
def test_halving_is_a_preset_for_any_study(text):
    plain = parse_study(text)
    halved, written = with_halving(text, "study.yaml")
    assert parse_study(written) == halved and halved.name == f"{plain.name}-halving" and halved.halving == Halving()
    assert halved.model_copy(update={"name": plain.name, "halving": None}) == plain


def test_halving_of_too_few_checkpoints_is_refused():
    with pytest.raises(
        InvalidConfig, match=r"with --halving' has 1 mistake:\n  line 11: rungs rise and lie between 1 and 1"
    ):
        with_halving(f"{GOOD}checkpoints: 2\n", "study.yaml")


def test_the_command_lists_mistakes_and_writes_nothing(tmp_path, monkeypatch, brandsmith):
    (tmp_path / "study.yaml").write_text(MISTAKES)
    monkeypatch.chdir(tmp_path)
    code, _, complaint = brandsmith("study", "run", "study.yaml")
    assert code == 2 and f"has {len(EXPECTED)} mistakes" in complaint and "line 29" in complaint
    assert [p.name for p in tmp_path.iterdir()] == ["study.yaml"]


def test_the_command_line_starts_without_torch(tmp_path):
    import subprocess
    import sys

    code = "import sys, brandsmith.cli.main; sys.exit('torch' in sys.modules or 'optuna' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2]).returncode == 0


def test_a_study_names_the_line_of_an_unknown_tracker():
    found = mistakes(f"{GOOD}trackers:\n  - tensorboard\n  - tensorbord\n")
    assert len(found) == 1 and found[0][0] == 11 and "'mlflow'" in found[0][1] and "given 'tensorbord'" in found[0][1]
