"""The one entry of prompts: in any language that is read, out in English, what was written kept beside it.

The prompt's own language is parsed first: AND, NOT, weights and braces stay as they are, and each text between them is
read by itself. English prompts, and those of bases that read the language themselves, are left bit for bit.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from brandsmith.base.sources import family_of
from brandsmith.core.errors import InvalidInput
from brandsmith.core.notes import note_once, warn_once
from brandsmith.draw.recipe import Written
from brandsmith.draw.source import Source
from brandsmith.guidance.prompt_syntax import change_texts
from brandsmith.guidance.settings import DrawSettings
from brandsmith.language.choice import AS_THEY_COME, LanguageChoice
from brandsmith.language.detect import detect_language
from brandsmith.language.glossary import language_codes, load_language
from brandsmith.language.opus import Translate, load_translator, translate_text
from brandsmith.language.reading import ENGLISH, read_text_in
from brandsmith.methods.adapter import read_adapter_info


@dataclass(frozen=True)
class ReadPrompt:
    """A prompt as it is drawn, and as it was written where that is something else."""

    english: str
    written: Written | None = None

    def noted(self) -> dict[str, Any]:
        """For a manifest: what was written, where that is something else."""
        return {"written": asdict(self.written)} if self.written else {}


def read_prompts(
    prompts: Sequence[str], source: Source, choice: LanguageChoice = AS_THEY_COME, kept: Sequence[str] = ()
) -> list[ReadPrompt]:
    """Each prompt in English; one line on stderr for each that was not. Loads no weights but the translator's.

    kept: the concept's token and brand words, never translated; the adapter's token is known. Raises InvalidInput for
    words that are not understood, InvalidConfig for an unknown language, and as `load_translator` does.
    """
    own = _token(source)
    kept = (*kept, own) if own else tuple(kept)
    native = family_of(source.base).languages
    if choice.code is not None and choice.code != ENGLISH and choice.translator is None:
        load_language(choice.code)  # an unknown one is refused even where it is not needed
    translate = load_translator(choice.translator) if choice.translator else None
    return [_read(prompt, choice, kept, native, translate) for prompt in prompts]


def as_read(prompts: Sequence[str | ReadPrompt], source: Source, kept: Sequence[str] = ()) -> list[ReadPrompt]:
    """Prompts that are texts are read as they come; those that were read already stay."""
    return [
        prompt if isinstance(prompt, ReadPrompt) else read_prompts([prompt], source, kept=kept)[0] for prompt in prompts
    ]


def with_english_negative(settings: DrawSettings, source: Source, choice: LanguageChoice) -> DrawSettings:
    """The settings with their negative prompt in English."""
    if not settings.negative_prompt:
        return settings
    read = read_prompts([settings.negative_prompt], source, choice)[0]
    return settings.model_copy(update={"negative_prompt": read.english})


def _token(source: Source) -> str:
    return read_adapter_info(source.checkpoint).token if source.checkpoint else ""


def _read(
    prompt: str, choice: LanguageChoice, kept: Sequence[str], native: frozenset[str], translate: Translate | None
) -> ReadPrompt:
    code = choice.code or _found(prompt, kept, may_translate=translate is not None)
    if code == ENGLISH or code in native:
        return ReadPrompt(prompt)
    if translate:
        english, name = change_texts(prompt, lambda text: translate_text(text, translate, kept)), code
    else:
        english, name = _by_glossary(prompt, code, kept), load_language(code).name
    note_once(f"prompt '{prompt}' ({name}) is drawn as: {english}")
    return ReadPrompt(english, Written(prompt, code))


def _found(prompt: str, kept: Sequence[str], *, may_translate: bool) -> str:
    """The language of a prompt by its words. A script that nothing reads is said."""
    texts: list[str] = []
    change_texts(prompt, _collector(texts))
    code = detect_language(texts, kept)
    if code == ENGLISH and _is_foreign("".join(texts)):
        if may_translate:
            raise InvalidInput(f"the language of '{prompt}' is not known", hint="say which: --language CODE")
        known = ", ".join([ENGLISH, *language_codes()])
        warn_once(f"prompt '{prompt}' is in no language that is read ({known}); it is drawn as written")
    return code


def _collector(texts: list[str]) -> Callable[[str], str]:
    def collect(text: str) -> str:
        texts.append(text)
        return text

    return collect


def _is_foreign(text: str) -> bool:
    """Whether half of the letters are of another script than Latin."""
    letters = [c for c in text if c.isalpha()]
    return sum("LATIN" not in unicodedata.name(c, "") for c in letters) * 2 > len(letters)


def _by_glossary(prompt: str, code: str, kept: Sequence[str]) -> str:
    unknown: list[str] = []

    def read(text: str) -> str:
        reading = read_text_in(text, code, kept)
        unknown.extend(reading.unknown)
        return reading.english

    english = change_texts(prompt, read)
    if unknown:
        words = ", ".join(f"'{word}'" for word in dict.fromkeys(unknown))
        raise InvalidInput(
            f"not understood in '{prompt}' ({load_language(code).name}): {words}",
            hint="say it in other words or in English, put a name in double quotes, or give --translator FOLDER; "
            "--language en draws the prompt as written",
        )
    return english
