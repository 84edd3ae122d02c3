"""A claim as a C2PA manifest: actions, ingredients and the recipe, as `c2pa.Builder` takes them.

Source: C2PA technical specification 2.2, "Standard assertions": actions.v2 (what was done, in order, from `created` or
`opened` on), ingredient.v3 (what it was done with). Models are ingredients of the data type `c2pa.types.model`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from uuid import UUID

from brandsmith.core.text import read_bytes
from brandsmith.provenance.claim import SOFTWARE, Claim, Edit, Input, Model, Role
from brandsmith.provenance.containers import MIME, format_of

RECIPE = "org.brandsmith.recipe"
"""Label of our own assertion: the recipe, key by key."""
LARGEST_INPUT = 300_000_000


@dataclass(frozen=True)
class Ingredient:
    """What went in: its record, and its bytes where they are a picture of which C2PA can read the manifest."""

    record: dict[str, Any]
    mime: str = ""
    content: bytes = b""


def ingredients(claim: Claim) -> list[Ingredient]:
    """Models first, then input pictures. Raises InvalidInput for a picture that cannot be read."""
    models = [_model(number, model) for number, model in enumerate(claim.models)]
    return models + [_input(number, own) for number, own in enumerate(claim.inputs)]


def _model(number: int, model: Model) -> Ingredient:
    about = {"base fingerprint": model.base_fingerprint, "adapter": model.adapter_hash or "none"}
    about |= {"base licence": model.licence}
    record = {
        "label": f"model-{number}",
        "title": f"base {model.title}" + (f" with adapter {model.adapter_hash}" if model.adapter_hash else ""),
        "format": "application/octet-stream",
        "relationship": Role.INPUT.value,
        "data_types": [{"type": "c2pa.types.model"}],
        "description": "; ".join(f"{name} {value}" for name, value in about.items() if value),
    }
    return Ingredient(record)


def _input(number: int, own: Input) -> Ingredient:
    content = read_bytes(own.file, LARGEST_INPUT)
    digest = sha256(content).hexdigest()
    record = {
        "label": f"input-{number}",
        "title": own.title or "input picture",
        "relationship": own.role.value,
        "description": f"sha256 {digest}",
        "instance_id": f"xmp:iid:{UUID(digest[:32], version=4)}",
    }
    kind = format_of(content)
    if kind is None:
        return Ingredient(record | {"format": "application/octet-stream"})
    return Ingredient(record, MIME[kind], content)


def manifest(claim: Claim, content: bytes, parts: Sequence[Ingredient]) -> dict[str, Any]:
    """The manifest of the file `content`, with those ingredients that are records alone. Its names come from what it
    says and what it is about, so that equal pictures get equal ones.
    """
    assertions = [{"label": "c2pa.actions.v2", "data": {"actions": actions(claim)}}]
    if claim.recipe:
        assertions.append({"label": RECIPE, "data": json.loads(claim.recipe)})
    said = json.dumps([assertions, [own.record for own in parts]], sort_keys=True)
    digest = sha256(content + said.encode()).hexdigest()
    return {
        "claim_generator_info": [_agent(claim)],
        "label": f"urn:c2pa:{UUID(digest[:32], version=4)}",
        "instance_id": f"xmp:iid:{UUID(digest[32:], version=4)}",
        "assertions": assertions,
        "ingredients": [own.record for own in parts if not own.mime],
    }


def _agent(claim: Claim) -> dict[str, str]:
    return {"name": SOFTWARE, "version": claim.software.removeprefix(f"{SOFTWARE} ")}


def actions(claim: Claim) -> list[dict[str, Any]]:
    """In order: created by the model, or the parent opened and edited by it; parts placed; what else was done."""
    models = [f"model-{number}" for number in range(len(claim.models))]
    by_role = {role: [f"input-{n}" for n, own in enumerate(claim.inputs) if own.role is role] for role in Role}
    drawn_from = models + by_role[Role.INPUT]
    if by_role[Role.PARENT]:
        edits = list(claim.edits) or [Edit("c2pa.edited")]
        made = [_action(claim, "c2pa.opened", by_role[Role.PARENT])]
        made.append(_action(claim, edits[0].action, drawn_from, edits[0].description, claim.source.uri))
        rest = edits[1:]
    else:
        made = [_action(claim, "c2pa.created", drawn_from, "", claim.source.uri)]
        rest = list(claim.edits)
    placed = [_action(claim, "c2pa.placed", [label]) for label in by_role[Role.COMPONENT]]
    return made + placed + [_action(claim, edit.action, [], edit.description) for edit in rest]


def _action(
    claim: Claim, name: str, with_ingredients: list[str], description: str = "", source: str = ""
) -> dict[str, Any]:
    made: dict[str, Any] = {"action": name, "softwareAgent": _agent(claim)}
    if with_ingredients:
        made["parameters"] = {"ingredientIds": with_ingredients}
    if description:
        made["description"] = description
    return made | ({"digitalSourceType": source} if source else {})
