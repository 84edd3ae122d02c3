"""What the maps of subjects should look like, as losses of one image (fp32 scalars, 0 is content).

paper      max over subjects of (1 − peak): only the most neglected one gets a gradient. Attend-and-Excite, Chefer et
           al. 2023 (arXiv:2301.13826) eq. 1.
product    − log Π peaks: "subject 1 is there and subject 2 is there" in product logic, so every subject gets a
           gradient, the weakest the largest (Sueyoshi & Matsubara 2023, arXiv:2311.16117, which shows that `paper`
           is the same statement in Gödel logic). Existence is the peak here, a product over pixels there.
bind       symmetric KL between an attribute's map and its noun's (Rassin et al. 2023, SynGen, arXiv:2306.08877).
separate   overlap Σ min(p, q) of different subjects' maps (Agarwal et al. 2023, A-STAR, arXiv:2306.14544, uses the
           IoU): of their nouns, and of one's attributes with the other's noun.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations, permutations

import torch

from brandsmith.core.errors import unknown_name

_TINY = 1e-6


@dataclass(frozen=True)
class SeenSubject:
    """One subject's maps (h, w): `peak_map` sharpened and smoothed, the others plain attention shares."""

    peak_map: torch.Tensor
    noun: torch.Tensor
    attributes: tuple[torch.Tensor, ...] = ()

    @property
    def peak(self) -> torch.Tensor:
        return self.peak_map.max()


Loss = Callable[[list[SeenSubject]], torch.Tensor]


def paper(seen: list[SeenSubject]) -> torch.Tensor:
    return torch.stack([1 - subject.peak for subject in seen]).max().clamp_min(0)


def product(seen: list[SeenSubject]) -> torch.Tensor:
    return -torch.stack([subject.peak.clamp(_TINY, 1).log() for subject in seen]).sum()


def bind(seen: list[SeenSubject]) -> torch.Tensor:
    pairs = [_divergence(attribute, subject.noun) for subject in seen for attribute in subject.attributes]
    return torch.stack(pairs).mean() if pairs else _nothing(seen)


def separate(seen: list[SeenSubject]) -> torch.Tensor:
    pairs = [_overlap(a.noun, b.noun) for a, b in combinations(seen, 2)]
    pairs += [_overlap(attribute, b.noun) for a, b in permutations(seen, 2) for attribute in a.attributes]
    return torch.stack(pairs).mean() if pairs else _nothing(seen)


LOSSES: dict[str, Loss] = {"paper": paper, "product": product, "bind": bind, "separate": separate}


def weighted_loss(weights: dict[str, float]) -> Loss:
    """The sum of named losses. Raises InvalidConfig for a name that is not there."""
    for name in weights:
        if name not in LOSSES:
            raise unknown_name("attention loss", name, LOSSES)

    def total(seen: list[SeenSubject]) -> torch.Tensor:
        return torch.stack([weight * LOSSES[name](seen) for name, weight in weights.items()]).sum()

    return total


def _nothing(seen: list[SeenSubject]) -> torch.Tensor:
    return seen[0].peak_map.sum() * 0


def _distribution(values: torch.Tensor) -> torch.Tensor:
    return (values + _TINY) / (values + _TINY).sum()


def _divergence(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    p, q = _distribution(a), _distribution(b)
    return 0.5 * ((p - q) * (p.log() - q.log())).sum()


def _overlap(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return torch.minimum(_distribution(a), _distribution(b)).sum()
