"""Weights that judges need and this project does not ship: declared here, fetched by command, sealed in a folder, never
substituted.

    FOLDER/clip-vit-base-patch32/ config.json pytorch_model.bin … sealed.json

Scoring never downloads. `brandsmith judge weights fetch` does, on request; on a machine without a network, copy the
folder and run `verify`. Both check every file against the SHA-256 declared here and then write the seal; a judge uses
sealed weights only, and reports "not measured: weights X missing" otherwise.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter
from typing_extensions import TypedDict

from brandsmith.core.errors import InvalidInput, MissingResource, unknown_name
from brandsmith.core.files import replacing, sha256_of, write_json
from brandsmith.core.json_files import read_record
from brandsmith.core.output import check_output_folder
from brandsmith.core.text import is_there

SEAL = "sealed.json"
URL_TIMEOUT_SEC = 10.0
"""How long a server may be silent."""
FOLDER_VARIABLE = "BRANDSMITH_WEIGHTS"


class _Seal(TypedDict):
    bytes: dict[str, int]
    files: dict[str, str]


_SEAL = TypeAdapter(_Seal)


@dataclass(frozen=True)
class DeclaredWeights:
    """One model as the judges use it: these files of this revision, and no others."""

    model: str
    """Hub id, or `owner/name` for a file at `url`."""
    revision: str
    """Commit on the hub; empty for a file at `url`, which its digest alone names."""
    licence: str
    size_mb: int
    purpose: str
    files: Mapping[str, str]
    """File name to SHA-256."""
    main_file: str = "model.safetensors"
    url: str = ""
    """Where the one file is when it is not on the hub."""

    @property
    def name(self) -> str:
        return self.model.rpartition("/")[2]

    @property
    def weights_hash(self) -> str:
        return self.files[self.main_file][:12]


SSCD = "sscd-disc-mixup"
_CLIP_PREPROCESSOR = "910e70b3956ac9879ebc90b22fb3bc8a75b6a0677814500101a4c072bd7857bd"
DECLARED: dict[str, DeclaredWeights] = {
    weights.name: weights
    for weights in (
        DeclaredWeights(
            "openai/clip-vit-base-patch32",
            "3d74acf9a28c67741b2f4f2ea7635f0aaf6f0268",
            "MIT",
            605,
            "clip (CLIP-T), clip_i",
            {
                "config.json": "b575ef3c36f2a057fa19e221650105052d61cc9c1a972ec15019c6261ec98770",
                "preprocessor_config.json": _CLIP_PREPROCESSOR,
                "vocab.json": "5047b556ce86ccaf6aa22b3ffccfc52d391ea4accdab9c2f2407da5b742d4363",
                "merges.txt": "f526393189112391ce6f9795d4695f704121ce452c3aad1f5335cc41337eba85",
                "pytorch_model.bin": "a63082132ba4f97a80bea76823f544493bffa8082296d62d71581a4feff1576f",
            },
            main_file="pytorch_model.bin",
        ),
        DeclaredWeights(
            "openai/clip-vit-large-patch14",
            "32bd64288804d66eefd0ccbe215aa642df71cc41",
            "MIT",
            1711,
            "clip (CLIP-T), clip_i, larger",
            {
                "config.json": "8a09b467700c58138c29d53c605b34ebc69beaadd13274a8a2af8ad2c2f4032a",
                "preprocessor_config.json": _CLIP_PREPROCESSOR,
                "vocab.json": "3f0c4f7d2086b61b38487075278ea9ed04edb53a03cbb045b86c27190fa8fb69",
                "merges.txt": "9fd691f7c8039210e0fced15865466c65820d09b63988b0174bfe25de299051a",
                "model.safetensors": "a2bf730a0c7debf160f7a6b50b3aaf3703e7e88ac73de7a314903141db026dcb",
            },
        ),
        DeclaredWeights(
            "facebook/dinov2-small",
            "ed25f3a31f01632728cabb09d1542f84ab7b0056",
            "Apache-2.0",
            88,
            "dinov2 (identity)",
            {
                "config.json": "1809f83e3bdb1609a501a610ad4a742f4fd8ae44d72ca4aa0df52d1f2ac8628d",
                "preprocessor_config.json": "14e780d86fa1861f8751f868d7f45425b5feb55c38ca26f152ca5097ab30f828",
                "model.safetensors": "ae1e99fcefd534ed978cdeb8326f08030c96e28b7a81ffcbc98a857c84d14be1",
            },
        ),
        DeclaredWeights(
            f"facebookresearch/{SSCD}",
            "",
            "MIT",
            99,
            "copying",
            {"sscd_disc_mixup.torchscript.pt": "9f26bd4c848cc19b73d2ae92eea6e04886f61a7b764ceb7a13aeee62e6a6db56"},
            main_file="sscd_disc_mixup.torchscript.pt",
            url="https://dl.fbaipublicfiles.com/sscd-copy-detection/sscd_disc_mixup.torchscript.pt",
        ),
    )
}


@dataclass(frozen=True)
class State:
    """What is in a folder of one declared model: `sealed`, `missing`, or `changed` (a file is not the declared one)."""

    weights: DeclaredWeights
    state: str
    files: tuple[str, ...] = ()
    """The files that are missing or changed."""

    @property
    def line(self) -> str:
        of = f": {', '.join(self.files)}" if self.files else ""
        w = self.weights
        return (
            f"{w.name:24} {self.state}{of}  ({w.model}@{w.revision[:12] or w.weights_hash}, {w.licence}, {w.size_mb}"
            f" MB, for {w.purpose})"
        )


def weights_folder(folder: Path | None = None) -> Path:
    """The folder given, else the one that BRANDSMITH_WEIGHTS names, else one in the user's cache."""
    if folder:
        return folder
    named = os.environ.get(FOLDER_VARIABLE)
    return Path(named) if named else Path.home() / ".cache" / "brandsmith" / "weights"


