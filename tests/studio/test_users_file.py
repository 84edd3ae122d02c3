"""The file of users: another file stays as it is, and nothing is asked before that is known."""

from __future__ import annotations

import pytest

from brandsmith.core.errors import InvalidInput
from brandsmith.studio.users import check_users_file, write_account


def test_a_file_that_is_none_of_users_is_refused_before_a_password_is_asked_for(tmp_path, brandsmith):
    own = tmp_path / "mine.txt"
    own.write_text("dear diary\n", encoding="utf-8")
    code, _, complaint = brandsmith("studio-user", own, "ada")
    assert code == 2 and "of the form name:role:hash" in complaint and own.read_text(encoding="utf-8") == "dear diary\n"
    with pytest.raises(InvalidInput, match="is not a folder"):
        check_users_file(own / "below.txt")


def test_a_file_of_users_takes_another_one(tmp_path):
    file = tmp_path / "users.txt"
    for name in ("ada", "bob"):
        check_users_file(file)
        write_account(file, name, "maker", "a long password")
    assert [line.partition(":")[0] for line in file.read_text(encoding="utf-8").splitlines()] == ["ada", "bob"]
