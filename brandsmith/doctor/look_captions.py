"""Captions: missing, empty, in another encoding, without the token or with it where it is not read, giving the concept
away, or all alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from brandsmith.base.prompt_tokens import count_pieces, most_pieces
from brandsmith.concept.leaks import given_away
from brandsmith.core.text import one_line
from brandsmith.doctor.finding import Finding
from brandsmith.doctor.patient import Patient, SeenPicture, SeenText


def look_at_captions(patient: Patient, tokenizers: Sequence[Any]) -> Iterator[Finding]:
    """Of every training picture."""
    for picture in patient.pictures:
        seen = patient.captions[picture.path]
        yield from _file(patient, picture, seen)
        if seen.text and one_line(seen.text) and patient.token:
            yield from _words(patient, picture, tokenizers)


def _file(patient: Patient, picture: SeenPicture, seen: SeenText) -> Iterator[Finding]:
    file = patient.name(seen.path)
    example = f"write one line, for example: a {patient.token or 'my_token'}"
    if seen.problem:
        yield Finding("caption unreadable", "fault", file, seen.problem, seen.hint)
    elif seen.text is None:
        yield Finding("caption missing", "fault", file, f"'{picture.path.name}' has no caption", example)
    elif not one_line(seen.text):
        yield Finding("caption empty", "fault", file, "the caption is empty", example)
    elif seen.encoding != "utf-8":
        yield Finding(
            "caption encoding", "advice", file, f"not UTF-8, read as {seen.encoding}", "save it as UTF-8 text"
        )


def _words(patient: Patient, picture: SeenPicture, tokenizers: Sequence[Any]) -> Iterator[Finding]:
    file, caption, token = patient.name(picture.text_file), patient.caption(picture), patient.token
    if token not in caption:
        yield Finding(
            "token missing", "fault", file, f"the token '{token}' is not in it", f"add it: a {token}, {caption}"
        )
        return
    yield from _length(file, caption, token, tokenizers)
    told = given_away(caption, token, patient.config.expected_text if patient.config else "")
    if told:
        yield Finding(
            "gives it away",
            "advice",
            file,
            f"it says '{told}' beside the token: what a caption says is not learnt as part of the token",
            "describe everything but the mark",
        )


def _length(file: str, caption: str, token: str, tokenizers: Sequence[Any]) -> Iterator[Finding]:
    before, _, after = caption.partition(token)
    for tokenizer in tokenizers:
        limit = most_pieces(tokenizer)
        length = count_pieces(tokenizer, before) + count_pieces(tokenizer, token)
        if length > limit:
            what = f"the token ends at piece {length}, and the base reads {limit}"
            yield Finding("token cut off", "fault", file, what, "move the token to the front")
            return
        if length + count_pieces(tokenizer, after) > limit:
            yield Finding(
                "caption too long", "advice", file, f"longer than the {limit} pieces that are read", "shorten its end"
            )
            return
