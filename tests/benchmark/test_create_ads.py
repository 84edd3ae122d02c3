"""The bars of ads are counted as they say: a refused format is not usable, one odd reading breaks `ad_text_read`."""

from __future__ import annotations

from brandsmith.benchmark.create_ads import BRIEFS, FORMATS, GERMAN, bars_of, briefs, format_row, is_usable

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
