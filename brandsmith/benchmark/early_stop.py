"""`brandsmith benchmark earlystop`: would halving have found the winner? Replayed on a full grid's recorded rows,
nothing is trained.

Each replay draws anew which recorded pictures stand in for a rung's few (for every prompt its own seeds), halves, and
takes the best survivor on all selection pictures. It counts as right when it is the full grid's winner, or cannot be
distinguished from it on the report pictures. A/A: two trainings of the same setting, on random halves of the report
seeds, must not be called different, with the study's own correction for its number of comparisons; the spread between
trainings is taken from the *other* settings there, so that a pair cannot excuse itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from brandsmith.core.errors import InvalidInput
from brandsmith.results.choosing import ScoredSetting, group_settings, reported_values
from brandsmith.results.comparing import LEVEL, Spread, Values, measure_gap, spread_between_trainings
from brandsmith.results.study_records import StudyRecords
from brandsmith.study.config import Halving
from brandsmith.study.folder import StudyFolder
from brandsmith.study.halving import share_of_steps, survivors

FEWEST_REPLAYS = 20


@dataclass(frozen=True)
class EarlyStopFigures:
    same_winner_rate: float
    """Replays that found the full grid's winner, or a setting that cannot be distinguished from it."""
    step_fraction: float
    """Steps that halving trains, of the full grid's."""
    aa_called_different: float
    """Pairs of trainings of one setting that the corrected test called different: at most LEVEL when it is right."""
    replays: int
    identical_winner_rate: float
    aa_uncorrected: float
    """As `aa_called_different`, without the study's correction for its number of comparisons."""
    aa_comparisons: int
    settings: int

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def benchmark_early_stop(
    study: StudyFolder, *, num_replays: int = 40, num_aa: int = 40, seed: int = 0
) -> EarlyStopFigures:
    """The figures of a finished full grid. Raises InvalidInput when the study is not one."""
    halving = study.about().halving
    return replay_study(
        study.records(),
        Halving.model_validate(halving) if halving else Halving(),
        num_replays=num_replays,
        num_aa=num_aa,
        seed=seed,
    )


def replay_study(
    records: StudyRecords, halving: Halving, *, num_replays: int, num_aa: int, seed: int = 0
) -> EarlyStopFigures:
    settings = _checked_grid(records, halving, num_replays)
    rng = np.random.default_rng(seed)
    trainings = {s.name: reported_values(s) for s in settings}
    spread = spread_between_trainings(list(trainings.values()))
    identical = accepted = 0
    for _ in range(num_replays):
        found = replay_halving(settings, records.selection_seeds, records.checkpoints, halving, rng)
        same = found.name == settings[0].name
        identical += same
        accepted += same or _p_value(trainings[settings[0].name], trainings[found.name], spread) >= LEVEL
    share = share_of_steps(len(settings), halving.rungs, halving.keep_one_in, records.checkpoints)
    aa = aa_p_values(trainings, num_aa, rng)
    return EarlyStopFigures(
        same_winner_rate=accepted / num_replays,
        step_fraction=round(share, 4),
        aa_called_different=float((aa < LEVEL / (len(settings) - 1)).mean()),
        replays=num_replays,
        identical_winner_rate=identical / num_replays,
        aa_uncorrected=float((aa < LEVEL).mean()),
        aa_comparisons=num_aa,
        settings=len(settings),
    )


