"""`brandsmith report STUDY`: one HTML file that opens anywhere, with its CSV and Markdown. A pure function of files.

The page is a Jinja2 template with autoescaping on, so whatever a user wrote (names, prompts, reasons) arrives as text;
only the SVG of our own plots is markup. Style, script and pictures are inside the file; without the script the page
reads the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from brandsmith.core.errors import InvalidInput
from brandsmith.core.files import write_text
from brandsmith.core.output import check_output_folder
from brandsmith.report import figures, sheets, words
from brandsmith.report.advice import RULE, THESIS_TABLE, advise
from brandsmith.report.certainty import compare_winner, headline, verdict_line
from brandsmith.report.design import PLOTS, TOKENS
from brandsmith.report.pictures import HERO_PX, Album
from brandsmith.report.plots import draw_bar, draw_key
from brandsmith.report.provenance import judge_lines, provenance, recorded_verdicts, trial_lines
from brandsmith.report.tables import further_judges, report_csv, report_markdown
from brandsmith.results.kpi import COLUMNS, footnote
from brandsmith.results.leaderboard import Standing, best_of_each_method, standings_of, why_not_measured
from brandsmith.results.study_files import read_study
from brandsmith.results.study_records import StudyFiles

ASSETS = Path(__file__).resolve().parent.parent / "data" / "report"
NUM_COLOURS = 6  # of tokens.css
GENERATOR = b'<meta name="generator" content="brandsmith report">'
_HEAD_BYTES = 4096
NAMES = ("report.html", "report.csv", "report.md")


def write_report(study_folder: str | Path, out: str | Path | None = None) -> list[Path]:
    """Write report.html, report.csv and report.md into `out` (default: the study's own folder); returns their paths.

    Raises MissingResource when the folder holds no study or no trial, InvalidInput when study.json or `out` cannot be
    used.
    """
    study = read_study(Path(study_folder))
    folder = Path(out or study_folder)
    if folder.exists() and not folder.is_dir():
        raise InvalidInput(f"'{folder}' is a file", hint="give a folder with --out")
    check_output_folder(folder)
    _check_ours(folder)
    standings = standings_of(study)
    rivalries = compare_winner(study, standings) if standings else []
    title, certainty, advice = (
        headline(study, standings, rivalries),
        verdict_line(rivalries),
        advise(standings, rivalries),
    )
    page = (
        _environment()
        .get_template("page.html.j2")
        .render(
            study=study,
            headline=title,
            certainty=certainty,
            rivalries=rivalries,
            advice=advice,
            advice_rule=RULE,
            thesis_table=THESIS_TABLE,
            columns=COLUMNS,
            **_context(study, standings),
        )
    )
    texts = (page, report_csv(standings), report_markdown(study, title, certainty, standings, rivalries, advice))
    paths = [folder / name for name in NAMES]
    for path, text in zip(paths, texts, strict=True):
        write_text(path, text)
    return paths


def _check_ours(folder: Path) -> None:
    """Raise InvalidInput when a file with one of our names is not ours. The page is written first and names us."""
    page = folder / NAMES[0]
    there = [name for name in NAMES if (folder / name).exists() or (folder / name).is_symlink()]
    if not there:
        return
    if page.is_file():
        with page.open("rb") as file:
            if GENERATOR in file.read(_HEAD_BYTES):
                return
    raise InvalidInput(
        f"'{folder / there[0]}' is there and is not a report of ours",
        hint="give another folder with --out: nothing of yours is overwritten",
    )


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(ASSETS),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    plain = (
        words.method_name,
        words.figure,
        words.percent,
        words.size_text,
        words.duration_text,
        words.signed,
        draw_key,
        breakable,
    )
    environment.filters |= {function.__name__: function for function in plain}
    style = _asset(TOKENS) + _asset(PLOTS) + _asset(ASSETS / "page.css")
    environment.globals |= {"draw_bar": draw_bar, "style": style, "script": _asset(ASSETS / "page.js")}
    return environment


def breakable(name: str) -> Markup:
    """A column's name that may wrap after its underscores."""
    return Markup("_<wbr>").join(name.split("_"))


def _asset(path: Path) -> Markup:
    """Our own style or script, which goes into the page as it is."""
    return Markup(path.read_text(encoding="utf-8"))


def _context(study: StudyFiles, standings: Sequence[Standing]) -> dict[str, Any]:
    """Everything the template shows besides the verdict."""
    methods = list(dict.fromkeys([s.method for s in standings] + [t.method for t in study.trials]))
    colours = {method: i % NUM_COLOURS for i, method in enumerate(methods)}
    best = best_of_each_method(standings)
    gallery = sheets.Gallery(study, Album())
    pictures = _pictures(gallery, best, colours) if best else {}
    return {
        "standings": standings,
        "best": best,
        "winner": standings[0] if standings else None,
        "colours": colours,
        "measure": study.measure,
        "judges": further_judges(standings),
        "gallery": gallery,
        "steps_figures": figures.steps_figures(standings, colours),
        "setting_figures": [
            f
            for f in (figures.learning_rate_figure(standings, colours), *figures.size_figures(standings, colours))
            if f
        ],
        "pareto_figures": figures.pareto_figures(standings, colours),
        "front": figures.not_beaten(standings),
        "unmeasured_checks": [
            (name, why_not_measured(study, judge)) for name, judge in sheets.unmeasured_checks(gallery)
        ],
        "missing_halves": _missing_halves(study),
        "failed": [t for t in study.trials if t.failed],
        "provenance": provenance(study),
        "judge_lines": judge_lines(study),
        "trial_lines": trial_lines(study),
        "recorded": recorded_verdicts(study.folder),
        "footnote": footnote(row for s in best for row in s.rows),
        "epoch": _epoch(standings[0]) if standings else None,
        "pictures": pictures,
    }


def _pictures(gallery: sheets.Gallery, best: Sequence[Standing], colours: dict[str, int]) -> dict[str, Any]:
    """Embedded in the order of their importance to the reader: what the budget leaves out comes last."""
    winner, trial = best[0], best[0].first_trial()
    seeds = sheets.shown_seeds(gallery.study, winner)
    strip = [gallery.cell(trial, winner.step, case, seeds[0], HERO_PX) for case in range(min(5, gallery.num_prompts))]
    return {
        "photos": gallery.photos(3, HERO_PX),
        "strip": strip,
        "strip_seed": seeds[0],
        "photo_line": gallery.photos(gallery.num_prompts),
        "sheets": sheets.method_sheets(gallery, best, colours),
        "seen": [
            (
                s,
                [
                    gallery.cell(s.first_trial(), s.step, case, seed)
                    for seed in (seeds if s is winner else seeds[:1])
                    for case in range(gallery.num_prompts)
                ],
            )
            for s in best
        ],
        "pairs": [(s, sheets.nearest_pairs(gallery, s)) for s in best],
        "steps": sheets.steps_sheet(gallery, winner, colours[winner.method]),
    }


def _missing_halves(study: StudyFiles) -> list[tuple[str, str]]:
    halves = (("mean_confidence_score", ("detector", "yolov8")), ("mean_ocr_score", ("ocr",)))
    return [
        (name, why_not_measured(study, judges[0])) for name, judges in halves if not set(judges) & set(study.judges)
    ]


def _epoch(standing: Standing) -> float | None:
    return words.epoch_of(standing.step, standing.first_trial().config)
