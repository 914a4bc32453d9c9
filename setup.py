"""Compiles the hot path when asked to: `MAITRE_COMPILE=1 pip install .` needs a C compiler and fetches mypy to build.

The same typed .py files, compiled by mypyc; without the variable maitre is pure Python and does the same. What it gains
and why it is optional: docs/decisions/0005-the-hot-path-can-be-compiled.md.
"""

import os
import sys

from setuptools import Extension, setup

CORE = """
admission cors credentials ejection field framing headmemo heads offered routes slots token_ring tracecontext
traffic waitqueue
"""
PROXY = """
answers deadlines downstream exchange grants identifiers plane refusals rewriting upstream
"""
TELEMETRY = "counters histogram"

BUILDING = {"bdist_wheel", "build_ext", "editable_wheel"}
"""Commands that make extensions; the others only ask about the project, when what is needed to build may be missing."""
WANTED = os.environ.get("MAITRE_COMPILE", "") not in ("", "0")


def hot_path() -> list[str]:
    packages = {"router/core": CORE, "router/proxy": PROXY, "router/telemetry": TELEMETRY}
    return [f"{package}/{name}.py" for package, names in packages.items() for name in names.split()]


def extensions() -> list[Extension]:
    if not WANTED or BUILDING.isdisjoint(sys.argv):
        return []
    from mypyc.build import mypycify  # noqa: PLC0415

    # `make check` has checked the types, with all that the project depends on at hand; a build has only mypy
    unconfigured = ["--config-file=", "--ignore-missing-imports"]
    return mypycify([*unconfigured, *hot_path()], opt_level="3", group_name="maitre")


setup(ext_modules=extensions(), setup_requires=["mypy>=1.14"] if WANTED else [])
