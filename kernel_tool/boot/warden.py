"""A warden: joins a sandbox, forks one process into it, waits for it, and ends what it leaves.

The warden itself stays outside of the sandbox's process namespace, where the process cannot see
it. Its socket is a lease: when the other side goes away, for whatever reason, all of it ends.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import socket
import sys
import traceback
from pathlib import Path
from typing import Any, NoReturn

from kernel_tool.boot import kernel, lockdown
from kernel_tool.boot.orders import Ended, Order, Started

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_CLONE_NEWUSER = 0x10000000
# mount, cgroup, uts, ipc, pid, net
_OTHER_NAMESPACES = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x20000000 | 0x40000000
_LONGEST_ORDER = 1 << 20
_NICENESS = 5


def run(channel: socket.socket) -> NoReturn:
    """Serve the one order that comes over a socket, and exit."""
    code = 1
    try:
        os.setsid()
        order, standard_error = _receive(channel)
        os.dup2(standard_error, 2)
        os.close(standard_error)
        _serve(channel, order)
        code = 0
    except BaseException:
        # Standard error is the caller's pipe by now: it tells why nothing has started.
        traceback.print_exc()
    finally:
        os._exit(code)


def _receive(channel: socket.socket) -> tuple[Order, int]:
    """An order is one line of JSON, sent with the descriptor of its standard error."""
    data, descriptors, _, _ = socket.recv_fds(channel, 1 << 16, 1)
    while data and not data.endswith(b"\n") and len(data) < _LONGEST_ORDER:
        more = channel.recv(1 << 16)
        if not more:
            raise EOFError("the order broke off")
        data += more
    if not descriptors:
        raise EOFError("there was no order")
    return json.loads(data), descriptors[0]


def _serve(channel: socket.socket, order: Order) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if sys.platform == "linux":
        # What the process orphans becomes this warden's child, to be ended with the rest.
        libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    sandbox = None
    if order["namespaces_of"] is not None:
        sandbox = _join(libc, order["namespaces_of"], order["join_user_namespace"])
    awake, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC) if hasattr(os, "pipe2") else os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    pid = os.fork()
    if pid == 0:
        channel.detach()
        _become(order)
    _tell(channel, {"pid": pid, "warden": os.getpid()})
    try:
        _wait(channel, awake, pid)
    finally:
        ended = _end(pid)
        if sandbox is None:
            _end_orphans()
        else:
            # As its first process ends, the sandbox does, with all that runs in it.
            with contextlib.suppress(OSError):
                signal.pidfd_send_signal(sandbox, signal.SIGKILL)
        _tell(channel, ended)


def _join(libc: Any, pid: int, user: bool) -> int:
    """Enter the namespaces of a process, whose handle it returns.

    Into the process namespace comes only what is forked from now on.
    """
    handle = os.pidfd_open(pid)
    flags = _OTHER_NAMESPACES | (_CLONE_NEWUSER if user else 0)
    if libc.setns(handle, flags) != 0:
        raise OSError(ctypes.get_errno(), "setns: joining the sandbox was refused")
    return handle


def _wait(channel: socket.socket, awake: int, pid: int) -> None:
    """Until the process has ended, or nobody is there to be told of it."""
    while True:
        ready, _, _ = select.select([channel.fileno(), awake], [], [])
        if channel.fileno() in ready and not channel.recv(1):
            return
        with contextlib.suppress(BlockingIOError):
            os.read(awake, 64)
        # Left unreaped, so that its number stays its own until it is told.
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            return


def _tell(channel: socket.socket, answer: Started | Ended) -> None:
    with contextlib.suppress(OSError):
        channel.sendall(json.dumps(answer).encode() + b"\n")


def _end(pid: int) -> Ended:
    """Kill the process, unless it has ended, and its group; wait for it."""
    with contextlib.suppress(OSError):
        os.killpg(pid, signal.SIGKILL)
    with contextlib.suppress(OSError):
        os.kill(pid, signal.SIGKILL)
    _, status, usage = os.wait4(pid, 0)
    seconds = usage.ru_utime + usage.ru_stime
    return {"code": os.waitstatus_to_exitcode(status), "cpu_seconds": seconds}


def _end_orphans() -> None:
    """Kill all that descends from the process: without it, its children are this warden's.

    In a process namespace there is no need, since that ends as a whole; and /proc would show
    the numbers of that namespace, which here belong to others.
    """
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    if not children.exists():
        return  # not this kind of system; the process group is gone
    with contextlib.suppress(ChildProcessError):
        while True:
            for child in children.read_text().split():
                with contextlib.suppress(OSError):
                    os.kill(int(child), signal.SIGKILL)
            os.waitpid(-1, 0)


def _become(order: Order) -> NoReturn:
    """What the forked process does: it never returns to the warden's code."""
    code = 1
    try:
        os.setsid()
        _depend_on_the_warden()
        signal.set_wakeup_fd(-1)
        for each in signal.valid_signals():
            with contextlib.suppress(OSError, ValueError):
                signal.signal(each, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for each in (signal.SIGPIPE, signal.SIGXFSZ):  # as Python does: an error is raised
            signal.signal(each, signal.SIG_IGN)
        nothing = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1):
            os.dup2(nothing, number)
        os.closerange(3, 4096)
        if order["lockdown"] is not None:
            lockdown.apply(order["lockdown"])
        kernel.settle(order["environment"], order["folder"], order["threads"])
        if order["code"] is None:
            kernel.serve(order["connection"])
        else:
            exec(compile(order["code"], "order", "exec"), {"__name__": "__order__"})
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _depend_on_the_warden() -> None:
    """Go before the caller does where resources are short, and with the warden if it goes."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("1000")
    # What serves the kernel's messages, and watches over it, comes first.
    os.nice(_NICENESS)
