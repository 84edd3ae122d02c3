"""The page's plots and their data: KPI over steps, learning rate, method size, score against file size and time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from brandsmith.report.plots import Axis, Point, Series, draw_plot, linear_axis, log_axis, unit_axis
from brandsmith.report.words import figure, method_name, size_text
from brandsmith.results.leaderboard import Standing, best_of_each_method
from brandsmith.results.parameters import SIZE_SETTINGS, scientific, setting_of

Colours = Mapping[str, int]
"""{method: series colour}"""


@dataclass(frozen=True)
class Figure:
    title: str
    svg: Markup
    note: str = ""


def steps_figures(standings: Sequence[Standing], colours: Colours) -> list[Figure]:
    """One plot of every method's best setting, then one per method with all its settings."""
    best = best_of_each_method(standings)
    found = [_steps_figure("Each method's best setting", best, best, colours)]
    for winner in best:
        same = [s for s in standings if s.method == winner.method]
        if len(same) > 1:
            found.append(
                _steps_figure(f"{method_name(winner.method)}: all {len(same)} settings", same, [winner], colours)
            )
    return [one for one in found if one]


def _steps_figure(title: str, drawn: Sequence[Standing], strong: Sequence[Standing], colours: Colours) -> Figure | None:
    series = [_over_steps(s, colours[s.method], faint=s not in strong) for s in reversed(drawn)]
    series = [s for s in series if s.points]
    if not series:
        return None
    axis = linear_axis("optimizer steps", [p.x for s in series for p in s.points])
    return Figure(title, draw_plot(series, axis, unit_axis("score"), title))


def _over_steps(standing: Standing, colour: int, *, faint: bool) -> Series:
    points = [
        Point(
            c.step,
            c.selection_kpi,
            f"{method_name(standing.method)}, {standing.parameters}, step {c.step}: {c.selection_kpi:.2f}",
            strong=c is standing.best and not faint,
        )
        for c in standing.checkpoints
        if c.selection_kpi is not None
    ]
    return Series(method_name(standing.method), points, colour, faint)


def learning_rate_figure(standings: Sequence[Standing], colours: Colours) -> Figure | None:
    """Reported score of every setting at its best checkpoint; None when no method tried two learning rates."""
    return _setting_figure("Learning rate", "learning_rate", "learning rate", standings, colours, scientific)


def size_figures(standings: Sequence[Standing], colours: Colours) -> list[Figure]:
    """Rank, vectors, expansion: one plot for each that was tried at two values or more."""
    found = [
        _setting_figure(
            name.capitalize(), key, name, [s for s in standings if key in s.settings], colours, lambda v: f"{v:g}"
        )
        for key, name in SIZE_SETTINGS.items()
    ]
    return [one for one in found if one]


def _setting_figure(
    title: str, key: str, label: str, standings: Sequence[Standing], colours: Colours, text: Callable[[float], str]
) -> Figure | None:
    points: dict[str, list[Point]] = {}
    for standing in standings:
        x = setting_of(standing.settings, standing.trials[0].config, key)
        if standing.value is not None and isinstance(x, int | float) and x > 0:
            points.setdefault(standing.method, []).append(_reported(standing, float(x)))
    points = {method: found for method, found in points.items() if len({p.x for p in found}) > 1}
    if not points:
        return None
    series = []
    for method, found in points.items():
        top = {x: max((p for p in found if p.x == x), key=lambda p: p.y) for x in sorted({p.x for p in found})}
        series.append(
            Series(
                method_name(method), [p for p in found if p is not top[p.x]], colours[method], faint=True, line=False
            )
        )
        series.append(Series(method_name(method), list(top.values()), colours[method]))
    axis = log_axis(label, [p.x for found in points.values() for p in found], text)
    return Figure(title, draw_plot(series, axis, unit_axis("score"), title))


def _reported(standing: Standing, x: float, *, strong: bool = False) -> Point:
    between = standing.interval
    low, high = (max(0.0, between.low), min(1.0, between.high)) if between else (None, None)
    note = f"{method_name(standing.method)}, {standing.label}: {figure(standing.value)}"
    return Point(x, standing.value or 0.0, note, low, high, strong)


def _plain(standing: Standing, x: float, *, strong: bool) -> Point:
    """Without its interval, where many settings stand close together."""
    return replace(_reported(standing, x, strong=strong), low=None, high=None)


def not_beaten(standings: Sequence[Standing]) -> list[Standing]:
    """The Pareto front: settings that no other beats in score, file size and training time at once. Needs all three."""
    known = [
        s
        for s in standings
        if s.value is not None and s.mean_of("adapter_bytes") is not None and s.mean_of("train_seconds") is not None
    ]
    return [s for s in known if not any(_beats(other, s) for other in known if other is not s)]


def _beats(one: Standing, other: Standing) -> bool:
    """As good in all three and better in one."""
    mine, yours = _costs(one), _costs(other)
    return all(a <= b for a, b in zip(mine, yours, strict=True)) and mine != yours


def _costs(standing: Standing) -> tuple[float, float, float]:
    return (
        -(standing.value or 0.0),
        standing.mean_of("adapter_bytes") or 0.0,
        standing.mean_of("train_seconds") or 0.0,
    )


def pareto_figures(standings: Sequence[Standing], colours: Colours) -> list[Figure]:
    """Score against file size, and score against training time; settings on the front are drawn large."""
    front = not_beaten(standings)
    sizes = ("adapter_bytes", "Score and file size", lambda values: log_axis("file size", values, size_text))
    times = ("train_seconds", "Score and training time", _time_axis)
    found = [_cost_figure(title, cost, axis, standings, front, colours) for cost, title, axis in (sizes, times)]
    return [one for one in found if one]


def _time_axis(seconds: Sequence[float]) -> Axis:
    """Round numbers of the unit that suits: ticks are in seconds, as the points are."""
    unit, scale = next(
        pair
        for pair in (("hours", 3600.0), ("minutes", 60.0), ("seconds", 1.0))
        if max(seconds) >= 1.5 * pair[1] or pair[1] == 1.0
    )
    axis = linear_axis(f"training time, {unit}", [1.03 * s / scale for s in seconds])
    return Axis(axis.label, 0.0, axis.high * scale, [(value * scale, text) for value, text in axis.ticks])


def _cost_figure(
    title: str,
    cost: str,
    axis_for: Callable[[Sequence[float]], Axis],
    standings: Sequence[Standing],
    front: Sequence[Standing],
    colours: Colours,
) -> Figure | None:
    known = [s for s in standings if s.value is not None and s.mean_of(cost) is not None]
    if not known:
        return None
    series = [
        Series(
            method_name(s.method),
            [_plain(s, s.mean_of(cost) or 0.0, strong=s in front)],
            colours[s.method],
            faint=s not in front,
            line=False,
        )
        for s in reversed(known)
    ]
    return Figure(
        title, draw_plot(series, axis_for([s.mean_of(cost) or 0.0 for s in known]), unit_axis("score"), title)
    )
