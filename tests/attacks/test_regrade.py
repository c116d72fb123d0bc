"""Telling the regrade from the episode, and carrying something from one into the other."""

from __future__ import annotations

import json

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from grader.reexecute import run_world
from kernel_tool.launch import Launcher
from kernel_tool.session import Limits, Session, SubmitTool
from task_spec.model import Budgets, World
from tests.grader.playing import DEFAULT, TASK

# All that a submission may look at. Numbers of processes and names made at random are left out.
LOOK = """
import os as _os, sys as _sys, json as _json, socket as _socket, resource as _resource, re as _re
def _look():
    def words(text):  # what is drawn anew for each kernel
        return _re.sub(r'(workspace|kernel)-\\w+', r'\\1-X', text)
    status = dict(line.split(':\\t', 1) for line in open('/proc/self/status') if ':\\t' in line)
    limits = [n for n in dir(_resource) if n.startswith('RLIMIT_')]
    mounts = [words(' '.join(line.split()[1:4])) for line in open('/proc/self/mounts')]
    listed = {}
    for folder in ('/', '/tmp', '/dev', '/etc', _os.environ['HOME']):
        try:
            listed[words(folder)] = sorted(words(n) for n in _os.listdir(folder))
        except OSError as error:
            listed[words(folder)] = error.strerror
    kept = ('State Umask Uid Seccomp NoNewPrivs CapInh CapPrm CapEff CapBnd CapAmb SigIgn SigCgt '
            'SigBlk Groups Cpus_allowed Speculation_Store_Bypass').split()
    known = {k: status[k].strip() for k in kept if k in status}
    known['Uid'] = [len(part) for part in known['Uid'].split()]
    return {
        'environment': {k: words(v) for k, v in _os.environ.items()},
        'folder': words(_os.getcwd()),
        'arguments': _sys.argv,
        'original arguments': [words(a) for a in _sys.orig_argv if 'main(' not in a],
        'path': [words(p) for p in _sys.path],
        'flags': list(_sys.flags),
        'host': _socket.gethostname(),
        'command': len(open('/proc/self/cmdline').read().split('\\0')),
        'group': open('/proc/self/cgroup').read(),
        'limits': {n: _resource.getrlimit(getattr(_resource, n)) for n in limits
                   if n != 'RLIMIT_NPROC'},
        'mounts': sorted(mounts),
        'listed': listed,
        'status': known,
        'descriptors': len(_os.listdir('/proc/self/fd')),
        'threads': len(_os.listdir('/proc/self/task')),
        'oom': open('/proc/self/oom_score_adj').read(),
        'nice': _os.nice(0),
        'modules': sorted(_sys.modules),
        'extensions': [str(type(t)) for t in get_ipython().ast_transformers],
        'hooks': {n: len(c) for n, c in get_ipython().events.callbacks.items()},
        'count': get_ipython().execution_count,
        'files': sorted(_os.listdir('.')),
    }
_seen = _look()
"""
ASK = (
    "import os, json, numpy; os.makedirs('evidence', exist_ok=True)\n"
    "numpy.savez('evidence/arrays.npz')\n"
    "open('evidence/claims.json', 'w').write(json.dumps(_seen))"
)
# The recorder runs inside the kernel before the first cell, where nothing can hide it.
KNOWN = {"extensions", "hooks", "count", "modules", "files"}


def recorded_world(probe: str) -> World:
    """The real recorder, on no data, so that it takes no time."""
    prelude = TASK.worlds(DEFAULT.draw, 0)[0].prelude

    def stage(folder, _):
        (folder / "data").mkdir()

    return World("recorded", "", stage, lambda *_: None, prelude, probe)


def opened_session(launcher: Launcher, workspace) -> Session:
    nbformat.write(new_notebook(cells=[new_code_cell("1")]), workspace / "transits.ipynb")
    (workspace / "data").mkdir()
    submit = SubmitTool("Hands in.", {"type": "object", "properties": {}}, lambda _: [])
    return Session(workspace / "transits.ipynb", workspace, launcher, Limits(), submit)


async def seen_in_an_episode(launcher: Launcher) -> dict:
    with launcher.workspace() as workspace:
        async with opened_session(launcher, workspace) as session:
            code = f"{LOOK}\nopen('seen', 'w').write(_json.dumps(_seen))"
            result = await session.call("run_code", {"code": code})
            assert (workspace / "seen").exists(), result.text
            return json.loads((workspace / "seen").read_text())


async def seen_in_a_regrade(launcher: Launcher) -> dict:
    run = await run_world([LOOK], recorded_world(ASK), launcher, Budgets(), {})
    assert run.error is None
    return dict(run.evidence.claims)


async def test_a_regrade_looks_like_an_episode(launcher):
    episode, regrade = await seen_in_an_episode(launcher), await seen_in_a_regrade(launcher)
    assert {k: episode[k] for k in episode if k not in KNOWN} == {
        k: regrade[k] for k in regrade if k not in KNOWN
    }


async def test_what_tells_a_regrade_is_the_recorder_and_the_notebooks_file(launcher):
    episode, regrade = await seen_in_an_episode(launcher), await seen_in_a_regrade(launcher)
    assert "_recorder" in set(regrade["modules"]) - set(episode["modules"])
    assert set(episode["files"]) - set(regrade["files"]) == {"transits.ipynb"}
    assert not set(regrade["files"]) - set(episode["files"])
    assert [name for name in regrade["extensions"] if name not in episode["extensions"]]


LEAVE = """
import os
for folder in ('.', os.environ['HOME'], os.environ['TMPDIR'], '/tmp', '/dev/shm', '/var/tmp'):
    try:
        open(os.path.join(folder, {name!r}), 'w').write('answers')
    except OSError:
        pass
"""
FIND = """
import os
_seen = []
for folder in ('.', os.environ['HOME'], os.environ['TMPDIR'], '/tmp', '/dev/shm', '/var/tmp'):
    if os.path.exists(os.path.join(folder, {name!r})):
        _seen.append(folder)
_seen = {{'found': _seen}}
"""


async def test_what_an_episode_leaves_is_not_there_in_the_regrade(launcher, secret):
    with launcher.workspace() as workspace:
        async with opened_session(launcher, workspace) as session:
            result = await session.call("run_code", {"code": LEAVE.format(name=secret)})
            assert not result.is_error and (workspace / secret).exists()
            world = recorded_world(ASK)
            # While the episode's kernel still runs: nothing is shared, not only cleared away.
            run = await run_world([FIND.format(name=secret)], world, launcher, Budgets(), {})
            found = await session.call("run_code", {"code": FIND.format(name=secret) + "_seen"})
    assert run.evidence.claims == {"found": []}
    assert "'.'" in found.text  # the search finds what is there


COLD = pytest.param(False, id="cold", marks=pytest.mark.matrix)


@pytest.mark.parametrize("forked", [pytest.param(True, id="forked"), COLD])
async def test_two_regrades_look_the_same(tier, forked):
    launcher = Launcher(tier=tier, forked=forked)
    first, second = [await seen_in_a_regrade(launcher) for _ in range(2)]
    assert first == second