def _checked_grid(records: StudyRecords, halving: Halving, num_replays: int) -> list[ScoredSetting]:
    settings = group_settings(records)
    if num_replays < FEWEST_REPLAYS:
        raise InvalidInput(f"{num_replays} replays prove too little", hint=f"give {FEWEST_REPLAYS} or more")
    if len(settings) <= halving.keep_one_in or halving.rungs[-1] >= records.checkpoints:
        raise InvalidInput(
            f"{len(settings)} settings with {records.checkpoints} checkpoints leave nothing to stop",
            hint=f"a grid needs more than {halving.keep_one_in} settings and {halving.rungs[-1]} checkpoints",
        )
    unfinished = [
        s.name
        for s in settings
        if s.state not in ("finished", "failed") or (s.state == "finished" and not reported_values(s))
    ]
    if unfinished or settings[0].state != "finished":
        raise InvalidInput(
            f"not a finished full grid: '{(unfinished or [settings[0].name])[0]}' did not run to its end",
            hint="run a study without 'halving', such as thesis-pocket, to its end",
        )
    if len(records.selection_seeds) <= halving.seeds:
        raise InvalidInput(
            f"{len(records.selection_seeds)} selection seeds leave no choice of the {halving.seeds} of a rung",
            hint="record the grid with more selection_seeds",
        )
    if len(records.report_seeds) < 2 or not any(len(s.trials) > 1 for s in settings):
        raise InvalidInput(
            "A/A needs settings trained with two seeds and two report seeds or more",
            hint="record the grid with more seeds",
        )
    return settings


def replay_halving(
    settings: Sequence[ScoredSetting],
    seeds: Sequence[int],
    checkpoints: int,
    halving: Halving,
    rng: np.random.Generator,
) -> ScoredSetting:
    """The setting that halving would have chosen, with pictures drawn at random from those recorded."""
    few = shuffled_seeds(settings, seeds, halving.seeds, rng)
    alive = {s.name: s for s in settings}
    for rung in halving.rungs:
        alive = {
            name: alive[name]
            for name in survivors(
                {n: _rung_kpi(s, rung, checkpoints, few) for n, s in alive.items()}, halving.keep_one_in
            )
        }
    return min(alive.values(), key=lambda s: s.rank)


def shuffled_seeds(
    settings: Sequence[ScoredSetting], seeds: Sequence[int], number: int, rng: np.random.Generator
) -> dict[int, set[int]]:
    """{case: the seeds that a rung of this replay looks at}; the same for all settings, as in a study."""
    cases = sorted({r.case for s in settings for t in s.trials for r in t.rows})
    return {case: set(rng.choice(seeds, number, replace=False).tolist()) for case in cases}


def _rung_kpi(setting: ScoredSetting, rung: int, checkpoints: int, few: Mapping[int, set[int]]) -> float | None:
    if setting.state == "failed":
        return None
    step = setting.steps[rung - 1] if len(setting.steps) == checkpoints else None
    values = setting.values(step, setting.study.selection_seeds) if step is not None else []
    picked = [v for training in values for (case, seed), v in training.items() if seed in few[case]]
    return sum(picked) / len(picked) if picked else None


def _p_value(first: Sequence[Values], second: Sequence[Values], spread: Spread) -> float:
    """1 for trainings without a shared picture: nothing distinguishes them."""
    gap = measure_gap(first, second, spread)
    return gap.p_value if gap else 1.0


def aa_p_values(
    trainings: Mapping[str, Sequence[Mapping[tuple[int, int], float]]], number: int, rng: np.random.Generator
) -> np.ndarray:
    """p-values (number,) of a setting against itself, trained with another seed; even over [0, 1] when the test is
    right.
    """
    repeated = sorted(name for name, of_one in trainings.items() if len(of_one) > 1)
    found = []
    for _ in range(number):
        name = repeated[rng.integers(len(repeated))]
        others = spread_between_trainings([of_one for other, of_one in trainings.items() if other != name])
        first, second = rng.choice(len(trainings[name]), 2, replace=False)
        seeds = sorted({seed for _, seed in trainings[name][first]})
        half = set(rng.choice(seeds, max(1, len(seeds) // 2), replace=False).tolist())
        pair = [{key: v for key, v in trainings[name][i].items() if key[1] in half} for i in (first, second)]
        found.append(_p_value([pair[0]], [pair[1]], others))
    return np.array(found)
