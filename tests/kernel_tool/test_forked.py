"""Forked kernels against cold ones: the same numbers, the same surroundings; and warm ones."""

from __future__ import annotations

import json
import sys

import psutil
import pytest

from kernel_tool import servers
from kernel_tool.kernel import Kernel
from kernel_tool.launch import Launcher
from kernel_tool.outputs import output_text
from kernel_tool.sandbox.tier import Tier
from kernel_tool.warm import WarmKernels
from tests.tiers import available

TRAIN = """
import hashlib, json
import numpy as np, pandas as pd, torch
from torch import nn
torch.manual_seed(0); rng = np.random.default_rng(0)
x = torch.from_numpy(rng.normal(size=(512, 32)).astype('float32'))
y = torch.from_numpy(rng.integers(0, 3, size=512))
layers = [nn.Linear(32, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Dropout(0.1), nn.Linear(64, 3)]
model = nn.Sequential(*layers)
steps = torch.optim.AdamW(model.parameters())
for _ in range(60):
    steps.zero_grad(); nn.functional.cross_entropy(model(x), y).backward(); steps.step()
frame = pd.DataFrame({'k': rng.integers(0, 5, 1000), 'v': rng.normal(size=1000)})
found = hashlib.sha256(b''.join(p.detach().numpy().tobytes() for p in model.parameters()))
found.update(frame.groupby('k').v.agg(['mean', 'std']).to_numpy().tobytes())
print(found.hexdigest())
"""
STATE = """
import gc, json, locale, os, signal, sys, tempfile, warnings
import matplotlib, numpy, pandas, torch
print(json.dumps({
    'path': sys.path, 'argv': sys.argv, 'flags': list(sys.flags), 'environment': dict(os.environ),
    'hash': hash('a'), 'folder': os.getcwd(), 'temporary': tempfile.gettempdir(),
    'threads': [torch.get_num_threads(), torch.get_num_interop_threads()],
    'settings': [matplotlib.get_configdir(), matplotlib.get_cachedir()],
    'backend': matplotlib.get_backend(), 'collects': gc.isenabled(), 'limits': gc.get_threshold(),
    'locale': locale.getlocale(), 'recursion': sys.getrecursionlimit(),
    'dtype': str(torch.get_default_dtype()),
    'handlers': [str(signal.getsignal(n)) for n in (2, 13, 15, 17, 25)],
    'blocked': [int(n) for n in signal.pthread_sigmask(signal.SIG_BLOCK, [])],
    # By this scipy knows a generator that was seeded, and warns of it.
    'seeded': numpy.random.mtrand._rand._bit_generator._seed_seq is None,
    'open': len(os.listdir('/proc/self/fd')) < 100, 'errors': numpy.geterr(), 'main': __name__,
    'ours': [name for name in sys.modules if name.split('.')[0] in ('kernel_tool', 'grader')],
}))
"""
PLOT = "import matplotlib.pyplot as plt; plt.plot([1, 2]); plt.show()"
RANDOM = (
    "import random, numpy, torch; print(random.random(), numpy.random.rand(), torch.rand(1).item())"
)


async def shown(launcher: Launcher, code: str) -> str:
    with launcher.workspace() as workspace:
        async with Kernel(launcher, workspace) as kernel:
            execution = await kernel.execute(code, 120)
            assert execution.status == "ok", execution
            return output_text(execution.outputs)


async def test_a_forked_kernel_gives_the_numbers_of_a_cold_one():
    forked = {await shown(Launcher(), TRAIN) for _ in range(2)}
    assert forked == {await shown(Launcher(forked=False), TRAIN)}


async def test_a_forked_kernel_has_the_surroundings_of_a_cold_one():
    forked = json.loads(await shown(Launcher(), STATE))
    cold = json.loads(await shown(Launcher(forked=False), STATE))
    assert forked == cold
    assert forked["collects"] and forked["ours"] == []


async def test_each_forked_kernel_draws_its_own_random_numbers():
    drawn = [await shown(Launcher(), RANDOM) for _ in range(2)]
    assert not set(drawn[0].split()) & set(drawn[1].split())


async def test_plots_of_a_forked_kernel_are_pictures():
    launcher = Launcher()
    with launcher.workspace() as workspace:
        async with Kernel(launcher, workspace) as kernel:
            execution = await kernel.execute(PLOT, 60)
    assert any("image/png" in output.get("data", {}) for output in execution.outputs)


async def test_cpu_time_of_a_forked_kernel_is_its_own():
    launcher = Launcher()
    busy = "import time\nstart = time.process_time()\nwhile time.process_time() - start < 1: pass"
    with launcher.workspace() as workspace:
        async with Kernel(launcher, workspace) as kernel:
            idle = kernel.cpu_seconds()
            await kernel.execute(busy, 60)
            assert 0.9 < kernel.cpu_seconds() - idle < 2
        assert 0.9 < kernel.cpu_seconds() - idle < 2


async def test_kernels_start_cold_where_the_server_is_gone_and_it_comes_back():
    assert await shown(Launcher(), "print(1)") == "1"
    first = servers.shared_server(sys.executable)
    assert first is not None
    psutil.Process(first.pid).kill()
    assert await shown(Launcher(), "print(2)") == "2"
    assert first.has_ended()
    with pytest.warns(UserWarning, match="kernels start slower"):
        assert await shown(Launcher(), "print(3)") == "3"
    second = servers.shared_server(sys.executable)
    assert second is not None and second.alive


async def test_several_threads_are_the_kernels_own():
    code = "import torch; print(torch.get_num_threads())"
    assert await shown(Launcher(threads=2), code) == "2"
    assert await shown(Launcher(), code) == "1"


@pytest.mark.parametrize("tier", list(Tier))
async def test_a_warm_kernel_is_handed_out_once_and_replaced(tier):
    available(tier)
    launcher = Launcher(tier=tier)
    async with WarmKernels(launcher, 1) as warm:
        found = []
        for _ in range(2):
            async with warm.workspace() as workspace:
                assert list(workspace.iterdir()) == []
                (workspace / "data").mkdir()
                (workspace / "data" / "x").write_text("here")
                async with Kernel(launcher, workspace, warm=warm) as kernel:
                    code = "import os; open('data/y', 'w').close()\nprint(open('data/x').read())"
                    execution = await kernel.execute(code, 30)
                    assert output_text(execution.outputs) == "here", execution
                    await kernel.restart()
                    again = await kernel.execute("print(sorted(os.listdir('data')))", 30)
                    assert again.status == "error"  # a fresh one: `os` is gone
            found.append(workspace)
            assert not workspace.exists()
        assert found[0] != found[1]


async def test_a_warm_kernel_that_nobody_starts_ends_with_its_workspace():
    async with WarmKernels(Launcher(), 1) as warm:
        before = len(psutil.Process().children(recursive=True))
        async with warm.workspace() as workspace:
            (workspace / "x").write_text("")
        assert not workspace.exists()
    assert len(psutil.Process().children(recursive=True)) < before
