"""The table of products that a catalogue is made from: a CSV file, checked whole, every fault with its line.

    id,name,garments,colours,views,section,text,price,prompt
    Q-01,Harbour sweater,sweater,blue; green,front; man,Knitwear,"Merino, two sizes",€ 89,

A row's pictures are its garments × colours × views. The encoding is that of the byte-order mark, else UTF-8; the
delimiter (comma, semicolon, tab or bar) is the one under which the header names known columns. A cell is text and
nothing else: what a spreadsheet would take for a formula is never computed. Not here: how anything is drawn.
"""

from __future__ import annotations

import csv
import difflib
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product as combinations
from pathlib import Path
from typing import NamedTuple

from brandsmith.core.errors import InvalidInput
from brandsmith.core.notes import warn_once
from brandsmith.core.text import one_line, read_text
from brandsmith.core.yaml_record import mistakes
from brandsmith.create.view_prompts import VIEWS, is_view, prompt_of, view_label
from brandsmith.draw.recipe import Written

COLUMNS: dict[str, str] = {
    "id": "the product's own number: letters, digits, dot, dash, underscore; once in the file",
    "name": "as the catalogue prints it",
    "garments": "what is drawn, separated by ; or |: sweater; t shirt",
    "colours": "colour words, separated by ; or |; empty: no colour is asked for",
    "views": "named views, or sentences with {thing}; empty: front",
    "section": "the catalogue's chapter; empty: none",
    "text": "a sentence below the picture",
    "price": "printed as it is",
    "prompt": "in place of views: a whole prompt, with {token}, {colour} and {garment} where they belong",
}
NEEDED = ("id", "name", "garments")
DELIMITERS = (",", ";", "\t", "|")
LARGEST_BYTES = 1 << 25
MOST_PICTURES = 20_000
LONGEST = {"id": 60, "name": 120, "section": 60, "text": 400, "price": 40, "prompt": 600}
LONGEST_WORD = 200
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_FORMULA = re.compile(r"[=+@\t]|-(?![\d\s]|$)")
"""What spreadsheets compute when a cell starts with it; a negative number is a number."""
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True)
class Product:
    """One row. `line`: where it starts in the file; `prompt` empty where views make it."""

    line: int
    id: str
    name: str
    garments: tuple[str, ...]
    colours: tuple[str, ...]
    views: tuple[str, ...]
    section: str = ""
    text: str = ""
    price: str = ""
    prompt: str = ""


@dataclass(frozen=True)
class Item:
    """One picture that the catalogue wants; `name` is its file's, without ending. Empty `colour`: none asked for."""

    product: Product
    garment: str
    colour: str
    view: str
    name: str
    prompt: str
    written: Written | None = None
    """The prompt in the words of the table, where those were read as something else."""

    @property
    def variant(self) -> str:
        """For a caption: what tells this picture from the product's others, and its colour."""
        several = len(self.product.garments) > 1
        view = view_label(self.view)
        return ", ".join(word for word in (self.colour, self.garment if several else "", view) if word)


@dataclass(frozen=True)
class EnglishWords:
    """What every cell that is drawn says in English, by what is written there; empty where all is English."""

    code: str
    words: Mapping[str, str]

    def of(self, text: str) -> str:
        return self.words.get(text, text)

    def written(self, prompt: str) -> Written | None:
        """A prompt in the words of the table, where those were read as something else."""
        return Written(prompt, self.code) if self.words else None


AS_WRITTEN = EnglishWords("en", {})
Fault = tuple[int, str]


def read_products(file: Path) -> list[Product]:
    """Every row of the table. Raises InvalidInput with a line for each fault."""
    rows, faults = _rows(file)
    if not rows:
        raise _refused(file, faults)
    header = [one_line(cell).casefold() for cell in rows[0][1]]
    if in_header := _header_faults(rows[0][0], header):  # the cells below cannot be named
        raise _refused(file, faults + in_header)
    products = []
    for line, cells in rows[1:]:
        if len(cells) != len(header):
            faults.append(
                (line, f"{len(cells)} cells for {len(header)} columns; put a cell that holds the delimiter in quotes")
            )
            continue
        own = {name: cell.strip() for name, cell in zip(header, cells, strict=True)}
        found = list(_cell_faults(own))
        faults += [(line, message) for message in found]
        if not found:
            products.append(_product(line, own))
    faults += _between_rows(products)
    if not products and not faults:
        faults.append((rows[0][0], "there is no product below the header"))
    if faults:
        raise _refused(file, faults)
    _note_formulas(file, rows[1:])
    return products


