"""Lying to the grader: forged messages, patched functions, forged evidence."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest

from grader.checks import run_checks
from grader.grading import judge, run_worlds
from grader.reexecute import WorldRun, run_world
from grader.report import match
from kernel_tool.kernel import Kernel
from kernel_tool.launch import Launcher
from kernel_tool.outputs import output_text
from task_spec.model import Budgets, Evidence
from task_spec.variant import Variant
from tests.attacks.conftest import assert_works, executed, some
from tests.attacks.test_writing import plain_world
from tests.grader.playing import DEFAULT, SEED, TASK, broken_cells, failures

# A kernel has its own key and sockets, so that it can say anything in its own name.
HANDLES = """
import json, os, threading, time
kernel = get_ipython().kernel
session, parent, out = kernel.session, kernel.get_parent('shell'), kernel.iopub_socket
ident = kernel._shell_parent_ident.get()
shell = getattr(kernel.shell_stream, 'socket', kernel.shell_stream)
OK = {'status': 'ok', 'execution_count': 1, 'user_expressions': {}, 'payload': []}
def reply(content=OK, parent=parent):
    session.send(shell, 'execute_reply', content, parent=parent, ident=ident)
def idle(parent=parent):
    session.send(out, 'status', {'execution_state': 'idle'}, parent=parent)
