"""Teach an image generator your brand, and prove that it learned.

The names below are the front door: `brandsmith.train(...)` and so on. Each is loaded when it is first used, so that
`import brandsmith` is quick and loads no torch. The same steps are commands: `brandsmith --help`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from brandsmith.base.sources import load_base
    from brandsmith.concept.concept import load_concept
    from brandsmith.core.errors import BrandsmithError
    from brandsmith.evaluate.command import judge
    from brandsmith.export.export_run import export_run
    from brandsmith.guidance.explain import explain
    from brandsmith.guidance.sampling import sample
    from brandsmith.guidance.settings import DrawSettings
    from brandsmith.methods.adapter import load_adapter
    from brandsmith.methods.loop import train
    from brandsmith.methods.registry import build_config
    from brandsmith.report.html import write_report
    from brandsmith.study.command import run_study

    __version__: str

__all__ = [
    "BrandsmithError",
    "DrawSettings",
    "__version__",
    "build_config",
    "explain",
    "export_run",
    "judge",
    "load_adapter",
    "load_base",
    "load_concept",
    "run_study",
    "sample",
    "train",
    "write_report",
]

_HOMES = {
    "BrandsmithError": "brandsmith.core.errors",
    "DrawSettings": "brandsmith.guidance.settings",
    "build_config": "brandsmith.methods.registry",
    "explain": "brandsmith.guidance.explain",
    "export_run": "brandsmith.export.export_run",
    "judge": "brandsmith.evaluate.command",
    "load_adapter": "brandsmith.methods.adapter",
    "load_base": "brandsmith.base.sources",
    "load_concept": "brandsmith.concept.concept",
    "run_study": "brandsmith.study.command",
    "sample": "brandsmith.guidance.sampling",
    "train": "brandsmith.methods.loop",
    "write_report": "brandsmith.report.html",
}
"""Where each name lives (PEP 562); the imports above say the same to type checkers."""


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from brandsmith.core.version import package_version

        value: Any = package_version()
    elif name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module 'brandsmith' has no attribute '{name}'")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
