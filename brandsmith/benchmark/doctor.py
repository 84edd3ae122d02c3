"""`brandsmith benchmark doctor`: are planted faults named, are sound pictures left alone, and how long does it take."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from brandsmith.benchmark.planted_faults import TOKEN, picture, plant_faults, said
from brandsmith.concept.concept import demo_folder
from brandsmith.core.errors import InvalidInput
from brandsmith.core.pictures import list_pictures
from brandsmith.core.progress import Log
from brandsmith.doctor import look_machine
from brandsmith.doctor.check import diagnose_patient, know_base
from brandsmith.doctor.finding import Finding
from brandsmith.doctor.patient import Patient, look_at_concept

MOST_PHOTOS = 200
TIMED_PICTURES, TIMED_PX = 150, (1536, 2048)


@dataclass(frozen=True)
class DoctorFigures:
    """What was planted and what was found."""

    planted: int
    kinds: int
    missed: list[str]
    wrongly_named: list[str]
    without_remedy: int
    files_changed: int
    sound_pictures: int
    false_alarms: list[str]
    """Faults that it finds on them."""
    advice: list[str]
    """What it says of them beside, such as that a square cuts half of a long picture off."""
    seconds_150: float | None
    """For 150 photos of 3 million pixels; None: not timed."""

    def lines(self) -> Sequence[str]:
        named = self.planted - len(self.missed)
        timed = [] if self.seconds_150 is None else [f"{TIMED_PICTURES} pictures of 3 MP: {self.seconds_150:.2f} s"]
        return [
            f"planted {self.planted} faults of {self.kinds} kinds: {named} named",
            f"wrongly named {len(self.wrongly_named)}, without a remedy {self.without_remedy}",
            f"files changed {self.files_changed}",
            *(f"missed: {own}" for own in self.missed),
            *(f"wrongly named: {own}" for own in self.wrongly_named),
            f"sound pictures {self.sound_pictures}: {len(self.false_alarms)} false alarms, {len(self.advice)} advice",
            *(f"false alarm: {own}" for own in self.false_alarms),
            *(f"advice: {own}" for own in self.advice),
            *timed,
        ]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def benchmark_doctor(photos: Path | None, *, timed: bool, log: Log = lambda what: None) -> DoctorFigures:
    """photos: a folder of sound pictures, itself or below; None: those of the demo. Writes below a temporary folder.

    Raises InvalidInput for a folder that is none, or has no picture.
    """
    base, true = know_base("pocket"), _photos(photos)
    with TemporaryDirectory() as scratch:
        log("planted faults")
        folder = Path(scratch) / "planted"
        planted = set(plant_faults(folder))
        before = _state(folder)
        findings = diagnose_patient(look_at_concept(folder), base).findings
        named = {(own.kind, own.file) for own in findings if own.kind not in look_machine.KINDS}
        changed = sum(value != before.get(name) for name, value in _state(folder).items())
        log("sound pictures")
        sound = _as_concept(true, Path(scratch) / "sound")
        alarms = [own for own in diagnose_patient(sound, base).findings if own.kind not in look_machine.KINDS]
        log("150 pictures")
        seconds = _timed(Path(scratch) / "timed") if timed else None
    return DoctorFigures(
        planted=len(planted),
        kinds=len({kind for kind, _ in planted}),
        missed=[f"{kind} {file}" for kind, file in sorted(planted - named)],
        wrongly_named=[f"{kind} {file}" for kind, file in sorted(named - planted)],
        without_remedy=sum(not own.remedy for own in findings),
        files_changed=changed,
        sound_pictures=len(sound.pictures),
        false_alarms=[_said(own) for own in alarms if own.severity == "fault"],
        advice=[_said(own) for own in alarms if own.severity == "advice"],
        seconds_150=seconds,
    )


def _said(own: Finding) -> str:
    return f"{own.kind} {own.file}: {own.what}"


def _state(folder: Path) -> dict[Path, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _photos(folder: Path | None) -> list[Path]:
    if folder is None:
        demo = demo_folder()
        return [own for part in ("images", "held_out") for own in list_pictures(demo / part, quiet=True)]
    if not folder.is_dir():
        raise InvalidInput(f"'{folder}' is not a folder", hint="give a folder of pictures with --photos")
    places = [folder, *(path for path in sorted(folder.rglob("*")) if path.is_dir())]
    found = [own for place in places for own in list_pictures(place, quiet=True)][:MOST_PHOTOS]
    if not found:
        raise InvalidInput(f"there is no picture in '{folder}'", hint="give a folder of pictures with --photos")
    return found


def _as_concept(photos: Sequence[Path], folder: Path) -> Patient:
    images = folder / "images"
    images.mkdir(parents=True)
    (folder / "concept.yaml").write_text(f"token: {TOKEN}\n", encoding="utf-8", newline="")
    for number, photo in enumerate(photos):
        file = images / f"{number:04}{photo.suffix}"
        shutil.copyfile(photo, file)
        said(file)
    return look_at_concept(folder)


def _timed(folder: Path) -> float:
    images = folder / "images"
    images.mkdir(parents=True)
    (folder / "concept.yaml").write_text(f"token: {TOKEN}\n", encoding="utf-8", newline="")
    for number in range(TIMED_PICTURES):
        picture(number, *TIMED_PX).save(said(images / f"{number:03}.jpg"), quality=90)
    base = know_base("pocket")
    started = time.perf_counter()
    diagnose_patient(look_at_concept(folder), base)
    return round(time.perf_counter() - started, 2)
