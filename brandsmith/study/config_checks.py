"""What the keys of `study.yaml` mean: do the concept, the methods and their settings exist, do the numbers fit
together?

Works on the document as written, so that a mistake in one key does not hide those in others. Loads no weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from brandsmith.base.names import with_vae
from brandsmith.base.sources import resolve_base
from brandsmith.concept.concept import Concept, load_concept
from brandsmith.core.errors import BrandsmithError, InvalidConfig, unknown_name
from brandsmith.core.text import is_there
from brandsmith.core.yaml_lines import Located
from brandsmith.guidance.combiners import COMBINERS
from brandsmith.guidance.refiners import REFINERS
from brandsmith.guidance.schedulers import SHORT_NAMES
from brandsmith.methods.presets import preset_for
from brandsmith.methods.registry import method_named
from brandsmith.methods.settings import TrainSettings
from brandsmith.results.measures import FEWEST_JUDGED, MEASURES, NEEDS_TEXT, THESIS_KPI, USABLE_RATE

Problem = tuple[int, str]
SET_BY_STUDY = {"method": "methods", "seed": "training_seeds", "checkpoint_every": "checkpoints"}
RANGE_ENDS = {"low", "high"}


def meaning_problems(found: Located) -> list[Problem]:
    """Every mistake that the schema alone cannot see."""
    document = found.value
    concept, problems = _concept(found)
    for check in (_base, _kpi, _fewest_judged, _seeds, _rungs, _methods, _draw):
        problems += [(found.line_of(path), message) for path, message in check(document, concept)]
    return problems


def _message(error: BrandsmithError) -> str:
    return f"{error} ({error.hint})" if error.hint else str(error)


def _concept(found: Located) -> tuple[Concept | None, list[Problem]]:
    given = found.value.get("concept")
    if not isinstance(given, str):
        return None, []
    try:
        return load_concept(given), []
    except BrandsmithError as error:
        return None, [(found.line_of(("concept",)), _message(error))]


def _is_hub_id(base: str) -> bool:
    return base.count("/") == 1 and not base.startswith((".", "/", "~")) and not is_there(Path(base))


Complaints = Iterator[tuple[tuple[str | int, ...], str]]


def _base(document: dict, concept: Concept | None) -> Complaints:
    given, vae = document.get("base", "pocket"), document.get("vae")
    if not isinstance(given, str) or _is_hub_id(given):  # may need gigabytes: looked up when the study starts
        return
    try:
        resolve_base(given)
    except BrandsmithError as error:
        yield ("base",), _message(error)
        return
    if isinstance(vae, str):
        try:
            resolve_base(with_vae(given, vae))
        except BrandsmithError as error:
            yield ("vae",), _message(error)


def _kpi(document: dict, concept: Concept | None) -> Complaints:
    given = document.get("kpi", THESIS_KPI)
    if isinstance(given, str) and given not in MEASURES:
        yield ("kpi",), _message(unknown_name("KPI", given, MEASURES))
    elif concept and not concept.config.expected_text and given in NEEDS_TEXT:
        yield (
            ("kpi",),
            f"'{given}' reads text, and the concept has no expected_text (use detector, correctness or usable_rate)",
        )


def _fewest_judged(document: dict, concept: Concept | None) -> Complaints:
    """A floor that no checkpoint of the study could reach, or that nothing looks at."""
    given, kpi = document.get("fewest_judged"), document.get("kpi", THESIS_KPI)
    if given is not None and kpi != USABLE_RATE:
        yield ("fewest_judged",), f"fewest_judged counts where kpi is {USABLE_RATE}, and kpi is {kpi}"
    if kpi != USABLE_RATE or not (given is None or isinstance(given, int)):
        return
    cases = _mapping(document.get("cases"))
    prompts = _list(cases.get("prompts")) or (concept.prompts() if concept else [])
    seeds, trainings = (
        len(_list(found.get(key))) or 2 for found, key in ((cases, "selection_seeds"), (document, "training_seeds"))
    )
    drawn, fewest = len(prompts) * seeds * trainings, given or FEWEST_JUDGED
    if prompts and drawn < fewest:
        yield (
            ("fewest_judged",) if given else ("kpi",),
            f"no checkpoint could be chosen: it takes {fewest} measured selection pictures (fewest_judged), and the"
            f" study draws {drawn} ({len(prompts)} prompts, {seeds} selection seeds, {trainings} training seeds)",
        )


def _seeds(document: dict, concept: Concept | None) -> Complaints:
    cases = _mapping(document.get("cases"))
    for path, values in (
        (("training_seeds",), document.get("training_seeds")),
        *((("cases", k), cases.get(k)) for k in _CASE_LISTS),
    ):
        if isinstance(values, list) and len(set(map(str, values))) < len(values):
            yield path, f"{path[-1]} has a value twice"
    shared = [s for s in _list(cases.get("report_seeds")) if s in _list(cases.get("selection_seeds"))]
    if shared:
        yield (
            ("cases", "report_seeds"),
            f"seed {shared[0]} is a selection seed too: what the winner was chosen on cannot report it",
        )
    for i, prompt in enumerate(_list(cases.get("prompts"))):
        if isinstance(prompt, str) and "{token}" not in prompt:
            yield ("cases", "prompts", i), f"prompt '{prompt}' lacks {{token}}"


_CASE_LISTS = ("selection_seeds", "report_seeds", "prompts")


def _mapping(value: Any) -> dict[Any, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _rungs(document: dict, concept: Concept | None) -> Complaints:
    halving, checkpoints = document.get("halving"), document.get("checkpoints", 4)
    if not isinstance(halving, dict) or not isinstance(checkpoints, int):
        return
    rungs = halving.get("rungs", [1, 2])
    numbers = [r for r in _list(rungs) if isinstance(r, int)]
    if numbers != sorted(set(numbers)) or any(not 1 <= r < checkpoints for r in numbers):
        yield (
            ("halving", "rungs"),
            f"rungs rise and lie between 1 and {checkpoints - 1} (there are {checkpoints} checkpoints), given {rungs}",
        )
    cases = _mapping(document.get("cases"))
    available = len(_list(cases.get("selection_seeds"))) or 2
    if isinstance(halving.get("seeds"), int) and halving["seeds"] > available:
        yield ("halving", "seeds"), f"a rung draws at most the {available} selection seeds, given {halving['seeds']}"


def _draw(document: dict, concept: Concept | None) -> Complaints:
    """Names that only a registry knows; the shape of `draw` is the schema's."""
    draw = _mapping(_mapping(document.get("cases")).get("draw"))
    for kind, known in (
        ("scheduler", [*SHORT_NAMES, "base"]),
        ("combiner", [*COMBINERS]),
        ("refiner", ["none", *REFINERS]),
    ):
        given = draw.get(kind)
        if (
            isinstance(given, str)
            and given.lower() not in known
            and not (kind == "scheduler" and given.endswith("Scheduler"))
        ):
            yield ("cases", "draw", kind), _message(unknown_name(kind, given, known))


