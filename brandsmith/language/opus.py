"""Any language to English by OPUS-MT, run by CTranslate2 on the CPU: the extra `translate`.

    FOLDER/ config.json model.bin shared_vocabulary.json source.spm target.spm SHA256SUMS

Nothing is downloaded. The folder is sealed: SHA256SUMS, as `sha256sum * > SHA256SUMS` writes it, names every file, and
a file that is not as it says is never used. Tiedemann and Thottingal 2020, "OPUS-MT: Building open translation services
for the World". What must not be translated is set aside under a name that translation leaves alone, or, where it does
not, the text is translated in the stretches between.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from brandsmith.core.errors import InvalidInput, MissingResource
from brandsmith.core.files import sha256_of
from brandsmith.core.optional import need_package
from brandsmith.core.text import read_text
from brandsmith.language.words import kept_pattern

SEAL = "SHA256SUMS"
FILES = ("model.bin", "source.spm", "target.spm")
"""What every converted model has."""
BEAM = 4
"""Marian's and OPUS-MT's own default is 6; 4 is CTranslate2's example for them."""
Translate = Callable[[Sequence[str]], list[str]]
_LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)")
_NAMES = ("Xa", "Xb", "Xc", "Xd", "Xe", "Xf", "Xg", "Xh")


def check_translator(folder: Path) -> None:
    """Raise MissingResource for a folder or file that is not there, InvalidInput for a file that is not as sealed."""
    if not (folder / SEAL).is_file():
        raise MissingResource(
            f"no sealed translator at '{folder}'", hint=f"it needs {', '.join(FILES)} and {SEAL} (docs/languages.md)"
        )
    lines = map(_parsed, read_text(folder / SEAL).splitlines())
    sums = {match[2]: match[1] for match in lines if match}
    for name in FILES:
        if name not in sums:
            raise InvalidInput(f"'{folder / SEAL}' does not name {name}", hint=f"seal it: sha256sum * > {SEAL}")
    for name, digest in sums.items():
        if Path(name).name != name or not (folder / name).is_file():
            raise MissingResource(f"'{folder / name}' is missing", hint="copy the folder whole")
        if sha256_of(folder / name) != digest:
            raise InvalidInput(
                f"'{folder / name}' is not the file that {SEAL} names", hint="copy the folder again; it is never used"
            )


def _parsed(line: str) -> re.Match[str] | None:
    match = _LINE.fullmatch(line.strip())
    return match if match and match[2] != SEAL else None


def load_translator(folder: Path) -> Translate:
    """A function from texts to English texts. Raises as `check_translator`, and MissingResource without the extra."""
    check_translator(folder)
    for package in ("ctranslate2", "sentencepiece"):
        need_package(package, "translate", "--translator")
    import ctranslate2
    import sentencepiece

    model = ctranslate2.Translator(str(folder), device="cpu", compute_type="default")
    source, target = (
        sentencepiece.SentencePieceProcessor(model_file=str(folder / name)) for name in ("source.spm", "target.spm")
    )

    def translate(texts: Sequence[str]) -> list[str]:
        pieces = [[*source.encode(text, out_type=str), "</s>"] for text in texts]
        results = model.translate_batch(pieces, beam_size=BEAM)
        return [str(target.decode(result.hypotheses[0])) for result in results]

    return translate


def translate_text(text: str, translate: Translate, kept: Sequence[str] = ()) -> str:
    """A text in English; what is kept stands in it as it was written, each once."""
    pattern = kept_pattern(kept)
    found = [match.group() for match in pattern.finditer(text)]
    if not found:
        return translate([text])[0]
    if len(found) <= len(_NAMES):
        names = iter(_NAMES)
        whole = translate([pattern.sub(lambda match: next(names), text)])[0]
        used = _NAMES[: len(found)]
        if all(len(re.findall(rf"\b{name}\b", whole)) == 1 for name in used):
            own = dict(zip(used, found, strict=True))
            return re.sub(rf"\b({'|'.join(used)})\b", lambda match: own[match.group()], whole)
    return _between(text, pattern, translate)


def _between(text: str, pattern: re.Pattern[str], translate: Translate) -> str:
    """Each stretch between what is kept translated by itself."""
    pieces, position = [], 0
    for match in pattern.finditer(text):
        pieces += [text[position : match.start()], match.group()]
        position = match.end()
    pieces.append(text[position:])
    stretches = [piece.strip() for piece in pieces[::2] if piece.strip()]
    english = iter(translate(stretches) if stretches else [])
    said = [next(english) if number % 2 == 0 and piece.strip() else piece for number, piece in enumerate(pieces)]
    return " ".join(piece.strip() for piece in said if piece.strip())
