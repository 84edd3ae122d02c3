"""Which families there are. A new one is a file beside this one and a name in this list."""

from __future__ import annotations

from brandsmith.base.base import Family
from brandsmith.base.families.sd import SD1, SD2
from brandsmith.base.families.sd3 import SD3
from brandsmith.base.families.sdxl import SDXL

FAMILIES: dict[str, Family] = {family.name: family for family in (SD1, SD2, SDXL, SD3)}
