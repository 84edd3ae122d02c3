"""`brandsmith sample --best-of N`: draw until each prompt has N usable pictures or its budget is spent.

    OUT/case-0_seed-1003.png    a usable picture, signed
    OUT/drawn/…                 every picture that was drawn, the refused ones too
    OUT/best_of.json            how many were drawn and thrown away for each prompt, and why

Choosing is never hidden: what was thrown away is counted and kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from itertools import product
from pathlib import Path

from brandsmith.base.sources import resolve_base
from brandsmith.concept.concept import Concept
from brandsmith.core.files import write_json
from brandsmith.core.output import check_output_folder
from brandsmith.core.pictures import load_rgb_all
from brandsmith.core.rows import Shot
from brandsmith.draw.leaving import Leaving, save_copy
from brandsmith.draw.prompts import ReadPrompt, as_read
from brandsmith.draw.source import Source
from brandsmith.draw.to_folder import checked_settings
from brandsmith.draw.writer import Request, check_no_others, missing_pictures, picture_name, write_pictures
from brandsmith.evaluate.chain import judges_for
from brandsmith.guidance.settings import DrawSettings
from brandsmith.judges.judge import CachedJudge, Judge, score_shots
from brandsmith.provenance.signature import check_signing
from brandsmith.results.best_of import BestOf, PromptResult, summary
from brandsmith.results.usable import Usable, checks_for, judge_usable

Progress = Callable[[int, int], None]


def draw_best(
    prompts: Sequence[str | ReadPrompt],
    best_of: BestOf,
    settings: DrawSettings,
    source: Source,
    concept: Concept,
    folder: Path,
    *,
    leaving: Leaving | None = None,
    progress: Progress = lambda done, total: None,
) -> list[PromptResult]:
    """Draw, judge and keep; resumable, since what is drawn stays. progress: (usable so far, wanted).

    Prompts are read as `read_prompts` does, unless they are read already. leaving: sign what is usable (None: not).
    Raises InvalidInput, InvalidConfig or MissingResource (no fitted judges) before weights load.
    """
    read = as_read(prompts, source)
    settings = checked_settings([own.english for own in read], settings, source)
    judges = judges_for(concept, resolve_base(source.base))
    check_output_folder(folder)
    if leaving:
        check_signing(leaving.signing)
    seeds = range(best_of.first_seed, best_of.first_seed + best_of.budget)
    for place in (folder, folder / "drawn"):
        possible = _requests(read, seeds, place)
        missing_pictures(possible, settings, source.origin())
        check_no_others(place, possible, settings, source.origin())
    chain = [CachedJudge(judge, folder / "verdicts.jsonl") for judge in judges.values()]
    results = [PromptResult(own.english) for own in read]
    with source.loaded() as (base, origin):
        for seed in seeds:
            wanting = [case for case, own in enumerate(results) if len(own.kept) < best_of.number]
            if not wanting:
                break
            requests = [_request(folder / "drawn", case, read[case], seed) for case in wanting]
            write_pictures(base, requests, settings, origin)
            _keep_usable(requests, results, wanting, chain, folder, leaving)
            progress(sum(len(own.kept) for own in results), best_of.number * len(results))
    _drop_refused(_requests(read, seeds, folder), results)
    write_json(folder / "best_of.json", asdict(best_of) | summary(results))
    return results


def _drop_refused(copies: Iterable[Request], results: Sequence[PromptResult]) -> None:
    """Take back our copies of pictures that other judges had found usable before; the pictures stay in `drawn/`."""
    kept = {name for own in results for name in own.kept}
    for copy in copies:
        if copy.path.name not in kept:
            copy.path.unlink(missing_ok=True)


def _requests(prompts: Iterable[ReadPrompt], seeds: Iterable[int], folder: Path) -> list[Request]:
    return [_request(folder, case, prompt, seed) for (case, prompt), seed in product(enumerate(prompts), seeds)]


def _request(folder: Path, case: int, prompt: ReadPrompt, seed: int) -> Request:
    return Request(folder / picture_name(case, seed), prompt.english, seed, prompt.written)


def _keep_usable(
    requests: Sequence[Request],
    results: Sequence[PromptResult],
    cases: Sequence[int],
    chain: Sequence[Judge],
    folder: Path,
    leaving: Leaving | None,
) -> None:
    """Judge what was drawn, count it, and copy what is usable into `folder`."""
    for case, request, verdict in zip(cases, requests, _verdicts(requests, cases, chain), strict=True):
        own = results[case]
        own.drawn += 1
        if verdict.verdict is True:
            own.kept.append(request.path.name)
            save_copy(request.path, folder / request.path.name, leaving)
        else:
            own.refused[verdict.reason] += 1


def _verdicts(requests: Sequence[Request], cases: Sequence[int], chain: Sequence[Judge]) -> list[Usable]:
    pictures = load_rgb_all([request.path for request in requests])
    shots = [Shot(case, own.prompt, own.seed, "", 0) for case, own in zip(cases, requests, strict=True)]
    rows = [score_shots(judge, shots, pictures) for judge in chain]
    checks = checks_for([judge.name for judge in chain])
    return [judge_usable([own[i] for own in rows], checks) for i in range(len(shots))]