STRANGER = {'header': {'msg_id': 'another', 'session': 'x'}, 'msg_id': 'another'}
"""
IGNORED = {
    "replies to another request": "reply(parent=STRANGER); idle(STRANGER)",
    "output of another request": (
        "session.send(out, 'stream', {'name': 'stdout', 'text': 'forged'}, parent=STRANGER)"
    ),
    "a status without a reply": "idle()",
    "a reply without a status": "reply()",
    "a lost connection": "session.send(out, 'disconnected', {}, parent=parent); time.sleep(0.3)",
    "an unsigned message": (
        "auth, session.auth = session.auth, None\n"
        "session.send(out, 'stream', {'name': 'stdout', 'text': 'forged'}, parent=parent)\n"
        "session.auth = auth"
    ),
    "nonsense": "out.send_multipart([b'x'] * 7); out.send_multipart([b''])",
    "deep content": (
        "deep = '[' * 5000 + ']' * 5000\n"
        "packed = session.pack\n"
        "session.pack = lambda value: deep.encode()\n"
        "session.send(out, 'stream', {}, parent=parent)\n"
        "session.pack = packed"
    ),
    "content of wrong types": (
        "for kind in ('stream', 'error', 'display_data', 'execute_input', 'status',\n"
        "             'update_display_data', 'clear_output', 'execute_result'):\n"
        "    for odd in ({}, {'data': 1, 'text': {}, 'name': [], 'traceback': 1, 'transient': 1,\n"
        "                     'execution_count': 1e999, 'execution_state': [], 'wait': {}}):\n"
        "        session.send(out, kind, odd, parent=parent)"
    ),
}


@pytest.mark.parametrize("lie", IGNORED)
async def test_forged_messages_change_nothing_for_the_next_request(launcher, lie):
    with launcher.workspace() as workspace:
        async with Kernel(launcher, workspace, grace=1) as kernel:
            execution = await kernel.execute(f"{HANDLES}{IGNORED[lie]}\nNone", 15)
            assert execution.seconds < 20
            assert "forged" not in output_text(execution.outputs)
            await assert_works(kernel)


async def test_a_forged_end_leaves_the_next_request_waiting(launcher):
    with launcher.workspace() as workspace:
        async with Kernel(launcher, workspace, grace=1) as kernel:
            began = await kernel.execute(HANDLES + "reply(); idle(); time.sleep(60)", 30)
            assert began.status == "ok" and began.seconds < 10
            after = await kernel.execute("print('served')", 1)
            # It is told as late, and never as done, though the interrupt lets it be served.
            assert after.status in ("timeout", "died"), after
            await assert_works(kernel)


async def test_a_forged_end_gains_no_time_in_the_regrade(launcher):
    cells = [HANDLES + "reply(); idle(); time.sleep(60)", "x = 1"]
    run = await run_world(cells, plain_world(), launcher, Budgets(run_seconds=2), {})
    assert run.timed_out and "more than 2 s in all" in run.error and run.seconds < 20


async def test_replies_forged_without_end_are_cut_off(launcher):
    code = HANDLES + "while True: reply(parent=STRANGER)"
    execution = await executed(launcher, code, 2)
    assert execution.status in ("timeout", "died") and execution.seconds < 15


PATCHES = {
    "json": "import json; json.dumps = lambda *_, **__: '{}'",
    "ast transformers": (
        "import ast\n"
        "class Cut(ast.NodeTransformer):\n"
        "    def visit_Expr(self, node):\n"
        "        return ast.Pass() if '_recorder' in ast.dump(node) else node\n"
        "get_ipython().ast_transformers.append(Cut())"
    ),
    "input transformers": (
        "get_ipython().input_transformers_cleanup.append("
        "lambda lines: ['pass'] if any('_recorder' in line for line in lines) else lines)"
    ),
    "run_cell": (
        "right = get_ipython().run_cell\n"
        "def run_cell(source, *a, **k):\n"
        "    return right('pass' if '_recorder' in source else source, *a, **k)\n"
        "get_ipython().run_cell = run_cell"
    ),
    "cell events": (
        "def see(info):\n"
        "    if '_recorder' in str(info.raw_cell):\n"
        "        info.raw_cell = 'pass'; globals().clear()\n"
        "get_ipython().events.register('pre_run_cell', see)"
    ),
    "equality": (
        "import torch, numpy\n"
        "torch.Tensor.__eq__ = lambda *_: True\n"
        "torch.equal = torch.allclose = numpy.allclose = numpy.array_equal = lambda *_, **__: True"
    ),
    "the clock": "import time; time.time = time.monotonic = time.perf_counter = lambda: 0.0",
    "the recorder's claims": (
        "import sys; held = sys.modules['_recorder'].RECORDER\nheld.save = lambda folder: None"
    ),
    "tracing": "import sys; sys.setprofile(lambda *_: None)",
}


async def failed_with(patch: str, seconds: int) -> dict[str, str]:
    """What fails of a broken notebook in a small world, after a patch has run."""
    task = dataclasses.replace(TASK, budgets=Budgets(run_seconds=seconds))
    cells = (PATCHES[patch], *broken_cells(TASK.bug("mask_cut")))
    runs = await run_worlds(cells, Variant(task, ()), SEED, Launcher(), only=["small"])
    return failures({result.id: result for result in run_checks(task, runs)})


async def test_a_kernel_that_can_say_nothing_more_has_timed_out():
    """What json.dumps makes is what all messages of a kernel are made of."""
    failed = await failed_with("json", 3)
    assert "more than 3 s in all" in failed["run.executes"]


# Each runs a whole small world, in some five seconds; one of them in every test run.
@pytest.mark.parametrize(
    "patch", some({k: v for k, v in PATCHES.items() if k != "json"}, "run_cell")
)
async def test_a_patched_kernel_does_not_pass_what_is_broken(patch):
    failed = await failed_with(patch, 60)
    assert "P4.padding" in failed or "run.executes" in failed
    assert all(failed.values())  # in words


async def test_time_is_the_hosts(launcher):
    cells = [PATCHES["the clock"], "import threading; threading.Event().wait(30)"]
    run = await run_world(cells, plain_world(), launcher, Budgets(run_seconds=2), {})
    assert run.timed_out and run.seconds > 2


PLANT = """
import os
from pathlib import Path
mark = "open('planted', 'a').write('x')\\n"
home = Path.home()
for folder in (home, Path.cwd()):
    for name in ('.ipython', 'ipython'):
        startup = folder / name / 'profile_default' / 'startup'
        startup.mkdir(parents=True, exist_ok=True)
        (startup / '00.py').write_text(mark)
        (startup.parent / 'ipython_config.py').write_text(mark)
        (startup.parent / 'ipython_kernel_config.py').write_text(mark)
    site = folder / '.local' / 'lib' / 'python3.11' / 'site-packages'
    site.mkdir(parents=True, exist_ok=True)
    (site / 'planted.pth').write_text('import os; ' + mark)
    for name in ('usercustomize', 'sitecustomize', 'torch', 'json', 'ipykernel', 'zmq'):
        (site / f'{name}.py').write_text(mark)
        (folder / f'{name}.py').write_text(mark)
    (folder / 'ipython_config.py').write_text(mark)
    (folder / 'matplotlibrc').write_text('lines.linewidth: 77')
    (folder / 'ipython_kernel_config.py').write_text(mark)