def items_of(products: Sequence[Product], token: str, said: EnglishWords = AS_WRITTEN) -> list[Item]:
    """Every picture, in the order of the file. `token` names the concept in prompts; `said`: the cells in English.

    Names of files and captions stay as they are written.
    """
    return [
        Item(
            own,
            garment,
            colour,
            view,
            _file_name(own.id, colour, garment, view),
            _prompt(_Said(*map(said.of, (own.prompt, garment, colour, view))), token),
            said.written(_prompt(_Said(own.prompt, garment, colour, view), token)),
        )
        for own in products
        for garment, colour, view in combinations(own.garments, own.colours or ("",), own.views)
    ]


class _Said(NamedTuple):
    """The cells of one picture in English."""

    prompt: str
    garment: str
    colour: str
    view: str


def _prompt(said: _Said, token: str) -> str:
    if said.prompt:
        return one_line(said.prompt.format(token=token, garment=said.garment, colour=said.colour))
    return prompt_of(said.view, one_line(f"{said.colour} {token} {said.garment}"))


def _file_name(*words: str) -> str:
    return "_".join(re.sub(r"[^\w.-]+", "-", word.lower()).strip("-")[:60] for word in words if word)


# ----------------------------------------------------------------------------- cells


def _rows(file: Path) -> tuple[list[tuple[int, list[str]]], list[Fault]]:
    """(line, cells) of every row that is not empty, the header first; and where reading stops, the row that cannot be
    read. Raises InvalidInput for what is no CSV.
    """
    text = read_text(file, largest_bytes=LARGEST_BYTES)
    if text.startswith("PK\x03\x04") or not text.strip():
        raise InvalidInput(f"'{file}' is no CSV text", hint="export the sheet as CSV (UTF-8)")
    first, _, rest = text.partition("\n")
    told = re.fullmatch(r"sep=(.)", first.strip())  # a spreadsheet's own note
    delimiter = told[1] if told else _delimiter(first)
    before = 1 if told else 0
    reader = csv.reader(io.StringIO(rest if told else text), delimiter=delimiter, strict=True)
    line, rows = before + 1, list[tuple[int, list[str]]]()
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append((line, cells))
            line = before + reader.line_num + 1
    except csv.Error as error:
        return rows, [(line, f"the row that begins here cannot be read ({error}); is a quote left open?")]
    return rows, []


def _delimiter(header: str) -> str:
    """The one that splits the header into most known columns."""

    def known(delimiter: str) -> int:
        try:
            cells = next(csv.reader([header], delimiter=delimiter), [])
        except csv.Error:  # a cell of a hundred thousand characters; reading the rows says so
            return 0
        return sum(one_line(cell).casefold() in COLUMNS for cell in cells)

    return max(DELIMITERS, key=known)


def _header_faults(line: int, header: Sequence[str]) -> list[Fault]:
    faults = []
    for name in dict.fromkeys(header):
        if header.count(name) > 1:
            faults.append((line, f"the column '{name}' is there {header.count(name)} times"))
        if name not in COLUMNS:
            close = difflib.get_close_matches(name, COLUMNS, n=1, cutoff=0.5)
            meant = f"did you mean '{close[0]}'? " if close else ""
            faults.append((line, f"unknown column '{name}'; {meant}allowed: {', '.join(COLUMNS)}"))
    faults += [(line, f"the column '{name}' is missing: {COLUMNS[name]}") for name in NEEDED if name not in header]
    return faults


def _cell_faults(own: Mapping[str, str]) -> Iterator[str]:
    for name in NEEDED:
        if not own[name]:
            yield f"{name} is empty: {COLUMNS[name]}"
    for name, cell in own.items():
        if len(cell) > LONGEST.get(name, 10_000):
            yield f"{name} has {len(cell)} characters; at most {LONGEST[name]}"
        if bad := next((c for c in cell if not c.isprintable() and c not in "\n\t"), ""):
            yield f"{name} holds the control character {bad!r}"
    if own["id"] and not _ID.fullmatch(own["id"]):
        yield f"id is {own['id']!r}: {COLUMNS['id']}"
    for name in ("garments", "colours", "views"):
        yield from _list_faults(name, words_of(own.get(name, "")))
    for word in words_of(own.get("views", "")):
        if not is_view(word):
            close = difflib.get_close_matches(word, VIEWS, n=1)
            meant = f"did you mean '{close[0]}'? " if close else ""
            yield f"unknown view '{word}'; {meant}allowed: {', '.join(VIEWS)}, or a sentence with {{thing}}"
    yield from _prompt_faults(own)


