"""What the untrained base draws for prompts with a token: the class word in the token's place, the same noises.

Drawn once and kept in files: how varied the base is, and what it draws without having been taught (`copying`).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from brandsmith.base.base import Base
from brandsmith.concept.concept import Concept
from brandsmith.core.pictures import load_rgb_all
from brandsmith.draw.writer import picture_name
from brandsmith.evaluate.checkpoint import Cases, sample_checkpoint


def cases_of_base(concept: Concept, cases: Cases) -> Cases:
    """The same cases with the class word in the token's place."""
    named = tuple(prompt.replace(concept.token, concept.config.class_word) for prompt in cases.prompts)
    return replace(cases, prompts=named)


def draw_of_base(base: Base, concept: Concept, folder: Path, cases: Cases) -> dict[str, list[np.ndarray]]:
    """By prompt, token included: one picture for each seed of `cases`. What `folder` has is not drawn again."""
    plain = cases_of_base(concept, cases)
    sample_checkpoint(base, folder, plain, plain.shots("base", 0), None)
    return {
        prompt: load_rgb_all([folder / picture_name(case, seed) for seed in cases.seeds])
        for case, prompt in enumerate(cases.prompts)
    }
