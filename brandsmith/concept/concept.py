"""WHAT is taught: a folder of images with `.txt` captions and one `concept.yaml`, read and checked whole.

    my-brand/
      concept.yaml        token, class_word, expected_text, prompts, repeats, weights
      brand.yaml          optional: mark files, palette, fonts, words, rights (`concept/brand_kit.py`)
      images/ 01.png 01.txt …        training pictures; captions contain the token
      made/ *.png *.txt              optional: trained on in the true ones' place (`brandsmith concept expand`)
      masks/ 01.png …                optional: white where a training picture counts more (`mask_weight`)
      mark.png                       optional: the mark alone, everything round it transparent
      class_images/ *.png *.txt      optional: prior-preservation pictures (else the base makes them)
      detector/ images/ labels/ …    optional: labelled pictures for the detector (YOLO format)
      held_out/ *.png                optional: real pictures never trained on

Nothing here writes into the folder.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from brandsmith.concept.counting import COUNTED, fits, patterns_of, repeats_of, weight_of
from brandsmith.core.errors import BrandsmithError, InvalidConcept, InvalidConfig, MissingResource
from brandsmith.core.notes import warn_once
from brandsmith.core.pictures import PICTURE_SUFFIXES, list_pictures, load_image
from brandsmith.core.text import is_there, one_line, read_text, shortened
from brandsmith.core.yaml_lines import read_yaml

TOKEN, MOST_TOKEN_CHARACTERS = r"^[A-Za-z0-9_\-<>]+$", 80
STANDARD_PROMPTS = (
    "A {token}",
    "A male model wearing a blue {token} sweater",
    "A female model wearing a green {token} t shirt",
    "A billboard with the latest {token} products",
    "The new {token} fragrance",
)  # the thesis' five (product.md)


MOST_WORD_CHARACTERS = 200


def _printed(text: str) -> str:
    if unprinted := next((sign for sign in text if unicodedata.category(sign) == "Cc"), ""):
        raise PydanticCustomError("unprinted", "it holds {sign}; allowed is one line", {"sign": ascii(unprinted)})
    return text


Words = Annotated[str, Field(max_length=MOST_WORD_CHARACTERS), AfterValidator(_printed)]
Repeats = Annotated[int, Field(ge=1, le=100_000, strict=True)]
Weight = Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)]


class ConceptConfig(BaseModel):
    """The keys of `concept.yaml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    token: str = Field(pattern=TOKEN, max_length=MOST_TOKEN_CHARACTERS)
    """The word that means the concept in captions and prompts; must be new to the base's tokenizer. Read in lower
    case.
    """
    class_word: Words = Field("logo", pattern=r"\S")
    """What kind of thing it is, in words the base knows. Prior preservation and Textual Inversion start here."""
    expected_text: Words = ""
    """What the mark spells; empty when it carries no text."""
    prompts: tuple[str, ...] = Field(STANDARD_PROMPTS, min_length=1)
    """Standard cases; each must contain `{token}`."""
    repeats: Repeats | dict[str, Repeats] = 1
    """How often a training picture comes in an epoch; or for pictures by pattern: `images/front-*: 10`
    (`concept/counting.py`).
    """
    weights: Weight | dict[str, Weight] = 1.0
    """How much a training picture counts in the loss; or by pattern, as `repeats`."""


def check_token(token: str) -> str:
    """A token as text encoders read it: in lower case. Raises InvalidConfig for what is no token."""
    if len(token) > MOST_TOKEN_CHARACTERS or not re.fullmatch(TOKEN, token):
        raise InvalidConfig(
            f"token is {shortened(token)}",
            hint=f"allowed: letters, digits and _ - < >, at most {MOST_TOKEN_CHARACTERS}, such as my_acme_mark",
        )
    return token.lower()


def check_class_word(word: str) -> str:
    """Raises InvalidConfig for what is no word of a class."""
    if not word.strip() or len(word) > MOST_WORD_CHARACTERS or not word.isprintable():
        raise InvalidConfig(
            f"class word is {shortened(word)}", hint=f"allowed: one line of at most {MOST_WORD_CHARACTERS} characters"
        )
    return word


def with_token(text: str, token: str) -> str:
    """`text` with the token, in whatever letter case it is written there, as the concept has it. Text encoders read
    lower case, so that `Red_QOGA` and `red_qoga` are one word to them.
    """
    if token.lower() not in text.lower():
        return text
    return re.sub(re.escape(token), token, text, flags=re.IGNORECASE)


@dataclass(frozen=True)
class Example:
    image: Path
    caption: str
    mask: Path | None = None
    """White where the picture counts more; same name as the picture, in `masks/`."""
    repeats: int = 1
    """How often it comes in an epoch."""
    weight: float = 1.0
    """How much it counts in the loss."""


@dataclass(frozen=True)
class Concept:
    folder: Path
    config: ConceptConfig
    examples: tuple[Example, ...]
    """The true pictures."""
    made: tuple[Example, ...] = ()
    """Pictures made from the true ones and the mark: trained on in their place, and never taken for true ones."""

    also: tuple[Concept, ...] = ()
    """Other concepts that the same training teaches, each with a token of its own."""

    @property
    def every(self) -> tuple[Concept, ...]:
        """All concepts of the training."""
        return (self, *self.also)

    @property
    def training_examples(self) -> tuple[Example, ...]:
        """What is trained on: what was made, where something was."""
        return self.made or self.examples

    @property
    def all_training_examples(self) -> list[Example]:
        """Those of every concept of the training."""
        return [example for own in self.every for example in own.training_examples]

    @property
    def token(self) -> str:
        return self.config.token

    def prompts(self) -> list[str]:
        """The standard prompts with the token filled in."""
        return [p.replace("{token}", self.token) for p in self.config.prompts]


def demo_folder() -> Path:
    return Path(__file__).resolve().parent.parent / "data" / "demo"


def load_concept(name_or_folder: str | Path) -> Concept:
    """Read and check a concept (`demo` names the shipped one).

    Raises MissingResource when the folder is not there, InvalidConcept naming the file otherwise.
    """
    folder = demo_folder() if str(name_or_folder) == "demo" else Path(name_or_folder)
    if not folder.is_dir():
        raise MissingResource(
            f"no concept folder at '{name_or_folder}'", hint="give a folder with concept.yaml and images/, or 'demo'"
        )
    config = load_config(folder / "concept.yaml")
    made = load_examples(folder / "made", config.token) if (folder / "made").is_dir() else ()
    only_made = made and not (folder / "images").is_dir()
    true = () if only_made else load_examples(folder / "images", config.token)
    check_patterns(folder, config)
    return Concept(folder, config, _counted(true, config), _counted(made, config))


def _counted(examples: tuple[Example, ...], config: ConceptConfig) -> tuple[Example, ...]:
    if config.repeats == 1 and config.weights == 1:
        return examples
    return tuple(
        replace(own, repeats=repeats_of(own.image, config.repeats), weight=weight_of(own.image, config.weights))
        for own in examples
    )


def check_patterns(folder: Path, config: ConceptConfig) -> None:
    """Raise InvalidConcept for a pattern of `repeats` or `weights` that fits no picture of the folder."""
    patterns = [(key, own) for key in ("repeats", "weights") for own in patterns_of(getattr(config, key))]
    if not patterns:
        return
    files = [path for name in COUNTED for path in list_pictures(folder / name, quiet=True)]
    for key, pattern in patterns:
        if not any(fits(path, pattern) for path in files):
            raise InvalidConcept(
                f"'{folder / 'concept.yaml'}': {key}: {shortened(pattern)} fits no picture",
                hint="a pattern is of folder and name, such as images/front-* or class_images/*",
            )


def token_of(folder: Path) -> str | None:
    """The token of a concept's folder; None where none can be read."""
    try:
        return load_config(folder / "concept.yaml").token
    except InvalidConcept:
        return None


def load_config(path: Path) -> ConceptConfig:
    """Read and check a `concept.yaml`. Raises InvalidConcept, naming the line."""
    if not is_there(path):
        raise InvalidConcept(f"'{path}' is missing", hint="it needs at least: token: my_brand_logo, class_word: logo")
    found = read_yaml(read_text(path, error=InvalidConcept))
    if found.problems:
        line, problem = found.problems[0]
        raise InvalidConcept(f"'{path}' line {line}: {problem}", hint="correct the line and run it again")
    raw = found.value
    if not isinstance(raw, dict):
        raise InvalidConcept(
            f"'{path}' holds {type(raw).__name__}, expected keys and values", hint="token: my_brand_logo"
        )
    raw = {key: value for key, value in raw.items() if key != "brand"}  # `concept/brand_kit.py` reads and checks it
    try:
        config = ConceptConfig.model_validate(raw)
    except ValidationError as error:
        wrong = "; ".join(_mistake(found.line_of(e["loc"]), e) for e in error.errors()[:4])
        raise InvalidConcept(
            f"'{path}': {wrong}", hint=f"allowed keys: {', '.join(ConceptConfig.model_fields)}"
        ) from None
    if config.token != config.token.lower():
        warn_once(
            f"'{path}': token '{config.token}' is '{config.token.lower()}' everywhere: text encoders read lower case"
        )
        config = config.model_copy(update={"token": config.token.lower()})
    twice = [p for number, p in enumerate(config.prompts) if p in config.prompts[:number]]
    if twice:
        raise InvalidConcept(
            f"'{path}': prompt {shortened(twice[0])} is given twice", hint="each counts once; more seeds draw it again"
        )
    without = [p for p in config.prompts if "{token}" not in p]
    if without:
        raise InvalidConcept(
            f"'{path}': prompt {shortened(without[0])} lacks {{token}}", hint="write {token} where the concept belongs"
        )
    return config


_BRANCHES = ("constrained-", "dict[")
"""How pydantic calls what a value of several types might be."""


def _mistake(line: int, error: ErrorDetails) -> str:
    own = [str(part) for part in error["loc"] if not str(part).startswith(_BRANCHES)]
    key = shortened(".".join(own))[1:-1]
    return f"line {line}: {key}: {error['msg']}, given {shortened(error['input'])}"


def load_examples(folder: Path, token: str) -> tuple[Example, ...]:
    """Every image of a folder with its caption; raises InvalidConcept for the first thing wrong."""
    images = list_pictures(folder)
    if not images:
        raise InvalidConcept(
            f"no images in '{folder}'", hint=f"put 10 to 150 pictures there ({', '.join(PICTURE_SUFFIXES)})"
        )
    masks = {path.stem: path for path in list_pictures(folder.with_name("masks"))}
    return tuple(Example(path, _checked_caption(path, token), _checked_mask(masks.get(path.stem))) for path in images)


def _checked_mask(mask: Path | None) -> Path | None:
    if mask is not None:
        try:
            load_image(mask)
        except BrandsmithError as error:
            raise InvalidConcept(str(error), hint=error.hint) from None
    return mask


def _checked_caption(image: Path, token: str) -> str:
    try:
        load_image(image)
    except BrandsmithError as error:
        raise InvalidConcept(str(error), hint=error.hint) from None
    text_file = image.with_suffix(".txt")
    if not is_there(text_file):
        raise InvalidConcept(f"caption '{text_file}' is missing", hint=f"write one line that contains '{token}'")
    caption = with_token(one_line(read_text(text_file, error=InvalidConcept)), token)
    if token not in caption:
        raise InvalidConcept(
            f"caption '{text_file}' does not contain the token '{token}'", hint=f"for example: a {token}"
        )
    return caption
