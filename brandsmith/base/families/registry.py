"""Which families there are. A new one is a file beside this one and a name in this list."""

from __future__ import annotations

from brandsmith.base.base import Family
from brandsmith.base.families.flux1 import FLUX1
from brandsmith.base.families.flux2 import FLUX2
from brandsmith.base.families.flux2dev import FLUX2DEV
from brandsmith.base.families.pocketflow import POCKETFLOW
from brandsmith.base.families.qwen import QWEN
from brandsmith.base.families.sd import SD1, SD2
from brandsmith.base.families.sd3 import SD3
from brandsmith.base.families.sdxl import SDXL
from brandsmith.base.families.zimage import ZIMAGE

_ALL = (
    SD1,
    SD2,
    SDXL,
    SD3,
    FLUX1,
    FLUX2,
    FLUX2DEV,
    ZIMAGE,
    QWEN,
    POCKETFLOW,
)
FAMILIES: dict[str, Family] = {family.name: family for family in _ALL}
