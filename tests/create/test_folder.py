"""The output folder of a brief: resumable, refused for another brief, the same bytes whatever was finished first."""

from __future__ import annotations

import pytest

from brandsmith.core.errors import InvalidConfig, InvalidInput
from brandsmith.core.files import write_json
from brandsmith.create import folder as module
from brandsmith.create.folder import MANIFEST, NEWEST, open_created
from brandsmith.draw.recipe import Origin

BRIEF = {"headline": "New", "sizes": (1, 2)}


def finish(created, name):
    (created.folder / f"{name}.txt").parent.mkdir(parents=True, exist_ok=True)
    (created.folder / f"{name}.txt").write_text(name)
    created.finish(name, [created.folder / f"{name}.txt"], {"score": 1.0})


def opened(folder, brief=BRIEF, command="ad"):
    return open_created(folder, command, brief, ["a", "b", "c"])


def test_order_and_interruption_change_no_byte(tmp_path):
    whole = opened(tmp_path / "whole")
    for name in "abc":
        finish(whole, name)
    broken = opened(tmp_path / "broken")
    finish(broken, "c")
    for name in opened(tmp_path / "broken").missing():
        finish(opened(tmp_path / "broken"), name)
    assert (tmp_path / "whole" / MANIFEST).read_bytes() == (tmp_path / "broken" / MANIFEST).read_bytes()


def test_a_part_whose_file_was_changed_is_missing_again(tmp_path):
    created = opened(tmp_path / "out")
    finish(created, "a")
    assert opened(tmp_path / "out").missing() == ["b", "c"]
    assert opened(tmp_path / "out").finished("a").record == {"score": 1.0}
    (tmp_path / "out" / "a.txt").write_text("x")
    assert opened(tmp_path / "out").missing() == ["a", "b", "c"]


def test_another_brief_command_or_somebody_s_folder_is_refused(tmp_path):
    finish(opened(tmp_path / "out"), "a")
    with pytest.raises(InvalidConfig, match="headline differ"):
        opened(tmp_path / "out", BRIEF | {"headline": "Old"})
    with pytest.raises(InvalidInput, match="create catalogue"):
        opened(tmp_path / "out", command="catalogue")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "me.jpg").write_bytes(b"")
    with pytest.raises(InvalidInput, match="holds other files"):
        opened(tmp_path / "photos")


def test_another_model_is_refused_once_something_is_made(tmp_path):
    created = opened(tmp_path / "out")
    created.drawn_by(Origin("pocket", "1"))
    finish(created, "a")
    opened(tmp_path / "out").drawn_by(Origin("pocket", "1"))
    with pytest.raises(InvalidConfig, match="another model"):
        opened(tmp_path / "out").drawn_by(Origin("pocket", "2"))


def test_what_an_interruption_leaves_is_known_as_ours(tmp_path):
    opened(tmp_path / "out").drawn_by(Origin("pocket", "1"))
    (tmp_path / "out" / "a.txt").write_text("cut off before it was noted")
    assert opened(tmp_path / "out").missing() == ["a", "b", "c"]
    assert opened(tmp_path / "out", BRIEF | {"headline": "Old"}).missing() == ["a", "b", "c"], "nothing is finished yet"


@pytest.mark.slow
def test_many_parts_are_noted_by_the_line_and_end_in_the_same_manifest(tmp_path, monkeypatch):
    plan = [f"part-{number:03d}" for number in range(300)]
    written = []
    monkeypatch.setattr(module, "write_json", lambda file, value: (written.append(file), write_json(file, value)))
    for folder, order in ((tmp_path / "whole", plan), (tmp_path / "broken", plan[::-1])):
        for number, name in enumerate(order):
            if number % 100 == 0 or number == 7:  # killed, and the last line torn
                created = open_created(folder, "ad", BRIEF, plan)
                assert len(created.missing()) == 300 - number
            finish(created, name)
            if number in (99, 199):
                with (folder / NEWEST).open("ab") as newest:
                    newest.write(b'{"name": "part-2')
        assert not (folder / NEWEST).exists() and open_created(folder, "ad", BRIEF, plan).missing() == []
    assert (tmp_path / "whole" / MANIFEST).read_bytes() == (tmp_path / "broken" / MANIFEST).read_bytes()
    assert len(written) < 2 * (64 + 20), "the whole manifest is written again and again"


@pytest.mark.parametrize(
    "wrong",
    ["[]", "{}", '{"command": 3}', '{"command": "ad", "parts": [{}]}', '{"command": "ad", "drawn_by": "x"}', "{"],
)
def test_a_manifest_of_another_shape_is_one_sentence(tmp_path, wrong):
    (tmp_path / MANIFEST).write_text(wrong)
    with pytest.raises(InvalidInput, match="manifest"):
        opened(tmp_path)
