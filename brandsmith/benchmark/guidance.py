"""`brandsmith benchmark guidance`: does guidance make prompts obeyed, and at what price?

Every arm (`arms.py`) gets the same prompts and the same starting noises; `outcome.py` defines what counts as obeyed.
Beside the arms stand two references: stock diffusers' own Attend-and-Excite, and plain sampling given the same compute
(several tries per prompt, the judge itself picking the best: an upper bound).

Time is CPU time of this process on a CPU, so that a busy machine does not change the ratios, and wall time on a GPU.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from brandsmith.base.base import Base
from brandsmith.benchmark.guidance_arms import ARMS, BENCHMARK_SETTINGS, ON_PAIRS, Arm, diffusers_arm, excite_arm
from brandsmith.benchmark.guidance_rows import Prices, read_saved
from brandsmith.benchmark.outcome import FindThings, judge_picture
from brandsmith.benchmark.prompt_sets import Case, load_cases
from brandsmith.core.files import append_jsonl
from brandsmith.guidance.attend_excite import AttendExcite
from brandsmith.guidance.screen import candidate_seed
from brandsmith.guidance.settings import DrawSettings
from brandsmith.results.statistics import Estimate, Interval, clustered_mean, clustered_ratio, wilson_interval

FIRST_SEED = 1000  # case k of a set starts from seed FIRST_SEED + k in every arm

Progress = Callable[[str, int, int], None]
"""(what, done, of)"""


@dataclass
class Benchmark:
    """One run. Finished rows are kept in `file` (JSONL) and not drawn again when it runs a second time."""

    base: Base
    judge: FindThings
    settings: DrawSettings = BENCHMARK_SETTINGS
    file: Path | None = None
    progress: Progress | None = None
    rows: dict[tuple[str, str, int, int], dict[str, Any]] = field(default_factory=dict)
    known_prices: Prices | None = None

    def __post_init__(self) -> None:
        if self.file:
            self.known_prices, rows = read_saved(self.file)
            self.rows |= {_key(row): row for row in rows}

    def prices(self, cases: list[Case]) -> Prices:
        """Measured once per file: the number of plain tries depends on them."""
        if self.known_prices is None:
            self.known_prices = measure_prices(self.base, cases, self.settings)
            if self.file:
                append_jsonl(self.file, {"prices": vars(self.known_prices)})
        return self.known_prices

    def run_arm(
        self, set_name: str, arm_name: str, arm: Arm, cases: list[Case], tries: Sequence[int] | None = None
    ) -> None:
        """Draw and judge the cases' pictures that have no row yet; `tries[k]`: how many of case k (default one)."""
        wanted = [(k, t) for k in range(len(cases)) for t in range(tries[k] if tries else 1)]
        missing = [(k, t) for k, t in wanted if (set_name, arm_name, k, t) not in self.rows]
        for start in range(0, len(missing), self.settings.batch_size):
            if self.progress:
                self.progress(f"{set_name}: {arm_name}", len(wanted) - len(missing) + start, len(wanted))
            self._draw_part(set_name, arm_name, arm, cases, missing[start : start + self.settings.batch_size])

    def _draw_part(
        self, set_name: str, arm_name: str, arm: Arm, cases: list[Case], part: list[tuple[int, int]]
    ) -> None:
        chosen = [cases[k] for k, _ in part]
        seeds = [candidate_seed(FIRST_SEED + k, t) for k, t in part]
        started = clock(self.base)
        drawn = arm(self.base, chosen, seeds, self.settings)
        seconds = (clock(self.base) - started) / len(part)
        seen = self.judge(drawn.pictures, max(len(case.things) for case in chosen))
        for i, (k, t) in enumerate(part):
            outcome = judge_picture(chosen[i], seen[i])
            row = {
                "set": set_name,
                "arm": arm_name,
                "case": k,
                "try": t,
                "prompt": chosen[i].text,
                "seed": seeds[i],
                "present": outcome.present,
                "strict": outcome.strict,
                "success": outcome.success,
                "coloured": outcome.coloured,
                "each": list(outcome.each),
                "seconds": round(seconds, 4),
                "extra_passes": drawn.extra_passes[i],
            }
            self.rows[_key(row)] = row
            if self.file:
                append_jsonl(self.file, row)

    def values(self, set_name: str, arm_name: str, name: str, try_number: int = 0) -> np.ndarray:
        """One column of an arm's rows, by case."""
        own = [
            row for key, row in sorted(self.rows.items()) if key[:2] == (set_name, arm_name) and key[3] == try_number
        ]
        return np.array([row[name] for row in own])


def _key(row: Mapping[str, Any]) -> tuple[str, str, int, int]:
    return (row["set"], row["arm"], row["case"], row["try"])


