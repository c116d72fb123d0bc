"""Writing where a kernel must not, and leaving traps for the host in its workspace."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from grader.evidence import EvidenceError, read_evidence
from grader.reexecute import run_world
from kernel_tool.kernel import Kernel
from kernel_tool.launch import Launcher
from kernel_tool.outputs import output_text
from kernel_tool.sandbox.quota import MIB
from kernel_tool.sandbox.tier import Tier
from kernel_tool.session import Limits, Session, SubmitTool
from task_spec.model import Budgets, World
from tests.attacks.conftest import executed, same_user, through, tried, with_quota

NAMES = ("over", "link", "hard", "cut", "remove", "move", "mode", "times")
# Each has a file of its own, so that none stands in the way of the next.
CONTENT = {
    "write a new file": "open(BAIT['folder'] + '/new', 'w').write('x'); return True",
    "write over a file": "open(BAIT['over'], 'w').write('x'); return True",
    "write by a symbolic link": """
        os.symlink(BAIT['link'], 'way_out')
        open('way_out', 'w').write('x')
        return True""",
    "write by a hard link": """
        os.link(BAIT['hard'], 'hard')
        open('hard', 'w').write('x')
        return True""",
    "cut a file short": "os.truncate(BAIT['cut'], 1); return True",
    "remove a file": "os.remove(BAIT['remove']); return True",
    "move a file in": "os.rename(BAIT['move'], 'moved'); return True",
    "move a file out": """
        open('mine', 'w').close()
        os.rename('mine', BAIT['folder'] + '/moved')
        return True""",
    "make a folder": "os.mkdir(BAIT['folder'] + '/made'); return True",
    "make a pipe": "os.mkfifo(BAIT['folder'] + '/pipe'); return True",
    "make a socket": """
        socket.socket(socket.AF_UNIX).bind(BAIT['folder'] + '/bound')
        return True""",
}
METADATA = {
    "permissions": "os.chmod(BAIT['mode'], 0); return True",
    "times": "os.utime(BAIT['times'], (1, 1)); return True",
}
# Never tried without confinement.
SYSTEM = {
    "Python's packages": "open(BAIT['packages'] + '/x.pth', 'w'); return True",
    "Python's library": "open(os.__file__, 'a'); return True",
    "the system": "open('/usr/bin/x', 'w'); return True",
    "settings": "open('/etc/x', 'w'); return True",
    "the top folder": "open('/x', 'w'); return True",
    "devices": "open('/dev/x', 'w'); return True",
    "the kernel's settings": "open('/proc/sys/vm/drop_caches', 'w').write('0'); return True",
    "the emergency key": "open('/proc/sysrq-trigger', 'w').write('h'); return True",
    "remount": "return libc.mount(b'none', b'/', None, 32, None) == 0",
    "mount": "return libc.mount(b'none', os.getcwd().encode(), b'tmpfs', 0, None) == 0",
    "unmount": "return libc.umount2(b'/proc', 2) == 0",
    "new mount calls": "return libc.syscall(430, b'tmpfs', 0) >= 0",
    "another root": "os.chroot('.'); return True",
    "another user": "os.setuid(0 if os.getuid() else 1); return True",
    "a device node": "os.mknod('disk', 0o600 | stat.S_IFBLK, os.makedev(254, 0)); return True",
    "a character device": "os.mknod('mem', 0o600 | stat.S_IFCHR, os.makedev(1, 1)); return True",
    "a file's owner": "open('f', 'w'); os.chown('f', 12345, 12345); return True",
    "a namespace": "return libc.unshare(0x10000000) == 0",
    "a capability": """
        status = open('/proc/self/status').read()
        held = [line.split()[1] for line in status.splitlines()
                if line.startswith(('CapPrm', 'CapEff', 'CapInh', 'CapAmb'))]
        read_search = 1 << 2  # root's kernels keep it where Python lies in a folder of root's
        return any(int(each, 16) & ~read_search for each in held)""",
    "a setuid program": """
        fields = dict(line.split(':\\t') for line in open('/proc/self/status') if ':\\t' in line)
        return fields['NoNewPrivs'].strip() != '1' or fields['Seccomp'].strip() != '2'""",
    "a higher limit": """
        import resource
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard + 1, hard + 1))
        return True""",
}


@pytest.fixture
def bait(outside):
    made = {name: outside / name for name in NAMES}
    for path in made.values():
        path.write_text("precious")
        path.chmod(0o666)
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    named = {name: str(path) for name, path in made.items()}
    return named | {"folder": str(outside), "packages": packages}


def state(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir() if path.is_file()}


async def test_nothing_outside_is_written(launcher, bait, outside):
    before = state(outside)
    assert through(await tried(launcher, CONTENT, bait)) == set()
    assert state(outside) == before and len(list(outside.iterdir())) == len(before)


async def test_the_attacks_write_where_nothing_confines(bait, outside):
    told = await tried(Launcher.unconfined(), CONTENT, bait)
    # Hard links and moves may not lead to another file system.
    missing = set(CONTENT) - through(told)
    assert missing <= {"write by a hard link", "move a file in", "move a file out"}
    assert state(outside)["over"] == state(outside)["link"] == "x"


async def test_permissions_and_times_outside(launcher, tier, bait):
    """REMAINS: Landlock knows no right for these, so a kernel of the same user changes them."""
    told = await tried(launcher, METADATA, bait)
    remains = set(METADATA) if same_user(tier) and tier is Tier.LANDLOCK else set()
    assert through(told) == remains


async def test_the_system_and_python_are_read_only(launcher, bait):
    assert through(await tried(launcher, SYSTEM, bait)) == set()


FILL = """
import os
written = 0
try:
    with open({path!r}, 'wb', 0) as file:
        while written < 64 << 20:
            written += file.write(bytes(1 << 20))
