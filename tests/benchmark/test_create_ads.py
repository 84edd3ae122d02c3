"""The bars of ads are counted as they say: a refused format is not usable, one odd reading breaks `ad_text_read`."""

from __future__ import annotations

from itertools import product

from brandsmith.benchmark.create_ads import (
    BRIEFS,
    FORMATS,
    GERMAN,
    bars_of,
    briefs,
    format_row,
    held_out_bars,
    is_usable,
)
from brandsmith.benchmark.held_out_briefs import COLOURS, LANGUAGES, NOUNS, held_out_briefs, said_in
from brandsmith.language.reading import read_text_in
from brandsmith.prepare.shots import article

GOOD = {
    "format": "1:1",
    "usable_picture": True,
    "exact_mark": True,
    "headline_read": True,
    "mark_read": True,
    "least_contrast": 4.7,
    "overlap_px": 0.0,
}


def rows(number=20, **changes):
    whole = {"product": "a", "seconds": 90.0, "refused": {}, "formats": [dict(GOOD) for _ in FORMATS]}
    found = [{**whole, "formats": [dict(one) for one in whole["formats"]]} for _ in range(number)]
    found[0]["formats"][0].update(changes)
    return found


def test_all_twenty_briefs_are_valid_and_in_two_languages():
    own = briefs()
    assert len(own) == len(BRIEFS) == 20 and len({brief.headline for brief in own}) == 20
    assert sum(brief.legal.startswith("Nur") for brief in own) == len(GERMAN) == 6
    assert all("{token}" in brief.product for brief in own)


def test_bars_of_rows():
    bars = {bar.name: bar for bar in bars_of(rows())}
    assert all(bar.passed for bar in bars.values())
    assert bars["ads_usable"].n == 100 and bars["ad_formats"].value == 5
    bars = {bar.name: bar for bar in bars_of(rows(headline_read=False))}
    assert bars["ad_text_read"].passed is False and bars["ads_usable"].value == 0.99
    refused = rows()
    for row in refused[:2]:
        del row["formats"][1:]
    bars = {bar.name: bar for bar in bars_of(refused)}
    assert bars["ads_usable"].value == 0.92 and bars["ads_usable"].passed is False
    assert bars["ad_text_read"].n == 92


def test_a_format_counts_only_when_everything_is_right():
    assert is_usable(GOOD)
    for key, wrong in (
        ("usable_picture", None),
        ("headline_read", None),
        ("mark_read", False),
        ("least_contrast", 4.4),
        ("overlap_px", 1.0),
    ):
        assert not is_usable(GOOD | {key: wrong}), key


def test_overlap_is_measured_on_every_box_but_the_product_s():
    part = {
        "format": "1:1",
        "picture": {"usable": True, "exact_mark": False},
        "read": {"headline": {"exact": True}, "mark": {"exact": True}},
        "layout": {
            "contrast": {"headline": 5.0, "legal": 4.6},
            "boxes": {"product": [0, 0, 10, 10], "headline": [5, 5, 20, 20], "mark_clear": [8, 0, 12, 2]},
        },
    }
    assert format_row(part)["overlap_px"] == 25 + 4
    assert format_row(part)["least_contrast"] == 4.6


def test_held_out_briefs_are_drawn_once_and_show_no_product_that_was_looked_at():
    seen = [shown for shown, _, _ in BRIEFS]
    own = held_out_briefs(seen)
    assert own == held_out_briefs(seen) and own != held_out_briefs(seen, seed=1)
    assert len(own) == 20 and not {brief.product for brief in own} & set(seen)
    texts = [brief.headline for brief in own]
    assert len(set(texts)) == 20 and not set(texts) & {headline for _, headline, _ in BRIEFS}
    assert {brief.language for brief in own} == {None, "de", "nl", "fr", "es"}


def test_held_out_briefs_are_valid_and_every_word_of_every_language_is_read():
    for brief in held_out_briefs([]):
        assert brief.prompt("qoga_logo").count("qoga_logo") == 1
    for language, noun, colour in product(LANGUAGES[1:], NOUNS, COLOURS):
        reading = read_text_in(said_in(language, colour, noun).format(token="qoga_logo"), language, ["qoga_logo"])
        assert not reading.unknown
        assert reading.english == article(f"{colour} {noun} with qoga_logo") or noun in ("shorts", "pants")


def test_bars_of_held_out_briefs_have_names_of_their_own_and_count_whole_briefs():
    refused = rows()
    refused[3] = {"product": "a brown scarf", "seconds": 9.0, "refused": {"1:1": "none"}, "formats": []}
    bars = {bar.name: bar for bar in held_out_bars(refused)}
    assert bars["ads_usable_held_out"].value == 0.95 and bars["ads_usable_held_out"].n == 100
    assert bars["ad_briefs_usable_held_out"].value == 0.95 and "scarf" in bars["ad_briefs_usable_held_out"].note
    assert all(name.endswith("_held_out") for name in bars)