def clock(base: Base) -> float:
    """Seconds: of processor time on a CPU, of wall time after synchronising on a GPU."""
    if base.device.type == "cpu":
        return time.process_time()
    if base.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def tries_for(ratio: float, num_cases: int) -> list[int]:
    """How often plain sampling may try each case for `ratio` times its compute in all: 1.3 is a second try for 3 in
    10.
    """
    ratio = max(ratio, 1.0)
    return [max(1, math.floor((k + 1) * ratio + 1e-9) - math.floor(k * ratio + 1e-9)) for k in range(num_cases)]


def measure_prices(base: Base, cases: list[Case], settings: DrawSettings) -> Prices:
    """Time plain, ours and diffusers' on `cases` (a multiple of four of them). The first, unmeasured round warms up."""
    alone, four, short = (
        settings.model_copy(update=changes)
        for changes in ({"batch_size": 1}, {"batch_size": 4}, {"num_steps": 2, "batch_size": 1})
    )
    # Every subject is above this target from the start.
    idle = excite_arm(lambda: AttendExcite(target=1e-6, thresholds=()), "faithful")
    contestants: dict[str, tuple[Arm, DrawSettings]] = {
        "plain_alone": (ARMS["plain"], alone),
        "plain": (ARMS["plain"], four),
        "excite_alone": (ARMS["excite"], alone),
        "excite_of_four": (ARMS["excite"], four),
        "excite": (ARMS["excite"], settings),
        "idle": (idle, four),
        "diffusers": (diffusers_arm, alone),
    }
    for arm, _ in contestants.values():
        arm(base, cases[:1], [FIRST_SEED], short)
    spent = dict.fromkeys(contestants, 0.0)
    for start in range(0, len(cases), 4):
        part = cases[start : start + 4]
        for name, (arm, own) in contestants.items():
            started = clock(base)
            arm(base, part, [FIRST_SEED + start + i for i in range(len(part))], own)
            spent[name] += clock(base) - started
    return Prices(**{name: seconds / len(cases) for name, seconds in spent.items()})


@dataclass(frozen=True)
class Result:
    figures: dict[str, Any]
    """The keys of the benchmark's last line, with `<key>_interval` beside what has one."""
    table: list[dict[str, Any]]
    """One row per set and arm."""


def benchmark_guidance(
    base: Base,
    judge: FindThings,
    *,
    settings: DrawSettings = BENCHMARK_SETTINGS,
    quick: bool = False,
    num_cases: int | None = None,
    sets: Sequence[str] = ("binding", "two", "three"),
    file: Path | None = None,
    progress: Progress | None = None,
) -> Result:
    """Run every arm on held-out prompts. The figures are of all prompts together, and under `by_set` of each set.

    quick: 24 binding prompts and no other set, a few minutes. file: where rows are kept for resuming.
    """
    sets = ("binding",) if quick else sets
    count = num_cases or (24 if quick else None)
    bench = Benchmark(base, judge, settings, file, progress)
    binding = load_cases("binding")[:count]
    prices = bench.prices(binding[: 4 if quick else 12])
    for name in sets:
        cases = load_cases(name)[:count]
        for arm_name, arm in arms_of(name).items():
            bench.run_arm(name, arm_name, arm, cases)
        bench.run_arm(name, "diffusers", diffusers_arm, cases)
        bench.run_arm(name, "best_of_n", ARMS["plain"], cases, tries_for(prices.excite / prices.plain, len(cases)))
    table = [_table_row(bench, name, arm) for name in sets for arm in (*arms_of(name), "diffusers", "best_of_n")]
    return Result(figures_of(bench, prices, sets), table)


def arms_of(set_name: str) -> dict[str, Arm]:
    """The arms that a set is drawn with."""
    return {name: arm for name, arm in ARMS.items() if set_name == "binding" or name not in ON_PAIRS}


def _best_of(bench: Benchmark, set_name: str, column: str) -> np.ndarray:
    """Per case, whether any of its tries has `column`."""
    found: dict[int, bool] = {}
    for (own_set, arm, case, _), row in bench.rows.items():
        if (own_set, arm) == (set_name, "best_of_n"):
            found[case] = found.get(case, False) or row[column]
    return np.array([found[case] for case in sorted(found)])


def _column(bench: Benchmark, set_name: str, arm: str, column: str) -> np.ndarray:
    return _best_of(bench, set_name, column) if arm == "best_of_n" else bench.values(set_name, arm, column)


def _table_row(bench: Benchmark, set_name: str, arm: str) -> dict[str, Any]:
    row: dict[str, Any] = {"set": set_name, "arm": arm}
    for column in ("present", "strict", "coloured", "success"):
        values = _column(bench, set_name, arm, column)
        row[column] = round(float(values.mean()), 4)
        row[f"{column}_interval"] = _rounded(wilson_interval(int(values.sum()), len(values)))
        row["n"] = len(values)
    own = [r for key, r in bench.rows.items() if key[:2] == (set_name, arm)]
    row["seconds"] = round(sum(r["seconds"] for r in own) / row["n"], 3)
    row["extra_passes"] = round(float(np.mean([r["extra_passes"] for r in own])), 2)
    return row


