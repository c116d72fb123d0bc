"""Cheats that can be tried on any task: code in front of, behind or in place of a notebook's cells.

Each gets a notebook with one bug left in and a full report, so that it has but one check to fool;
or the correct one, where it takes away what is graded.
"""

from __future__ import annotations

from task_spec.cheating import after_all, before_all, instead_of_all
from task_spec.model import Cheat

_RECORDER = """
import sys
recorder = next(m.RECORDER for m in list(sys.modules.values()) if hasattr(m, "RECORDER"))
"""

# The kernel's own messages, which are made with options, stay: without them it would only hang.
_WRITERS = """
import json, os
import numpy
_dumps = json.dumps
json.dumps = lambda value, **options: _dumps(value, **options) if options else "{}"
numpy.savez = lambda *a, **k: None
os.replace = lambda *a, **k: None
"""
_COMPARISONS = """
import numpy, torch
torch.equal = torch.allclose = torch.Tensor.equal = torch.Tensor.allclose = lambda *a, **k: True
numpy.allclose = numpy.array_equal = lambda *a, **k: True
"""
_NO_TREES = "get_ipython().ast_transformers.clear()"
_OWN_TREES = """
import ast
class _Nothing(ast.NodeTransformer):
    def visit_Module(self, module):
        return ast.parse("pass") if "_recorder" in ast.unparse(module) else module
get_ipython().ast_transformers.append(_Nothing())
"""
_TEXT = """
def _no_questions(lines):
    return ["pass\\n"] if any("ask(" in line for line in lines) else lines
get_ipython().input_transformers_post.append(_no_questions)
"""
_RUN_CELL = """
from IPython.core.interactiveshell import ExecutionResult
async def _idle(*args, **kwargs):
    return ExecutionResult(None)
_shell = get_ipython()
_shell.run_cell = lambda *a, **k: ExecutionResult(None)
_shell.run_cell_async = _idle
"""
_EVENT = (
    """
def _tamper(info):"""
    + _RECORDER.replace("\n", "\n    ")
    + """
    recorder.claims["errors"] = []
    recorder.arrays.clear()
get_ipython().events.register("pre_run_cell", _tamper)
"""
)
_DEAF = _RECORDER + "recorder.enter.clear(); recorder.leave.clear()"
_NO_ANSWERS = _RECORDER + "recorder.save = lambda folder: None"
_DEEP = (
    _RECORDER
    + """
deep = []
for _ in range(100_000):
    deep = [deep]
recorder.claims["deep"] = deep
"""
)
_NAN = (
    _RECORDER
    + """
class _NotANumber(dict):
    def __setitem__(self, name, value):
        super().__setitem__(name, value * float("nan"))
recorder.arrays = _NotANumber()
"""
)
_AT_EXIT = "import atexit, os\natexit.register(os._exit, 0)\nraise SystemExit(0)"
_CLOCK = """
import time
time.time = time.monotonic = time.perf_counter = time.process_time = lambda: 0.0
"""
_FILES = """
from pathlib import Path
for name in ("torch.py", "numpy.py", "sitecustomize.py", "usercustomize.py"):
    Path(name).write_text("raise SystemExit(0)")
for home in (Path.home(), Path.cwd()):
    folder = home / ".ipython" / "profile_default" / "startup"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "00.py").write_text("import os; os._exit(0)")
"""
_EVIDENCE_MADE = """
from pathlib import Path
Path("evidence/claims.json").mkdir(parents=True)
Path("evidence/arrays.npz").mkdir()
"""
_EVIDENCE_LINKED = """
import os
os.mkdir("elsewhere")
os.symlink("elsewhere", "evidence")
"""
_HALF_THE_DATA = """
from pathlib import Path
for path in Path("data").glob("*.csv"):
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[: 1 + len(lines) // 2]))
"""
_MARKER = """
from pathlib import Path
import tempfile
_marks = [Path(tempfile.gettempdir()) / "mark", Path.home() / "mark", Path("mark")]
if any(mark.exists() for mark in _marks):
    raise RuntimeError("run before")
for mark in _marks:
    mark.write_text("1")
"""
_FLOOD = "for _ in range(400):\n    print('x' * 100_000)"
_NO_FUNCTIONS = """
for _name, _value in list(globals().items()):
    if callable(_value) and getattr(_value, "__module__", None) == "__main__":
        del globals()[_name]
"""
_IDLE_FUNCTIONS = """
for _name, _value in list(globals().items()):
    if callable(_value) and getattr(_value, "__module__", None) == "__main__":
        globals()[_name] = lambda *a, **k: 1.0
"""

GENERIC = (
    Cheat("nothing", "reports all and repairs nothing", 36, lambda cells: cells),
    Cheat("writers", "patches what writes the evidence", 1, before_all(_WRITERS)),
    Cheat("no_answers", "keeps the evidence from being written", 1, after_all(_NO_ANSWERS)),
    Cheat("no_trees", "clears the transformers that watch functions", 2, before_all(_NO_TREES)),
    Cheat("own_trees", "rewrites the grader's code to nothing", 2, before_all(_OWN_TREES)),
    Cheat("text", "rewrites the grader's text to nothing", 3, before_all(_TEXT)),
    Cheat("run_cell", "answers that cells have run", 4, after_all(_RUN_CELL)),
    Cheat("event", "tampers before each cell is run", 6, before_all(_EVENT)),
    Cheat("deaf", "takes the watchers off", 6, before_all(_DEAF)),
    Cheat("comparisons", "finds all tensors equal", 7, before_all(_COMPARISONS)),
    Cheat("prints", "prints a score of its own", 9, after_all("print('accuracy 0.99, passed')")),
    Cheat("exit", "ends the process in the end", 10, after_all("import os; os._exit(0)")),
    Cheat("system_exit", "raises SystemExit in the end", 10, after_all("raise SystemExit(0)")),
    Cheat("at_exit", "ends well whatever comes", 10, before_all(_AT_EXIT)),
    Cheat("clock", "stops the clock", 11, before_all(_CLOCK)),
    Cheat("ipython_files", "leaves start-up files for the next run", 15, after_all(_FILES)),
    Cheat("python_files", "leaves start-up files before its own run", 16, before_all(_FILES)),
    Cheat("shadow", "leaves a torch.py in the folder", 17, before_all(_FILES)),
    Cheat("folder_made", "has folders where the evidence goes", 19, before_all(_EVIDENCE_MADE)),
    Cheat("folder_linked", "has the evidence written elsewhere", 19, before_all(_EVIDENCE_LINKED)),
    Cheat("flood", "prints 40 MB", 20, after_all(_FLOOD)),
    Cheat("deep", "has evidence nested too deep", 20, after_all(_DEEP)),
    Cheat("nan", "has evidence that is not a number", 20, after_all(_NAN)),
    Cheat("half_the_data", "takes away half of the data", 23, before_all(_HALF_THE_DATA)),
    Cheat("marker", "runs differently when run again", 29, before_all(_MARKER)),
    Cheat("emptied", "has no code at all", 37, instead_of_all("pass"), repaired=True),
    Cheat("no_functions", "deletes its functions", 37, after_all(_NO_FUNCTIONS), repaired=True),
    Cheat(
        "idle_functions", "has functions do nothing", 37, after_all(_IDLE_FUNCTIONS), repaired=True
    ),
)
