"""Bases that people of a studio may use: `pocket`, and those an admin named. A page never gives a path or a hub id,
so nothing is fetched and nothing outside is read at a visitor's word.

    .studio/bases.json   {"sdxl": "/models/stable-diffusion-xl"}
"""

from __future__ import annotations

from pydantic import TypeAdapter

from brandsmith.core.errors import unknown_name
from brandsmith.core.files import write_json
from brandsmith.core.json_files import read_record
from brandsmith.studio.workspace import Workspace, checked_id

POCKET = "pocket"
_BASES: TypeAdapter[dict[str, str]] = TypeAdapter(dict[str, str])


def known_bases(workspace: Workspace) -> dict[str, str]:
    """{name: what --base gets}, pocket first."""
    file = workspace.own / "bases.json"
    return {POCKET: POCKET} | (read_record(file, _BASES) if file.exists() else {})


def name_base(workspace: Workspace, name: str, place: str) -> None:
    """For an admin's page: `place` is a folder or file that `--base` takes. Raises InvalidInput for what is no name."""
    named = known_bases(workspace) | {checked_id(name): place}
    write_json(workspace.own / "bases.json", {own: where for own, where in named.items() if own != POCKET})


def base_named(workspace: Workspace, name: str) -> str:
    """What `--base` gets. Raises InvalidConfig for a name that is not known."""
    bases = known_bases(workspace)
    if name not in bases:
        raise unknown_name("base", name, bases)
    return bases[name]
