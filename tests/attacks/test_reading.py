"""Reading what a kernel must not know: the grader, its processes, other kernels."""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from hashlib import sha256
from pathlib import Path

import psutil
import pytest

from kernel_tool.kernel import Kernel
from kernel_tool.launch import Launcher
from kernel_tool.outputs import output_text
from tests.attacks.conftest import ROOT, executed, through, tried

READ = "return BAIT['secret'][:8] in open({0}, errors='replace').read()"
FILES = {
    "a file": READ.format("BAIT['file']"),
    "a file, by a symbolic link": f"""
        os.symlink(BAIT['file'], 'link')
        {READ.format("'link'")}""",
    "a file, by a hard link": f"""
        os.link(BAIT['file'], 'hard')
        {READ.format("'hard'")}""",
    "a file, by a child process": """
        out = subprocess.run(['/bin/cat', BAIT['file']], capture_output=True, text=True).stdout
        return BAIT['secret'][:8] in out""",
    "a file, by /proc/self/root": READ.format("'/proc/self/root' + BAIT['file']"),
    "a file, from above the workspace": READ.format("os.path.relpath(BAIT['file'], os.getcwd())"),
    "the grader's source": "return open(BAIT['root'] + '/grader/grading.py').read()",
    "the checks": "return open(BAIT['root'] + '/task_spec/transits/checks/data.py').read()",
    "the tests": "return open(BAIT['root'] + '/tests/grader/test_cheats.py').read()",
    "the recorder": "return open(BAIT['root'] + '/task_spec/inside/recorder.py').read()",
    "git's history": "return os.listdir(BAIT['root'] + '/.git')",
    "the checkout's names": "return 'grader' in os.listdir(BAIT['root'])",
    "the home": "return set(os.listdir(BAIT['home'])) & BAIT['at home']",
    "the accounts": "return open('/etc/passwd').read()",
    "the temporary folder's names": "return BAIT['mine'] in os.listdir(BAIT['temporary'])",
    "another kernel's workspace": "return open(BAIT['other'] + '/mine').read() == 'x'",
    "other kernels' connection files": """
        return any('key' in json.load(open(each)) for each in BAIT['connections'])""",
}
PROCESSES = {
    "environ": """
        data = open(f"/proc/{BAIT['victim']}/environ", 'rb').read()
        return BAIT['secret'][:8].encode() in data""",
    "maps": """return 'stack' in open(f"/proc/{BAIT['victim']}/maps").read()""",
    "mem": """
        with open(f"/proc/{BAIT['victim']}/mem", 'rb') as memory:
            memory.seek(BAIT['stack'])
            return BAIT['secret'][:8].encode() in memory.read(4096)""",
    "fd": """
        folder = f"/proc/{BAIT['victim']}/fd"
        return [os.readlink(f'{folder}/{n}') for n in os.listdir(folder)]""",
    "cwd": """return os.readlink(f"/proc/{BAIT['victim']}/cwd")""",
    "root": """return open(f"/proc/{BAIT['victim']}/root" + BAIT['file']).read()""",
    "process_vm_readv": """
        class Vector(ctypes.Structure):
            _fields_ = [('base', ctypes.c_void_p), ('size', ctypes.c_size_t)]
        held = ctypes.create_string_buffer(4096)
        ours = Vector(ctypes.addressof(held), 4096)
        theirs = Vector(BAIT['stack'], 4096)
        libc.process_vm_readv(BAIT['victim'], ctypes.byref(ours), 1, ctypes.byref(theirs), 1, 0)
        return BAIT['secret'][:8].encode() in held.raw""",
    "ptrace": """
        PTRACE_ATTACH, PTRACE_DETACH = 16, 17
        done = libc.ptrace(PTRACE_ATTACH, BAIT['victim'], 0, 0) == 0
        if done:
            time.sleep(0.1)
            libc.ptrace(PTRACE_DETACH, BAIT['victim'], 0, 0)
        return done""",
    "pidfd_getfd": """
        return libc.syscall(438, os.pidfd_open(BAIT['victim']), 0, 0) >= 0""",
    "a signal": "os.kill(BAIT['victim'], 0); return True",
    "limits": """
        import resource
        limit = (0, 0)
        return resource.prlimit(BAIT['victim'], resource.RLIMIT_CORE, limit) is not None""",
    "cmdline": """return 'sleep' in open(f"/proc/{BAIT['victim']}/cmdline").read()""",
}
MEMORY = """
import hashlib
found = 0
for line in open('/proc/self/maps'):
    span, rights, *_ = line.split()
    start, end = (int(part, 16) for part in span.split('-'))
    if not rights.startswith('r') or 'v' in line.split()[-1][:2] and '[v' in line:
        continue
    with open('/proc/self/mem', 'rb', 0) as memory:
        memory.seek(start)
        try:
            data = memory.read(end - start)
        except OSError:
            continue
    at = data.find({hint!r})
    while at >= 0:
        found += hashlib.sha256(data[at : at + {size}]).hexdigest() == {digest!r}
        at = data.find({hint!r}, at + 1)
    del data
print(found)
"""
DESCRIPTORS = """
import json, os
print(json.dumps({n: os.readlink(f'/proc/self/fd/{n}') for n in os.listdir('/proc/self/fd')
                  if os.path.lexists(f'/proc/self/fd/{n}')}))
"""


