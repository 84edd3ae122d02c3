"""A base on the hub: the files needed of it, from the local cache first, and a quick answer without network."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from brandsmith.base.parts import check_parts, detect_family
from brandsmith.core.errors import MissingResource

HUB_TIMEOUT_SEC = 2.5
"""How long the hub may take to answer."""
DOWNLOAD_TIMEOUT_SEC = 10.0
WANTED = ["*.json", "*.txt", "*.safetensors", "*.model", "*.jinja", "README.md"]
_PARTS = ("unet", "transformer", "vae", "text_encoder", "text_encoder_2", "text_encoder_3")
_SMALL = re.compile(
    r"model_index\.json|README\.md"
    r"|(scheduler|tokenizer(_[23])?|unet|transformer|vae|text_encoder(_[23])?)/[^/]+\.(json|txt|model|jinja)"
)
_WEIGHTS = re.compile(r"(?P<stem>diffusion_pytorch_model|model)(\.(?P<variant>[a-z]\w*))?(-\d+-of-\d+)?\.safetensors")
_INDEX = re.compile(r"(?:diffusion_pytorch_model|model)\.safetensors\.index(\.(?P<variant>\w+))?\.json")
Answer = TypeVar("Answer")


def is_id(name: str) -> bool:
    """Whether the hub may have a repository `owner/model` of this name, by its own rules; asks nobody."""
    from huggingface_hub.utils import HFValidationError, validate_repo_id

    try:
        validate_repo_id(name)
    except HFValidationError:
        return False
    return "/" in name


def files_needed(names: Iterable[str]) -> list[str]:
    """Of a repository's files those of a base: configuration, tokenizers, and one set of weights for each part.

    Weights without a variant where there are any, else `fp16`, else the first. No single files, no pickles, no safety
    checker.
    """
    names = sorted(names)
    needed = [name for name in names if _SMALL.fullmatch(name) and not _INDEX.fullmatch(name.rpartition("/")[2])]
    for part in _PARTS:
        found: dict[str, list[str]] = {}
        for name in names:
            folder, _, file = name.rpartition("/")
            match = (_WEIGHTS.fullmatch(file) or _INDEX.fullmatch(file)) if folder == part else None
            if match:
                found.setdefault(match["variant"] or "", []).append(name)
        best = next((variant for variant in ("", "fp16") if variant in found), next(iter(found), None))
        needed += found.get(best or "", []) if best is not None else []
    return needed


def cached_folder(name: str) -> Path | None:
    """The folder of a hub id in the local cache when it is whole there; asks nobody."""
    from huggingface_hub import snapshot_download

    try:
        folder = Path(snapshot_download(name, allow_patterns=WANTED, local_files_only=True))
        check_parts(folder, detect_family(folder))
    except Exception:  # not there, or a part of it is not
        return None
    return folder


def fetch(name: str) -> Path:
    """Cache first. Asking is logged on stderr; a hub that does not answer is given up after HUB_TIMEOUT_SEC.

    `HF_HUB_OFFLINE` is obeyed. Raises MissingResource.
    """
    from huggingface_hub import HfApi, constants, snapshot_download

    if folder := cached_folder(name):
        return folder
    if constants.HF_HUB_OFFLINE:
        raise MissingResource(
            f"base '{name}' is not in the local cache, and HF_HUB_OFFLINE is set",
            hint="download it once without HF_HUB_OFFLINE, or give a local folder or file",
        )
    print(f"looking for base '{name}' on the hub", file=sys.stderr, flush=True)
    try:
        found = _within(HUB_TIMEOUT_SEC, lambda: HfApi().model_info(name, timeout=HUB_TIMEOUT_SEC))
        files = files_needed(sibling.rfilename for sibling in found.siblings or ())
        return Path(
            snapshot_download(name, revision=found.sha, allow_patterns=files, etag_timeout=DOWNLOAD_TIMEOUT_SEC)
        )
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:160]
        raise MissingResource(
            f"base '{name}' is neither a folder nor reachable on the hub ({reason})",
            hint="download it once with network access, or give a local folder or file",
        ) from None


def download(name: str, files: Iterable[str], what: str, *, revision: str, into: Path) -> None:
    """Fetch files of a repository at a revision into a folder; a line on stderr says that the hub is asked for `what`.
    Raises whatever the hub's client does, and TimeoutError where the hub does not answer.
    """
    from huggingface_hub import HfApi, snapshot_download

    print(f"looking for {what} on the hub", file=sys.stderr, flush=True)
    _within(HUB_TIMEOUT_SEC, lambda: HfApi().model_info(name, revision=revision, timeout=HUB_TIMEOUT_SEC))
    snapshot_download(
        name, revision=revision, allow_patterns=list(files), local_dir=into, etag_timeout=DOWNLOAD_TIMEOUT_SEC
    )


def _within(seconds: float, ask: Callable[[], Answer]) -> Answer:
    """The answer, or TimeoutError: looking up a name in DNS obeys no time-out of its own."""
    answers: list[Answer] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            answers.append(ask())
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not answers:
        raise TimeoutError(f"no answer within {seconds:g} s")
    return answers[0]