"""


@pytest.mark.parametrize("forked", [True, False], ids=["forked", "cold"])
async def test_what_one_kernel_plants_the_next_does_not_run(tier, forked):
    launcher = Launcher(tier=tier, forked=forked)
    with launcher.workspace() as workspace:
        async with Kernel(launcher, workspace) as kernel:
            assert (await kernel.execute(PLANT, 30)).status == "ok"
            await kernel.restart()
            code = "import os, json, zmq; print(os.path.exists('planted'))"
            assert output_text((await kernel.execute(code, 60)).outputs) == "False"


# --- forged evidence

SAVE = """
import os, numpy as np
os.makedirs('evidence', exist_ok=True)
claims, arrays = '{}', {'a': np.arange(3)}
"""
WRITE = (
    "\nopen('evidence/claims.json', 'w').write(claims)\nnp.savez('evidence/arrays.npz', **arrays)"
)
REFUSED = {
    "a pickle": "arrays = {'a': np.array([os.system], dtype=object)}",
    "text": "arrays = {'a': np.array(['x'])}",
    "deep": "claims = '[' * 100_000",
    "deep objects": "claims = '{\"a\":' * 100_000",
    "no object": "claims = '[]'",
    "digits without end": "claims = '9' * 10_000",
}


@pytest.mark.parametrize("lie", REFUSED)
async def test_forged_evidence_is_refused_in_words(launcher, lie):
    cells = [SAVE + REFUSED[lie] + WRITE]
    run = await run_world(cells, plain_world(), launcher, Budgets(), {})
    assert run.evidence is None and "the evidence of the run" in run.error


HUGE = 10**400
CLAIMS = {
    "no numbers": {"results": {"x": float("nan"), "y": float("inf")}},
    "huge results": {"results": {"test_ap": HUGE, "x": HUGE}},
    "huge predictions": {"hidden": {"a": HUGE}, "split": {"a": HUGE}},
    "wrong types": {
        "results": [],
        "hidden": 1,
        "split": None,
        "errors": 1,
        "calls": "x",
        "run": {},
    },
    "empty": {},
}


@pytest.mark.parametrize("lie", CLAIMS)
def test_claims_of_any_kind_are_judged(lie):
    run = WorldRun("small", Evidence("small", None, CLAIMS[lie], {}), None, False, 1.0, 1.0)
    verdict = judge(DEFAULT, run_checks(TASK, [run]), match((), DEFAULT), [run])
    assert not verdict.passed and verdict.detail
    verdict.model_dump_json()


def test_errors_nested_to_the_parsers_limit_are_judged():
    """What is parsed may be too deep to be shown: repr() goes as deep as the parser did."""
    for depth in range(800, 1000):
        nested: list = []
        for _ in range(depth):
            nested = [nested]
        run = WorldRun(
            "small", Evidence("small", None, {"errors": [nested]}, {}), None, False, 1, 1
        )
        assert run_checks(TASK, [run])


async def test_two_gradings_at_once_do_not_meet(launcher):
    world = plain_world(SAVE + "claims = '{\"x\": %d}' % x" + WRITE)
    runs = await asyncio.gather(
        *(run_world([f"x = {n}"], world, launcher, Budgets(), {}) for n in range(3))
    )
    assert [run.evidence.claims["x"] for run in runs] == [0, 1, 2]
