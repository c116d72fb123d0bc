"""Sources that run inside a re-execution's kernel. They hold no answer, bound or label."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from task_spec.model import Seam

RECORDER = Path(__file__).with_name("recorder.py")
EVIDENCE = "evidence"  # folder in the workspace to which the kernel writes its claims


PROBE = "__import__('sys').modules['_recorder'].ask(globals())\n"


def prelude_of(inside: Path, seams: Sequence[Seam], **config: Any) -> str:
    """The cell that starts the recorder, with a task's own handlers and probes from ``inside``."""
    names = [seam.name for seam in seams]
    config |= {"seams": names, "evidence": EVIDENCE}
    code = as_module("_recorder", [RECORDER, inside], config)
    return code + "__import__('sys').modules['_recorder'].RECORDER.install(get_ipython())\n"


def as_module(name: str, sources: Sequence[Path], config: dict[str, Any]) -> str:
    """Code of a cell that makes a module of some sources, with ``CONFIG`` in it."""
    text = "\n\n".join(source.read_text(encoding="utf-8") for source in sources)
    return (
        "import sys as _sys, types as _types\n"
        f"_sys.modules[{name!r}] = _types.ModuleType({name!r})\n"
        f"_sys.modules[{name!r}].CONFIG = {config!r}\n"
        f"exec(compile({text!r}, {name!r}, 'exec'), _sys.modules[{name!r}].__dict__)\n"
        "del _sys, _types\n"
    )