def declared(name: str) -> DeclaredWeights:
    if name not in DECLARED:
        raise unknown_name("weights", name, DECLARED)
    return DECLARED[name]


def find_weights(name: str, folder: Path | None = None) -> Path | None:
    """The folder of sealed weights; None when they are not there. Trusts the seal and compares sizes: hashing is
    `verify`'s.
    """
    weights, place = declared(name), weights_folder(folder) / name
    if not is_there(place / SEAL):
        return None
    seal = read_record(place / SEAL, _SEAL, f"seal them again: brandsmith judge weights verify {name}")
    whole = all(
        (place / file).is_file() and (place / file).stat().st_size == size for file, size in seal["bytes"].items()
    )
    return place if whole and seal["files"] == dict(weights.files) else None


def missing_reason(name: str) -> str:
    """The one sentence of every judge whose weights are not there."""
    return f"weights {name} missing; get them with: brandsmith judge weights fetch {name}"


def check_weights(name: str, folder: Path | None = None) -> State:
    """Hash what is there against what is declared, and seal it when all is as declared."""
    weights, place = declared(name), weights_folder(folder) / name
    missing = tuple(file for file in weights.files if not (place / file).is_file())
    if missing:
        (place / SEAL).unlink(missing_ok=True)
        return State(weights, "missing", missing if len(missing) < len(weights.files) else ())
    changed = tuple(file for file, digest in weights.files.items() if sha256_of(place / file) != digest)
    if changed:
        (place / SEAL).unlink(missing_ok=True)
        return State(weights, "changed", changed)
    if find_weights(name, folder) is None:  # a seal that is there already may lie on a medium that cannot be written
        sizes = {file: (place / file).stat().st_size for file in weights.files}
        write_json(
            place / SEAL,
            {
                "model": weights.model,
                "revision": weights.revision,
                "licence": weights.licence,
                "files": dict(weights.files),
                "bytes": sizes,
            },
        )
    return State(weights, "sealed")


def verify_weights(names: Sequence[str] = (), folder: Path | None = None) -> list[State]:
    """The state of the named models (none: of all that are declared). Raises InvalidInput for changed files,
    MissingResource for named ones that are missing.
    """
    states = [check_weights(name, folder) for name in names or DECLARED]
    for state in states:
        if state.state == "changed":
            raise InvalidInput(
                f"'{weights_folder(folder) / state.weights.name}' holds other files than declared:"
                f" {', '.join(state.files)}",
                hint="delete that folder and fetch it again; what is not as declared is never used",
            )
        if names and state.state == "missing":
            raise MissingResource(
                f"weights {state.weights.name} are not in '{weights_folder(folder)}'",
                hint=f"brandsmith judge weights fetch {state.weights.name}",
            )
    return states


def fetch_weights(names: Sequence[str], folder: Path | None = None) -> list[State]:
    """Download the named models' declared files at their declared revision, check and seal them. Raises MissingResource
    when that fails.
    """
    chosen = [declared(name) for name in names]  # all names are checked before the first byte is fetched
    check_output_folder(weights_folder(folder))
    for weights in chosen:
        place = weights_folder(folder) / weights.name
        try:
            _download(weights, place)
        except Exception as error:  # the clients raise many kinds; all mean that it could not be fetched
            first_line = (str(error).splitlines() or [type(error).__name__])[0]
            raise MissingResource(
                f"weights {weights.name} could not be fetched: {first_line[:200]}",
                hint=(
                    "check the network; or copy a sealed folder from another machine and run: brandsmith judge weights"
                    " verify"
                ),
            ) from None
    return verify_weights(names, folder)


def _download(weights: DeclaredWeights, place: Path) -> None:
    if not weights.url:
        from brandsmith.base import hub  # loads torch and diffusers, which a list of names does not need

        hub.download(weights.model, weights.files, f"weights {weights.name}", revision=weights.revision, into=place)
        return
    from urllib.request import urlopen

    place.mkdir(parents=True, exist_ok=True)
    with (
        urlopen(weights.url, timeout=URL_TIMEOUT_SEC) as source,
        replacing(place / weights.main_file) as partial,
        open(partial, "wb") as target,
    ):
        shutil.copyfileobj(source, target)
