"""`study.yaml`: a study's configuration. The schema is strict; `load_study` shows every mistake at once, with its line.

    concept × base × (methods × settings × training seeds) × checkpoints × standard cases, a KPI, and rules for stopping
    early

Defaults live here. What a key may hold is checked in two places: its shape here, its meaning in `config_checks.py`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from brandsmith.base.names import with_vae
from brandsmith.core.errors import InvalidConfig, MissingResource
from brandsmith.core.seeds import LARGEST_SEED
from brandsmith.core.text import is_there, read_text
from brandsmith.core.yaml_lines import Located, read_yaml
from brandsmith.core.yaml_record import mistakes, sentence
from brandsmith.guidance.settings import DrawSettings
from brandsmith.results.measures import FEWEST_JUDGED, THESIS_KPI, USABLE_RATE
from brandsmith.study.old_keys import renamed

_UNITS_SEC = {"s": 1, "sec": 1, "min": 60, "h": 3600, "hours": 3600, "days": 86400}


def parse_duration(given: Any) -> float:
    """'90 min' as seconds. Raises ValueError when there is no unit, or an unknown one."""
    match = re.fullmatch(r"\s*([0-9.]+)\s*([A-Za-z]+)\s*", given) if isinstance(given, str) else None
    if not match or match[2] not in _UNITS_SEC:
        raise ValueError(f"a duration needs a number and a unit, such as '90 min' (units: {', '.join(_UNITS_SEC)})")
    return float(match[1]) * _UNITS_SEC[match[2]]


Seed = Annotated[int, Field(ge=0, le=LARGEST_SEED)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Range(_Strict):
    """Numbers from `low` to `high`, for samplers that can choose between (tpe)."""

    low: float
    high: float
    log: bool = False
    """Choose evenly on a logarithmic scale: right for learning rates."""


class MethodSpace(_Strict):
    """One method with what is the same in all its trials and what is tried."""

    method: str
    fixed: dict[str, Any] = Field(default_factory=dict)
    """Settings of every trial; over the base's preset."""
    search: dict[str, Any] = Field(default_factory=dict)
    """Setting to a list of values, or to a range {low, high, log}."""


class StudyCases(_Strict):
    """Standard cases: prompts × seeds, the same for every trial."""

    prompts: list[str] | None = Field(default=None, min_length=1)
    """None: the concept's standard prompts."""
    selection_seeds: list[Seed] = Field(default=[1000, 1001], min_length=1)
    """Pictures that checkpoints and the winner are chosen on."""
    report_seeds: list[Seed] = Field(default=[2000, 2001, 2002, 2003], min_length=1)
    """Pictures that the chosen are reported on; none of the above, so that choosing the best does not flatter it."""
    draw: DrawSettings = DrawSettings()
    """How every picture is drawn; `brandsmith sample --help` has the same names."""


class Search(_Strict):
    """How settings are picked from the space."""

    sampler: Literal["grid", "tpe"] = "grid"
    """`grid`: every combination; `tpe`: Optuna's tree-structured Parzen estimator, learning from finished rounds."""
    trials_per_method: int = Field(default=12, ge=1)
    """Settings that tpe tries of each method; grid takes all."""
    round_size: int = Field(default=4, ge=1)
    """Settings of each method that tpe tries side by side before it learns from them."""
    seed: Seed = 0


class Halving(_Strict):
    """Successive halving (Jamieson & Talwalkar 2016) on the KPI: after each rung only the best settings train on."""

    rungs: list[int] = Field(default=[1, 2], min_length=1)
    """Checkpoints (counted from 1) after which settings are dropped."""
    keep_one_in: int = Field(default=3, ge=2)
    """How many compete for one place."""
    seeds: int = Field(default=1, ge=1)
    """Selection seeds drawn at a rung: few, because the ranking is coarse."""


class Budget(_Strict):
    max_time: Annotated[float, BeforeValidator(parse_duration)] | None = None
    """Training and sampling time in seconds, written with a unit: '90 min'. Spent: the study stops, resumable."""