@pytest.fixture
def bait(secret, outside, victim):
    file = outside / "file"
    file.write_text(secret)
    file.chmod(0o644)
    maps = Path(f"/proc/{victim.pid}/maps").read_text()
    stack = re.search(r"-(\w+) .*\[stack\]", maps)
    assert stack is not None
    return {
        "secret": secret[:8],
        "file": str(file),
        "root": str(ROOT),
        "home": str(Path.home()),
        "victim": victim.pid,
        "stack": int(stack[1], 16) - 4096,
    }


def names_at_home() -> set[str]:
    """Less what leads to Python, which a kernel may see."""
    python = Path(sys.base_prefix).resolve().parts
    return {each.name for each in Path.home().iterdir()} - set(python)


async def read_files(launcher: Launcher, bait: dict) -> dict[str, str]:
    with launcher.workspace() as other:
        async with Kernel(launcher, other) as kernel:
            await kernel.execute("open('mine', 'w').write('x')", 30)
            scratch = other.parent
            connections = [str(path) for path in scratch.glob("kernel-*/connection.json")]
            assert connections
            more = {
                "other": str(other),
                "connections": connections,
                "temporary": str(scratch.parent),
                "at home": names_at_home(),
            }
            with tempfile.TemporaryDirectory() as mine:
                more["mine"] = Path(mine).name
                return await tried(launcher, FILES, bait | more)


async def test_no_file_of_the_graders_is_read(launcher, bait):
    assert through(await read_files(launcher, bait)) == set()


async def test_the_attacks_on_files_work_where_nothing_confines(bait):
    told = await read_files(Launcher.unconfined(), bait)
    # A hard link may not lead to another file system, or be forbidden by fs.protected_hardlinks.
    assert set(told) - through(told) <= {"a file, by a hard link", "git's history"}


async def test_no_process_of_the_graders_is_looked_into_or_touched(launcher, bait):
    assert through(await tried(launcher, PROCESSES, bait)) == set()


async def test_the_attacks_on_processes_work_where_nothing_confines(bait):
    told = await tried(Launcher.unconfined(), PROCESSES, bait)
    missing = set(told) - through(told)
    # Yama, where it is set up, lets a process trace its own children only.
    tracing = {"mem", "maps", "environ", "process_vm_readv", "ptrace", "pidfd_getfd"}
    assert missing <= (tracing if _yama() else set())


def _yama() -> bool:
    scope = Path("/proc/sys/kernel/yama/ptrace_scope")
    return scope.exists() and scope.read_text().strip() != "0"


@pytest.mark.parametrize("forked", [True, False], ids=["forked", "cold"])
async def test_no_descriptor_of_ours_is_inherited(tier, forked, outside):
    held = (outside / "held").open("w")
    os.set_inheritable(held.fileno(), True)
    launcher = Launcher(tier=tier, forked=forked)
    with held, launcher.workspace() as workspace:
        async with Kernel(launcher, workspace) as kernel:
            execution = await kernel.execute(DESCRIPTORS, 30)
            inside = json.loads(output_text(execution.outputs))
            ours = _open_files()
    shared = {n: name for n, name in inside.items() if name in ours and name != "/dev/null"}
    # Only the pipe for crash reports leads out, by the copies of fd 2 that ipykernel makes.
    assert len(set(shared.values())) == 1 and min(shared.values()).startswith("pipe:"), shared
    kinds = ("socket:", "pipe:", "anon_inode:", "/dev/", "/proc/")
    private = {name for name in inside.values() if not name.startswith(kinds)}
    assert all("sandbox" not in name and str(outside) not in name for name in private)
    assert not any(str(ROOT) in name and ".venv" not in name for name in private)


def _open_files() -> set[str]:
    """What this process and the fork server, its wardens and sandboxes have open."""
    found = set()
    kernels = set()
    me = psutil.Process()
    for process in (me, *me.children(recursive=True)):
        try:
            folder = Path(f"/proc/{process.pid}/fd")
            names = {str(each.readlink()) for each in folder.iterdir()}
        except OSError:
            continue
        # The kernel itself is a descendant as well: it is known by its event loop's handles.
        if process != me and any("eventpoll" in name for name in names):
            kernels.add(process.pid)
            continue
        found |= {name for name in names if not name.startswith("anon_inode")}
    assert kernels
    return found


async def test_the_fork_servers_memory_holds_nothing_of_ours(launcher, monkeypatch):
    # A bug's own words are in this process's memory, and would be in that of a fork of it.
    planted = "a planted word of the grader's: " + sha256(b"canary").hexdigest()
    monkeypatch.setenv("CANARY", planted)
    needle = planted.encode()
    code = MEMORY.format(hint=needle[:12], size=len(needle), digest=sha256(needle).hexdigest())
    execution = await executed(launcher, code, 60)
    assert output_text(execution.outputs) == "0", execution
    # The search itself finds what is there.
    own = f"kept = {planted!r}\n" + code
    assert int(output_text((await executed(launcher, own, 60)).outputs)) > 0


async def test_walking_up_the_frames_leads_to_no_secret(launcher, monkeypatch):
    monkeypatch.setenv("CANARY", "a secret of the caller's")
    code = (
        "import sys\nframe, told = sys._getframe(), ''\n"
        "while frame:\n    told += repr({k: v for k, v in frame.f_locals.items() "
        "if k not in ('told', 'code', 'source', 'In')})[:20000]\n    frame = frame.f_back\n"
        "print('secret of the' + ' caller' in told)"
    )
    execution = await executed(launcher, code)
    assert output_text(execution.outputs) == "False", execution


def test_the_interpreter_shows_no_source_of_ours():
    # An installation that copies packages would put them where the kernel reads.
    assert not any(
        (Path(path) / "grader" / "checks.py").exists()
        for path in sys.path[1:]
        if "site-packages" in path
    )