except OSError as error:
    print(written >> 20, error.strerror)
else:
    print('no end')
    import time; time.sleep(4)
"""


@pytest.mark.parametrize("place", ["/dev/shm/x", "/tmp/x", "HOME"])
async def test_folders_beside_the_workspace_have_an_end(launcher, tier, place):
    launcher = with_quota(launcher, scratch=8 * MIB, workspace=16 * MIB)
    code = FILL.format(path=place).replace("'HOME'", "os.environ['HOME'] + '/x'")
    execution = await executed(launcher, code)
    shown = output_text(execution.outputs)
    if tier is Tier.BUBBLEWRAP:
        assert shown.endswith("No space left on device") and int(shown.split()[0]) <= 8
    elif place == "HOME":  # it lies on the disk, and is watched as the workspace is
        assert execution.status == "died" and "of files, 16 are allowed" in execution.note
    else:
        assert "PermissionError" in shown or "Permission denied" in shown


BOMBS = {
    "large files": "for i in range(9): open(f'f{i}', 'wb').write(bytes(4 << 20))",
    "many small files": "for i in range(900): open(f'f{i}', 'w').close()",
    "many folders": "for i in range(900): os.mkdir(f'd{i}')",
    "deep folders": "for i in range(900): os.mkdir('d'); os.chdir('d')",
    "hidden files": "os.mkdir('.h')\nfor i in range(900): open(f'.h/f{i}', 'w').close()",
    "a folder that can't be listed": (
        "os.mkdir('h', 0o300)\nfor i in range(900): open(f'h/f{i}', 'w').close()"
    ),
}


@pytest.mark.parametrize("bomb", BOMBS)
async def test_a_disk_bomb_ends_the_kernel(launcher, bomb):
    launcher = with_quota(launcher, workspace=16 * MIB, workspace_files=500)
    code = f"import os, time\n{BOMBS[bomb]}\ntime.sleep(10)"
    execution = await executed(launcher, code)
    assert execution.status == "died", execution
    assert "The kernel was killed for what it used" in execution.note
    assert "are allowed" in execution.note


UNLINKED = """
import os, time
held = []
for i in range(8):
    held.append(os.open('f', os.O_CREAT | os.O_RDWR)); os.unlink('f')
    os.write(held[-1], bytes(4 << 20))