class StudyConfig(_Strict):
    """The keys of `study.yaml`."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]*$")
    concept: str
    base: str = "pocket"
    vae: str | None = None
    """An autoencoder in place of the base's: a folder in diffusers' form, or a .safetensors file."""
    methods: list[MethodSpace] = Field(min_length=1)
    training_seeds: list[Seed] = Field(default=[0, 1], min_length=1)
    """Each setting is trained once per seed: the spread between them is part of every interval."""
    checkpoints: int = Field(default=4, ge=1)
    """Evenly spaced checkpoints of each trial."""
    cases: StudyCases = StudyCases()
    kpi: str = THESIS_KPI
    fewest_judged: int | None = Field(default=None, ge=1)
    """Where `kpi` is `usable_rate`: a checkpoint with fewer measured selection pictures, all trainings together, cannot
    be chosen. A rate of few pictures is high or low by chance. None: FEWEST_JUDGED.
    """
    search: Search = Search()
    halving: Halving | None = None
    """None: every trial runs to its end (the full grid)."""
    budget: Budget = Budget()
    packed: Literal["auto", "always", "never"] = "auto"
    """Whether trainings that can share a base are made together (`study/packs.py`): auto, on a CUDA card."""
    trackers: list[Literal["tensorboard", "mlflow", "wandb"]] = []
    """Where else every training step is logged (`core/trackers.py`); each needs its extra: pip install
    'brandsmith[tensorboard]'.
    """
    storage: str | None = None
    """Where Optuna keeps its trials: any SQLAlchemy URL; None is a SQLite file in the study's folder."""

    @property
    def fewest_to_choose(self) -> int:
        """The floor on the measured selection pictures of a checkpoint; 0 for a KPI without one."""
        return (self.fewest_judged or FEWEST_JUDGED) if self.kpi == USABLE_RATE else 0

    @property
    def base_name(self) -> str:
        """The base with its autoencoder, as every other command names it."""
        return with_vae(self.base, self.vae)


def load_study(file: Path) -> tuple[StudyConfig, str]:
    """Read and check `study.yaml`; (configuration, its text). Raises MissingResource, or InvalidConfig listing every
    mistake.
    """
    if not is_there(file):
        raise MissingResource(
            f"no study file at '{file}'",
            hint="give a study.yaml, or the name of a shipped one: thesis-pocket, thesis-sd15, lora-kin",
        )
    text = read_text(file, error=InvalidConfig)
    return parse_study(text, str(file)), text


def with_halving(text: str, name: str) -> tuple[StudyConfig, str]:
    """The same study with `Halving`'s defaults and a name of its own; (configuration, its text). Raises InvalidConfig,
    as if its author had.
    """
    named = re.sub(r"^(name:\s*)(['\"]?)([\w.\-]+)\2", r"\1\3-halving", text, count=1, flags=re.M)
    halved = f"{named.rstrip()}\n\nhalving: {{}}\n"
    return parse_study(halved, f"{name} with --halving"), halved


def shipped_study(name: str) -> Path:
    """The file of a study that comes with Brandsmith."""
    return Path(__file__).resolve().parent.parent / "data" / "studies" / f"{name}.yaml"


def parse_study(text: str, name: str = "study.yaml") -> StudyConfig:
    """Raises InvalidConfig with one line for every mistake, in the order of the file."""
    from brandsmith.study.config_checks import meaning_problems  # it knows the methods, and so loads torch

    found = renamed(read_yaml(text), name)
    problems = list(found.problems)
    if not problems and not isinstance(found.value, dict):
        problems.append((1, "holds no keys; it needs at least name, concept and methods"))
    config = None
    if isinstance(found.value, dict):
        config, shape = _validated(found)
        problems += shape + meaning_problems(found)
    if problems:
        raise mistakes(name, problems)
    assert config is not None
    return config


def _validated(found: Located) -> tuple[StudyConfig | None, list[tuple[int, str]]]:
    try:
        return StudyConfig.model_validate(found.value), []
    except ValidationError as error:
        return None, [(found.line_of(e["loc"]), sentence(e, StudyConfig)) for e in error.errors()]
