"""Nothing of ours needs POSIX: with its modules hidden, every module imports, and train, sample and study run.

A process of its own hides them. Only imports that our own code makes fail there: libraries choose by the system.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from bases import build_tiny, save_as_diffusers_folder
from lessons import write_concept

HIDDEN = """
import builtins, os, pkgutil, signal, sys, time
from importlib import import_module

POSIX_MODULES = {"fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "posix", "syslog", "readline", "crypt"}
POSIX_NAMES = {
    os: ("fork", "forkpty", "killpg", "setsid", "getuid", "geteuid", "getgid", "getloadavg", "sched_getaffinity",
         "chown", "mkfifo", "wait3"),
    signal: ("SIGHUP", "SIGUSR1", "SIGUSR2", "SIGALRM", "alarm", "pthread_kill", "sigwait"),
    time: ("tzset",),
}
original, refused = builtins.__import__, []

def no_posix(name, globals=None, *rest, **named):
    if name.partition(".")[0] in POSIX_MODULES and (globals or {}).get("__name__", "").startswith("brandsmith"):
        refused.append(name)
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    return original(name, globals, *rest, **named)

builtins.__import__ = no_posix
"""
EVERY_MODULE = """
import brandsmith
names = [module.name for module in pkgutil.walk_packages(brandsmith.__path__, "brandsmith.")]
for name in names:
    import_module(name)
print(len(names), "modules")
for module, hidden in POSIX_NAMES.items():
    for name in hidden:
        if hasattr(module, name):
            delattr(module, name)
"""
WORK = """
from pathlib import Path
from brandsmith.cli import main as cli
from study_process import run_tiny

out, concept, base = (Path(given) for given in sys.argv[1:])

def brandsmith(*arguments):
    sys.argv = ["brandsmith", *map(str, arguments)]
    try:
        cli.main()
    except SystemExit as stop:
        assert not stop.code, arguments

brandsmith("train", "lora", "--concept", concept, "--base", base, "--run", out / "run", "--steps", 2,
           "--checkpoint-every", 2)
brandsmith("sample", "a red_qoga_logo", "--run", out / "run", "--seeds", 1, "--num-steps", 2, "--out", out / "drawn")
run_tiny(concept, base, out / "study")
assert list((out / "drawn").glob("*.png")) and (out / "study" / "result.json").is_file()
print("worked; refused", refused)
"""


@pytest.mark.slow
def test_without_posix_every_module_imports_and_train_sample_and_study_run(tmp_path):
    concept = write_concept(tmp_path / "brand").folder
    save_as_diffusers_folder(build_tiny("sd1"), tmp_path / "tiny")
    done = subprocess.run(
        [sys.executable, "-c", HIDDEN + EVERY_MODULE + WORK, tmp_path, concept, tmp_path / "tiny"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([p for p in sys.path if p])},
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert int(done.stdout.split()[0]) > 150 and "worked; refused []" in done.stdout
    illegal = [path.name for path in tmp_path.rglob("*") if set(path.name) & set('<>:"\\|?*') or path.name[-1] in ". "]
    assert illegal == [] and len(list(Path(tmp_path / "study").rglob("*"))) > 20


def test_the_hook_hides_what_it_should():
    """The test above can fail: our own import of a POSIX module is refused, a library's is not."""
    ours = HIDDEN + "exec('import resource', {'__name__': 'brandsmith.study.worker'})"
    theirs = HIDDEN + "exec('import resource', {'__name__': 'psutil._pslinux'})"
    codes = [subprocess.run([sys.executable, "-c", code], capture_output=True).returncode for code in (ours, theirs)]
    assert codes == [1, 0]
