"""What a `Finish` needs: the chain of judges that decides, and what lays true marks."""

from __future__ import annotations

from collections.abc import Mapping

from brandsmith.base.sources import resolve_base
from brandsmith.concept.brand_kit import has_brand_kit
from brandsmith.concept.concept import Concept
from brandsmith.core.errors import InvalidConfig
from brandsmith.create.exact_pictures import TrueMarks, load_true_marks
from brandsmith.create.finish import Finish
from brandsmith.evaluate.chain import colour_judges, judges_for
from brandsmith.judges.fit import load_judges
from brandsmith.judges.judge import Judge


def finishing_judges(finish: Finish, concept: Concept, base: str) -> Mapping[str, Judge]:
    """The concept's chain, with the judges of colour where they decide. Raises InvalidConfig for `colour` without a
    brand kit, and as `judges_for`.
    """
    if finish.colour and not has_brand_kit(concept.folder):
        raise InvalidConfig(
            f"colour is asked for, and '{concept.folder}' has no brand kit",
            hint="its palette says the colours: docs/create.md shows a kit",
        )
    fitted = load_judges(concept)
    chain: dict[str, Judge] = judges_for(concept, resolve_base(base), fitted=fitted)
    return chain if not finish.colour else chain | {judge.name: judge for judge in colour_judges(concept, fitted)}


def finishing_marks(finish: Finish, concept: Concept) -> TrueMarks | None:
    """What lays true marks, where that is asked for. Raises as `load_true_marks`."""
    return load_true_marks(concept) if finish.exact_mark else None
