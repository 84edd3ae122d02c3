"""What the studio's benchmark sees, and one short run of each group that needs no training."""

from __future__ import annotations

import pytest

from brandsmith.benchmark.studio import GROUPS, Size, benchmark_studio
from brandsmith.benchmark.studio_forms import forms_of
from brandsmith.benchmark.studio_live import percentile_95
from brandsmith.core.errors import InvalidConfig

PAGE = """
<form method="post" action="/a?x=1"><input name=n value=7 type=number><input name=t><textarea name=u></textarea>
<select name=s><option value=1><option value=2 selected></select><input type=checkbox name=c>
<input type=file name=f></form>
<form method="get" action="/b"><input name=q></form><button hx-post="/c">x</button><form method="post"></form>
"""


def test_forms_are_read_as_a_browser_does():
    first, button, here = forms_of(PAGE, "/page")
    assert (first.action, button.action, here.action) == ("/a", "/c", "/page")
    assert first.fields == {"n": "7", "t": "", "u": "", "s": "2"} and first.texts == ["t", "u"] and first.files == ["f"]


def test_groups_are_named(tmp_path):
    with pytest.raises(InvalidConfig, match="hostle"):
        benchmark_studio(tmp_path, ["hostle"])
    assert {"first", "answers", "hostile", "kills", "crowd"} <= set(GROUPS)
    assert percentile_95([float(n) for n in range(101)]) == 95


@pytest.mark.slow
def test_a_short_run_of_hostile_requests_and_of_a_crowd(tmp_path):
    hostile = benchmark_studio(tmp_path / "out", ["hostile"])
    assert [bar.value for bar in hostile] == [0, 0, 0], hostile
    assert hostile[0].n >= 200
    crowd = benchmark_studio(tmp_path / "out", ["crowd"], Size(users=3, minutes=0.1))
    assert [bar.value for bar in crowd[:2]] == [0, 0], crowd
    assert benchmark_studio(tmp_path / "out", ["hostile"]) == hostile, "kept, not measured again"
