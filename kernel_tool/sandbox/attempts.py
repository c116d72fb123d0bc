"""Ways out, tried from inside. Runs alone in a confined process, which is told of BAITS."""

import ctypes
import json
import os
import resource
import signal
import socket
import sys

libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWUSER, PTRACE_TRACEME = 0x10000000, 0


def secret_in(path):
    with open(path, "rb") as file:
        return BAITS["hint"].encode() in file.read()


def attempt(function, *arguments):
    """Whether it did what it should not be able to do."""
    try:
        return bool(function(*arguments))
    except Exception:
        return False


def write_outside():
    with open(os.path.join(BAITS["folder"], "written"), "w") as file:
        file.write("here")


def reach(family, kind, address):
    with socket.socket(family, kind) as outgoing:
        outgoing.settimeout(2)
        outgoing.connect(tuple(address) if isinstance(address, list) else address)
        outgoing.send(b"here")


def write_to_root():
    with open("/kernel_tool_was_here", "w") as file:
        file.write("here")
    os.remove("/kernel_tool_was_here")
    return True


def own_namespace():
    child = os.fork()
    if child == 0:
        os._exit(0 if libc.unshare(CLONE_NEWUSER) == 0 else 1)
    return os.waitpid(child, 0)[1] == 0


def trace():
    child = os.fork()
    if child == 0:
        os._exit(0 if libc.ptrace(PTRACE_TRACEME, 0, 0, 0) == 0 else 1)
    return os.waitpid(child, 0)[1] == 0


def multipath():
    socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262).close()
    return True


def too_many_processes():
    children = []
    try:
        for _ in range(BAITS["processes"] + 8):
            child = os.fork()
            if child == 0:
                signal.pause()
            children.append(child)
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    return True


def set_user_bit():
    with open("scratch", "w"):
        os.chmod("scratch", 0o4755)
    return True


def datagram():
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with one, other:
        one.sendto(b"here", BAITS["datagrams"])


VICTIM = BAITS["victim"]
done = {
    "read a file outside": attempt(secret_in, os.path.join(BAITS["folder"], "secret")),
    "read another process's environment": attempt(secret_in, f"/proc/{VICTIM}/environ"),
    "write to the top folder": attempt(write_to_root),
    "make a user namespace": attempt(own_namespace),
    "trace a process": attempt(trace),
    "open a multipath TCP socket": attempt(multipath),
    "start more processes than allowed": attempt(too_many_processes),
    "make a file that gives its user's rights away": attempt(set_user_bit),
    "read another process's command line": attempt(secret_in, f"/proc/{VICTIM}/cmdline"),
    "use io_uring": attempt(lambda: libc.syscall(425, 1, ctypes.create_string_buffer(120)) >= 0),
    "keep memory that no limit counts": attempt(lambda: os.memfd_create("x") >= 0),
}
attempt(write_outside)
attempt(resource.prlimit, VICTIM, resource.RLIMIT_CPU, (1, 1))
attempt(os.kill, VICTIM, signal.SIGKILL)
attempt(datagram)
for family, kind, address in BAITS["sockets"].values():
    attempt(reach, family, kind, address)
# Without these a kernel can't work: an error here is a fault of the sandbox.
with open("scratch", "w") as file:
    file.write("mine")
os.remove("scratch")
os.urandom(1)
print(json.dumps(done), file=sys.stderr)
