"""What to use for which need, from this study's own numbers, beside what the thesis concluded.

One rule for the three thrifty needs, stated on the page: among each method's best setting, only those that keep at
least KEEP of the best score are considered; the thriftiest of them is advised.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from brandsmith.report.certainty import Rivalry
from brandsmith.report.words import duration_text, figure, listed, method_name, percent, size_text
from brandsmith.results.leaderboard import Standing, best_of_each_method

KEEP = 0.8
NUM_CONCEPTS = 100
WHOLE_MODEL = ("dreambooth",)
"""Methods whose output replaces the base, so that concepts cannot share one."""

RULE = (
    f"Considered for the last three: each method's best setting, if it keeps at least {percent(KEEP)} of the best"
    " score. The recommendation is the thriftiest of these."
)

THESIS = {
    "likeness": (
        "DreamBooth, when compute and memory do not matter and output close to the data is wanted (0.7249 there)."
    ),
    "file": "Textual Inversion, when aesthetics matter rather than detail: one embedding, tiny output (0.5451 there).",
    "concepts": "LoRA, for detail and scale: small output, though hard to get right (0.5946 there).",
    "time": "Gives no times. It warns that parameters matter, and that little data is enough.",
}
THESIS_TABLE = (
    ("db", "lr 2e-5 (epoch 21)", "0.7249", "0.9498", "0.5000"),
    ("lora", "U-Net 5e-6, text encoder 1e-4, dim 16", "0.5946", "0.7100", "0.4792"),
    ("ti", "lr 1e-3", "0.5451", "0.7568", "0.3333"),
)


@dataclass(frozen=True)
class Advice:
    need: str
    recommendation: str
    reason: str
    thesis: str


def advise(standings: Sequence[Standing], rivalries: Sequence[Rivalry]) -> list[Advice]:
    """One recommendation per need; empty when nothing was scored."""
    scored = [s for s in best_of_each_method(standings) if s.value is not None]
    if not scored:
        return []
    keepers = [s for s in scored if _score(s) >= KEEP * _score(scored[0])]
    return [
        Advice("Best likeness", _named(scored[0]), _likeness_reason(scored[0], rivalries), THESIS["likeness"]),
        _thriftiest("A small file", "file", keepers, scored, "adapter_bytes", size_text),
        _many_concepts(keepers, scored),
        _thriftiest("Little time", "time", keepers, scored, "train_seconds", duration_text),
    ]


def _score(standing: Standing) -> float:
    return standing.value or 0.0


def _cost(standing: Standing, name: str) -> float:
    """Mean over trainings; infinite where it was not measured."""
    cost = standing.mean_of(name)
    return math.inf if cost is None else cost


def _named(standing: Standing) -> str:
    return f"{method_name(standing.method)}, {standing.label}"


def _likeness_reason(winner: Standing, rivalries: Sequence[Rivalry]) -> str:
    usable = f"; {percent(winner.usable.value)} of its pictures are usable" if winner.usable else ""
    rivals = [c for c in rivalries if c.kind == "method"]
    ties = [method_name(c.method) for c in rivals if c.verdict != "better"]
    surely = (
        f" {listed(ties)} cannot be ruled out with these pictures."
        if ties
        else " Better than every other method, surely."
        if rivals
        else ""
    )
    return f"Chosen by the highest score; {figure(winner.value)} on the reported pictures{usable}.{surely}"


def _thriftiest(
    need: str,
    key: str,
    keepers: Sequence[Standing],
    scored: Sequence[Standing],
    cost: str,
    text: Callable[[float | None], str],
) -> Advice:
    known = [s for s in keepers if s.mean_of(cost) is not None]
    if not known:
        return Advice(need, "No recommendation", f"{cost.replace('_', ' ')}: not measured.", THESIS[key])
    pick = min(known, key=lambda s: _cost(s, cost))
    reason = f"{text(pick.mean_of(cost))} at a score of {figure(pick.value)}"
    if pick is not scored[0]:
        reason += (
            f", against {text(scored[0].mean_of(cost))} at {figure(scored[0].value)} for"
            f" {method_name(scored[0].method)}"
        )
    cheaper = [s for s in scored if s not in keepers and _cost(s, cost) < _cost(pick, cost)]
    if cheaper:
        least = min(cheaper, key=lambda s: _cost(s, cost))
        reason += (
            f". {method_name(least.method)} takes only {text(least.mean_of(cost))}, but scores {figure(least.value)}"
        )
    return Advice(need, _named(pick), reason + ".", THESIS[key])


def _many_concepts(keepers: Sequence[Standing], scored: Sequence[Standing]) -> Advice:
    """The best score among methods that leave the base as it is, so that every concept is one file beside it."""
    need = "Many concepts"
    sharing = [s for s in keepers if s.method not in WHOLE_MODEL]
    if not sharing:
        return Advice(
            need,
            "No recommendation",
            f"No method that shares one base keeps {percent(KEEP)} of the best score.",
            THESIS["concepts"],
        )
    pick = max(sharing, key=_score)
    size, seconds = pick.mean_of("adapter_bytes"), pick.mean_of("train_seconds")
    costs = [f"{size_text(size * NUM_CONCEPTS)} of files"] if size is not None else []
    costs += [f"{duration_text(seconds * NUM_CONCEPTS)} of training"] if seconds is not None else []
    reason = f"The best score ({figure(pick.value)}) among methods that share one base"
    reason += f"; {NUM_CONCEPTS} concepts take about {listed(costs)}" if costs else ""
    whole = [(s, n) for s in scored if s.method in WHOLE_MODEL and (n := s.mean_of("adapter_bytes")) is not None]
    if whole and size is not None:
        other, size_each = whole[0]
        reason += f" ({method_name(other.method)}: {size_text(size_each * NUM_CONCEPTS)})"
    return Advice(need, _named(pick), reason + ".", THESIS["concepts"])
