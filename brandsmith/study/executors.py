"""Where trials run, by name. An executor is built from (study, judges, on_step) and obeys `worker.Executor`; that is
all it must do.
"""

from __future__ import annotations

from collections.abc import Callable

from brandsmith.core.errors import unknown_name
from brandsmith.core.optional import need_package
from brandsmith.study.worker import Executor, LocalExecutor

OpenExecutor = Callable[..., Executor]
"""Called as (study, judges=, on_step=)."""


def check_executor(executor: OpenExecutor) -> None:
    """Raises MissingResource when trials could not be started there (an executor without `check` is always there)."""
    check = getattr(executor, "check", None)
    if check:
        check()


def executor_named(name: str) -> OpenExecutor:
    """Raises InvalidConfig for an unknown name, MissingResource when its package is not installed; starts nothing."""
    if name == "local":
        return LocalExecutor
    if name != "ray":
        raise unknown_name("executor", name, ["local", "ray"])
    need_package("ray", "ray", "--executor ray")
    from brandsmith.study.ray_executor import RayExecutor

    return RayExecutor