time.sleep(3)
"""


async def test_files_without_a_name_count(launcher):
    execution = await executed(with_quota(launcher, workspace=16 * MIB), UNLINKED)
    assert execution.status == "died"


SOCKET_NODES = """
import json, os, socket, time
with open(os.environ['HOME'] + '/connection.json') as file:
    folder = os.path.dirname(json.load(file)['ip'])
for i in range(900):
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(f'{folder}/x{i}')
time.sleep(2)
"""


async def test_sockets_without_end_count_as_files(launcher):
    execution = await executed(with_quota(launcher, workspace_files=500), SOCKET_NODES)
    assert execution.status in ("died", "error")


# --- traps for what the host writes and reads in the workspace


def opened_session(launcher: Launcher, workspace: Path) -> Session:
    node = new_notebook(cells=[new_code_cell("x = 1", id="one")])
    nbformat.write(node, workspace / "n.ipynb")
    submit = SubmitTool("Hands in.", {"type": "object", "properties": {}}, lambda _: [])
    return Session(workspace / "n.ipynb", workspace, launcher, Limits(), submit)


NOTEBOOK_TRAPS = {
    "link to a file": "os.remove('n.ipynb'); os.symlink({file!r}, 'n.ipynb')",
    "hard link to another name": "os.remove('n.ipynb'); open('a', 'w'); os.link('a', 'n.ipynb')",
    "pipe": "os.remove('n.ipynb'); os.mkfifo('n.ipynb')",
    "folder": "os.remove('n.ipynb'); os.makedirs('n.ipynb/x')",
    "device by link": "os.remove('n.ipynb'); os.symlink('/dev/zero', 'n.ipynb')",
    "no rights": "os.chmod('.', 0)",
}
OUTPUT_TRAPS = {
    "link to a folder": "os.symlink({folder!r}, '.outputs')",
    "link to nothing": "os.symlink({folder!r} + '/nothing', '.outputs')",
    "pipe": "os.mkfifo('.outputs')",
    "file": "open('.outputs', 'w').close()",
    "links inside": "os.mkdir('.outputs')\n"
    "for i in range(20): os.symlink({file!r}, f'.outputs/{{i:03}}.txt')",
}


@pytest.mark.parametrize("trap", NOTEBOOK_TRAPS)
async def test_the_notebooks_copy_is_written_into_no_trap(launcher, outside, trap):
    (outside / "file").write_text("precious")
    code = NOTEBOOK_TRAPS[trap].format(file=str(outside / "file"))
    with launcher.workspace() as workspace:
        async with opened_session(launcher, workspace) as session:
            began = time.monotonic()
            await session.call("run_code", {"code": f"import os\n{code}"})
            result = await session.call("edit_cell", {"cell_id": "one", "source": "x = 2"})
            assert not result.is_error and time.monotonic() - began < 20
            assert (await session.call("run_code", {"code": "1"})).fault is None
            await session.call("submit", {})
            assert session.submission.notebook.cells[0].source == "x = 2"
        workspace.chmod(0o700)
    assert state(outside) == {"file": "precious"}


@pytest.mark.parametrize("trap", OUTPUT_TRAPS)
async def test_long_outputs_are_written_into_no_trap(launcher, outside, trap):
    (outside / "file").write_text("precious")
    code = OUTPUT_TRAPS[trap].format(file=str(outside / "file"), folder=str(outside))
    with launcher.workspace() as workspace:
        async with opened_session(launcher, workspace) as session:
            await session.call("run_code", {"code": f"import os\n{code}"})
            code = "for i in range(9000): print(i, 'long')"
            result = await session.call("run_code", {"code": code})
            assert result.fault is None
            written = "the whole text is in the file" in result.text
            assert written == (trap == "links inside") or "could not be written" in result.text
    assert state(outside) == {"file": "precious"}


def plain_world(probe: str = "pass") -> World:
    """A world whose hidden inputs are one file, and whose probe is given."""

    def reveal(folder: Path, truth: object) -> None:
        (folder / "hidden").mkdir(exist_ok=True)
        (folder / "hidden" / "inputs.txt").write_text("inputs")

    return World("plain", "", lambda *_: None, reveal, "pass", probe)


HIDDEN_TRAPS = {
    "link to a folder": "os.symlink({folder!r}, 'hidden')",
    "link to a file within": "os.mkdir('hidden'); os.symlink({file!r}, 'hidden/inputs.txt')",
    "pipe within": "os.mkdir('hidden'); os.mkfifo('hidden/inputs.txt')",
    "pipe": "os.mkfifo('hidden')",
    "file": "open('hidden', 'w').close()",
}


@pytest.mark.parametrize("trap", HIDDEN_TRAPS)
async def test_hidden_inputs_are_written_into_no_trap(launcher, outside, trap):
    (outside / "file").write_text("precious")
    code = HIDDEN_TRAPS[trap].format(file=str(outside / "file"), folder=str(outside))
    run = await run_world([f"import os\n{code}"], plain_world(), launcher, Budgets(), {})
    assert run.evidence is None and "in the way of the grader's inputs" in run.error
    assert state(outside) == {"file": "precious"}


SAVE = "import numpy; numpy.savez({0}, a=numpy.arange(2)); open({1}, 'w').write('{{}}')"
EVIDENCE_TRAPS = {
    "folder by link": (
        "os.mkdir('e'); " + SAVE.format("'e/arrays.npz'", "'e/claims.json'") + "\n"
        "os.symlink('e', 'evidence')",
        "the run left no folder evidence",
    ),
    "the grader's folder by link": (
        "os.symlink(BAIT, 'evidence')",
        "the run left no folder evidence",
    ),
    "file by link": (
        "os.mkdir('evidence'); os.symlink(BAIT + '/claims.json', 'evidence/claims.json')",
        "the run left no claims.json",
    ),
    "folder as a pipe": ("os.mkfifo('evidence')", "the run left no folder evidence"),
    "file as a pipe": (
        "os.mkdir('evidence'); os.mkfifo('evidence/claims.json')",
        "no regular file",
    ),
    "file as a socket": (
        "import socket; os.mkdir('evidence'); "
        "socket.socket(socket.AF_UNIX).bind('evidence/claims.json')",
        "claims.json",
    ),
    "endless file": (
        "os.mkdir('evidence'); open('evidence/claims.json', 'w').truncate(60_000_000)",
        "no regular file of at most",
    ),
    "nothing": ("pass", "the run left no folder evidence"),
    "a folder without rights": ("os.mkdir('evidence', 0)", "the run left no"),
}


@pytest.mark.parametrize("trap", EVIDENCE_TRAPS)
async def test_evidence_is_read_from_no_trap(launcher, outside, trap):
    code, why = EVIDENCE_TRAPS[trap]
    (outside / "claims.json").write_text(json.dumps({"another": "run"}))
    cells = ["import os", f"BAIT = {str(outside)!r}\n{code}"]
    run = await run_world(cells, plain_world(), launcher, Budgets(), {})
    assert run.evidence is None and why in run.error


def test_arrays_that_unpack_without_end_are_refused(tmp_path):
    """A thousandfold: 50 MB, the most that is read, would fill 50 GB of the grader's memory."""
    (tmp_path / "evidence").mkdir()
    (tmp_path / "evidence" / "claims.json").write_text("{}")
    np.savez_compressed(tmp_path / "evidence" / "arrays.npz", a=np.zeros(60 << 20, np.uint8))
    with pytest.raises(EvidenceError):
        read_evidence(tmp_path)


async def test_files_of_a_run_are_gone_after_it(launcher):
    with launcher.workspace() as workspace:
        async with Kernel(launcher, workspace) as kernel:
            code = "import os; os.makedirs('a/b'); os.chmod('a/b', 0); os.chmod('a', 0)"
            await kernel.execute(code, 30)
        kept = workspace
    assert not kept.exists()