def _list_faults(name: str, words: Sequence[str]) -> Iterator[str]:
    for word in dict.fromkeys(words):
        if words.count(word) > 1:
            yield f"{name} has '{word}' {words.count(word)} times"
        if len(word) > LONGEST_WORD:
            yield f"{name} has a word of {len(word)} characters; at most {LONGEST_WORD}"


def _prompt_faults(own: Mapping[str, str]) -> Iterator[str]:
    given = own.get("prompt", "")
    allowed = ("token", "colour", "garment")
    for name in _PLACEHOLDER.findall(given):
        if name not in allowed:
            yield f"prompt has {{{name}}}; allowed: {', '.join(f'{{{own}}}' for own in allowed)}"
    if "{" in _PLACEHOLDER.sub("", given) or "}" in _PLACEHOLDER.sub("", given):
        yield "prompt has a brace without its other half"
    if given and own.get("views"):
        yield "prompt and views are both given; the prompt is whole: leave views empty"
    for name, words in (("colour", "colours"), ("garment", "garments")):
        if given and f"{{{name}}}" not in given and len(words_of(own.get(words, ""))) > 1:
            yield f"prompt does not say {{{name}}}, and {words} has several: their pictures would be the same"


def words_of(cell: str) -> tuple[str, ...]:
    """The parts of a cell that holds several, in lower case unless they are sentences with {thing}."""
    parts = (one_line(part) for part in re.split(r"[;|\n]", cell))
    return tuple(part if "{" in part else part.lower() for part in parts if part)


def _product(line: int, own: Mapping[str, str]) -> Product:
    given = {name: one_line(own.get(name, "")) for name in ("id", "name", "section", "text", "price", "prompt")}
    views = words_of(own.get("views", "")) or (("",) if given["prompt"] else ("front",))
    return Product(
        line, **given, garments=words_of(own["garments"]), colours=words_of(own.get("colours", "")), views=views
    )


def _between_rows(products: Sequence[Product]) -> list[Fault]:
    faults: list[Fault] = []
    lines: dict[str, int] = {}
    for own in products:
        first = lines.setdefault(own.id.casefold(), own.line)
        if first != own.line:
            faults.append(
                (own.line, f"id '{own.id}' is that of line {first} too (upper and lower case count as the same)")
            )
    items = items_of(products, "token")
    if len(items) > MOST_PICTURES:
        return [*faults, (products[-1].line, f"{len(items)} pictures in all; at most {MOST_PICTURES}: split the file")]
    seen: dict[str, Item] = {}
    for item in items:
        other = seen.setdefault(item.name.casefold(), item)
        same_id = other.product.id.casefold() == item.product.id.casefold()
        if other is not item and (other.product is item.product or not same_id):
            message = f"two pictures would have the file name '{item.name}' (line {other.product.line} has the other)"
            faults.append((item.product.line, message))
    return faults


def _refused(file: Path, faults: Sequence[Fault]) -> InvalidInput:
    return mistakes(str(file), faults, InvalidInput)


def _note_formulas(file: Path, rows: Sequence[tuple[int, list[str]]]) -> None:
    lines = [line for line, cells in rows if any(_FORMULA.match(cell) for cell in cells)]
    if lines:
        shown = ", ".join(map(str, lines[:5])) + (", …" if len(lines) > 5 else "")
        warn_once(f"'{file}': cells that look like formulas (line {shown}) are taken as text")


# ----------------------------------------------------------------------------- written


def csv_text(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table as spreadsheets take it: UTF-8 with a byte-order mark, CRLF, no cell that would be computed."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows([[_safe_cell(cell) for cell in row] for row in rows])
    return "\ufeff" + out.getvalue()


def _safe_cell(cell: object) -> str:
    """Numbers as they are; text that begins like a formula gets an apostrophe in front (OWASP, "CSV Injection")."""
    if cell is None:
        return ""
    text = str(cell)
    return f"'{text}" if isinstance(cell, str) and re.match(r"[=+\-@\t\r]", text) else text