def narrow(table: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The table for a terminal: one of 80 columns per set, by its title."""
    tables: dict[str, list[dict[str, Any]]] = {}
    for row in table:
        low, high = row["success_interval"]
        tables.setdefault(f"{row['set']}, n {row['n']}", []).append(
            {
                "arm": row["arm"],
                "present": row["present"],
                "strict": row["strict"],
                "success": row["success"],
                "95 %": f"{low:.2f}-{high:.2f}",
                "seconds": f"{row['seconds']:.2f}",
                "passes": f"{row['extra_passes']:.1f}",
            }
        )
    return tables


def figures_of(bench: Benchmark, prices: Prices, sets: Sequence[str] = ("binding",)) -> dict[str, Any]:
    """The figures line: of all prompts of `sets`, then the prices, then each set's own under `by_set`."""
    figures = _successes(bench, sets)
    figures |= {
        "time_vs_diffusers": round(prices.excite_alone / prices.diffusers, 4),
        "time_vs_diffusers_batch_of_4": round(prices.excite_of_four / prices.diffusers, 4),
        "idle_overhead": round(prices.idle / prices.plain - 1, 4),
        "best_of_n_tries": round(max(1.0, prices.excite / prices.plain), 3),
        "seconds": {name: round(value, 3) for name, value in vars(prices).items()},
    }
    if "binding" in sets:
        figures["on_pairs_n"] = len(bench.values("binding", "plain", "success"))
        figures |= _rates(bench, ["binding"], [arm for arm in ON_PAIRS if not arm.startswith("not")])
        figures |= _removal(bench, "binding")
    return figures | {"by_set": {name: _successes(bench, [name]) for name in sets}} if len(sets) > 1 else figures


def _rates(bench: Benchmark, sets: Sequence[str], arms: Sequence[str]) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for arm in arms:
        values = np.concatenate([_column(bench, name, arm, "success") for name in sets])
        figures[f"{arm}_success"] = round(float(values.mean()), 4)
        figures[f"{arm}_success_interval"] = _rounded(wilson_interval(int(values.sum()), len(values)))
    return figures


def _successes(bench: Benchmark, sets: Sequence[str]) -> dict[str, Any]:
    """How often each arm shows all that was requested, each in its colour; and what guidance gains, on the same prompts
    and noises.
    """
    arms = [*(arm for arm in ARMS if arm not in ON_PAIRS), "best_of_n", "diffusers"]
    plain, excite, regional, stock = (
        np.concatenate([bench.values(name, arm, "success") for name in sets]).astype(float)
        for arm in ("plain", "excite", "regional", "diffusers")
    )
    figures = {"n": len(plain)} | _rates(bench, sets, arms)
    prompts = range(len(plain))  # one picture each
    left = clustered_ratio(1 - excite, 1 - plain, prompts)
    cut = Estimate(1 - left.value, 1 - left.high, 1 - left.low, left.n, left.num_clusters)
    figures |= _estimate("failures_cut", cut)
    figures |= _estimate("and_gain", clustered_mean(regional - plain, prompts))
    return figures | _estimate("success_vs_diffusers", clustered_ratio(excite, stock, prompts))


def _removal(bench: Benchmark, set_name: str) -> dict[str, Any]:
    """Of the prompts whose plain picture shows the last thing: how often `AND NOT` it makes it vanish, in its own place
    (`regional`) and subtracted everywhere (`composable`), and how often the first thing is still there.
    """
    shown = np.array([each[-1] for each in bench.values(set_name, "plain", "each")], bool)
    figures: dict[str, Any] = {"not_n": int(shown.sum())}
    for suffix, arm in (("", "not_regional"), ("_composable", "not")):
        negated = bench.values(set_name, arm, "each")
        gone = np.array([not each[-1] for each in negated], bool)[shown]
        kept = np.array([each[0] for each in negated], bool)[shown]
        figures |= {
            f"not_removed{suffix}": _rate(gone),
            f"not_removed{suffix}_interval": _rounded(wilson_interval(int(gone.sum()), len(gone))),
            f"not_kept_the_other{suffix}": _rate(kept),
        }
    return figures


def _rate(values: np.ndarray) -> float | None:
    return round(float(values.mean()), 4) if len(values) else None


def _estimate(name: str, found: Estimate) -> dict[str, Any]:
    """The figure and its interval; None where it is not defined (nothing to divide by, or one prompt only)."""
    bounded = math.isfinite(found.low)
    return {
        name: round(found.value, 4) if math.isfinite(found.value) else None,
        f"{name}_interval": _rounded((found.low, found.high)) if bounded else None,
    }


def _rounded(interval: Interval) -> list[float]:
    return [round(bound, 4) for bound in interval]