def _methods(document: dict, concept: Concept | None) -> Complaints:
    grid = not isinstance(document.get("search"), dict) or document["search"].get("sampler", "grid") == "grid"
    for i, space in enumerate(_list(document.get("methods"))):
        if isinstance(space, dict) and isinstance(space.get("method"), str):
            try:
                kind = method_named(space["method"]).config
            except InvalidConfig as error:
                yield ("methods", i, "method"), _message(error)
                continue
            yield from _settings(("methods", i), space, kind, grid)
            yield from _steps(("methods", i), space, kind, document)


def _settings(at: tuple, space: dict, kind: type[TrainSettings], grid: bool) -> Complaints:
    method = space["method"]
    for section in ("fixed", "search"):
        for name, given in _mapping(space.get(section)).items():
            path = (*at, section, name)
            if name in SET_BY_STUDY:
                yield path, f"'{name}' is set by the study: use {SET_BY_STUDY[name]}"
            elif name not in kind.model_fields:
                yield (
                    path,
                    _message(
                        unknown_name(f"setting of {method}", str(name), kind.model_fields.keys() - SET_BY_STUDY.keys())
                    ),
                )
            elif section == "search" and name in _mapping(space.get("fixed")):
                yield path, f"'{name}' is both fixed and searched"
            else:
                check = _searched if section == "search" else _single
                yield from check(path, name, given, kind, grid)


