"""Sphinx configuration of the site: `make docs` builds it into out/docs, with warnings as errors."""

from __future__ import annotations

from importlib.metadata import version as installed_version

project = "Brandsmith"
author = "the Brandsmith authors"
project_copyright = "2026, the Brandsmith authors"
release = version = installed_version("brandsmith")

extensions = ["myst_parser", "sphinx.ext.autodoc"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
default_role = "code"

myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True

html_theme = "furo"
html_title = "Brandsmith"
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True}
highlight_language = "text"
pygments_style = "friendly"

PAGES = {
    "../README.md": "index.md",
    "../CHANGELOG.md": "changelog.md",
    "../CONTRIBUTING.md": "contributing.md",
    "../brandsmith/data/pocket/README.md": "pocket.md",
}
"""Files outside this folder that have a page here: links to them work in the repository and on the site."""


def link_pages(app: object, name: str, source: list[str]) -> None:
    """Point links that leave this folder at their pages. `source` is Sphinx's: one string, to be changed in place."""
    for file, page in PAGES.items():
        source[0] = source[0].replace(f"]({file})", f"]({page})")


def setup(app: object) -> None:
    app.connect("source-read", link_pages)  # type: ignore[attr-defined]
