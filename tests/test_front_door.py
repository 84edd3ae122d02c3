"""`import brandsmith`: few names, sorted, documented, and nothing heavy before one is used."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import brandsmith

PACKAGE = Path(brandsmith.__file__).parent


def test_the_names_are_about_a_dozen_and_sorted():
    assert sorted(brandsmith.__all__) == brandsmith.__all__ == dir(brandsmith)
    assert 10 <= len(brandsmith.__all__) <= 18
    assert set(brandsmith._HOMES) == set(brandsmith.__all__) - {"__version__"}


@pytest.mark.parametrize("name", sorted(brandsmith._HOMES))
def test_each_name_is_there_documented_and_called_as_it_is(name):
    found = getattr(brandsmith, name)
    assert found is getattr(import_module(brandsmith._HOMES[name]), name)
    assert found.__name__ == name
    assert len(found.__doc__) > 40


def test_the_version_is_the_packages():
    text = (PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8")
    assert f'version = "{brandsmith.__version__}"' in text or brandsmith.__version__ == "source"


def test_a_wrong_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'brandsmith' has no attribute 'lode_base'"):
        _ = brandsmith.lode_base


def test_importing_loads_nothing_and_settings_need_no_torch():
    code = (
        "import sys, brandsmith; early = {'torch', 'numpy', 'pydantic', 'typer'} & set(sys.modules)\n"
        "from brandsmith import BrandsmithError, DrawSettings, load_concept\n"
        "print(early or 'nothing', DrawSettings().num_steps, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=PACKAGE.parent, capture_output=True, text=True)
    assert done.stdout.split() == ["nothing", "25", "False"], done.stderr


def test_type_checkers_see_the_same_names():
    """The imports under TYPE_CHECKING and the table of homes say the same; `py.typed` makes checkers read them."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    assert {alias.name: node.module for node in imports for alias in node.names} == brandsmith._HOMES
    assert (PACKAGE / "py.typed").is_file()