def _single(path: tuple, name: str, given: Any, kind: type[TrainSettings], grid: bool) -> Complaints:
    try:
        kind(**{name: given})
    except ValidationError as error:
        yield path, f"{name}: {error.errors()[0]['msg'].lower()}, given {given!r}"


def _searched(path: tuple, name: str, given: Any, kind: type[TrainSettings], grid: bool) -> Complaints:
    if isinstance(given, dict):
        yield from _range(path, name, given, kind, grid)
    elif not isinstance(given, list):
        yield (
            path,
            (
                f"{name}: search takes a list of values or {{low, high, log}}, given {given!r}; a single value belongs"
                " under fixed"
            ),
        )
    elif not given:
        yield path, f"{name}: the list is empty, so there is nothing to try"
    else:
        for i, value in enumerate(given):
            yield from _single((*path, i), name, value, kind, grid)
        if len({repr(_as_setting(name, v, kind)) for v in given}) < len(given):
            yield path, f"{name}: a value is given twice"


def _as_setting(name: str, given: Any, kind: type[TrainSettings]) -> Any:
    """A value as training reads it: '0.001' and 0.001 are one; what is none stays as it is given."""
    try:
        return getattr(kind(**{name: given}), name)
    except ValidationError:
        return given


def _range(path: tuple, name: str, given: dict, kind: type[TrainSettings], grid: bool) -> Complaints:
    if grid:
        yield path, f"{name}: a grid needs a list of values; ranges are for search.sampler tpe"
    wrong = given.keys() - {*RANGE_ENDS, "log"} or RANGE_ENDS - given.keys()
    numbers = [v for k, v in given.items() if k in RANGE_ENDS and isinstance(v, int | float)]
    if wrong or len(numbers) < 2:
        yield path, f"{name}: a range is {{low: number, high: number, log: true or false}}, given {given}"
    elif given["low"] >= given["high"]:
        yield path, f"{name}: the range from {given['low']:g} to {given['high']:g} is empty"
    elif given.get("log") and given["low"] <= 0:
        yield path, f"{name}: a logarithmic range starts above 0, given {given['low']:g}"
    else:
        for end in sorted(RANGE_ENDS):
            yield from _single(path, name, given[end], kind, grid)


def _steps(at: tuple, space: dict, kind: type[TrainSettings], document: dict) -> Complaints:
    """Checkpoints lie evenly, so that every trial's fractions of training can be compared."""
    checkpoints = document.get("checkpoints", 4)
    fixed = _mapping(space.get("fixed"))
    search = _mapping(space.get("search"))
    base = str(document.get("base", "pocket"))
    if "steps" not in search | fixed and _is_hub_id(base):  # the steps of its family are not known before it is here
        return
    preset = {} if _is_hub_id(base) else preset_for(method_named(space["method"]).name, base)
    default = fixed.get("steps", preset.get("steps", kind.model_fields["steps"].default))
    for steps in _list(search["steps"]) if "steps" in search else [default]:
        if isinstance(steps, int) and isinstance(checkpoints, int) and checkpoints > 0 and steps % checkpoints:
            section = "search" if "steps" in search else "fixed"
            yield (
                (*at, section, "steps"),
                f"steps: {steps} cannot be divided into {checkpoints} equal parts (checkpoints)",
            )
