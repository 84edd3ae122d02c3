"""How much a study will write, known from its configuration: checked against the free space before anything is written.

A lower bound, as for one training: the smallest setting of each method stands for all of them, pictures are not
counted.
"""

from __future__ import annotations

from pathlib import Path

from brandsmith.concept.concept import Concept
from brandsmith.core.output import LEAST_FREE_BYTES, check_output_folder
from brandsmith.methods.disk_space import TrainingSize, bytes_below, training_size
from brandsmith.methods.method import Words
from brandsmith.study.config import StudyConfig
from brandsmith.study.plan import plan_study
from brandsmith.study.space import example_trials


def check_study_space(config: StudyConfig, concept: Concept, folder: Path) -> None:
    """Raise InvalidInput when a study, or what is left of it, does not fit on its disk."""
    check_output_folder(folder, max(LEAST_FREE_BYTES, study_bytes(config, concept) - bytes_below(folder / "trials")))


def study_bytes(config: StudyConfig, concept: Concept) -> int:
    """Every checkpoint of every trial (as many as early stopping leaves), and the largest state."""
    words = Words(concept.token, concept.config.class_word)
    sizes = [_smallest(config, number, words) for number in range(len(config.methods))]
    plan = plan_study(config, concept)
    checkpoints = sum(m.trials * size.checkpoint for m, size in zip(plan.methods, sizes, strict=True))
    return int(plan.share_of_grid * config.checkpoints * checkpoints) + max(size.state for size in sizes)


def _smallest(config: StudyConfig, number: int, words: Words) -> TrainingSize:
    """Of a method's settings. Whole numbers and switches change a size; of a rate only whether it is 0."""
    tried = {
        tuple((name, bool(v) if isinstance(v, float) else str(v)) for name, v in trial.setting.values.items()): trial
        for trial in example_trials(config, config.methods[number])
    }
    sizes = [training_size(trial.config, words, config.base_name) for trial in tried.values()]
    return min(sizes, key=lambda size: size.checkpoint)
