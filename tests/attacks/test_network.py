"""Reaching anything over a socket."""

from __future__ import annotations

import socket

import pytest

from kernel_tool.launch import Launcher
from tests.attacks.conftest import through, tried

SEND = "s.settimeout(2); s.connect({0}); s.send(b'here'); return True"
REACH = {
    "TCP": "s = socket.socket(); " + SEND.format("BAIT['TCP']"),
    "TCP, by a child process": """
        code = f"import socket; socket.create_connection({BAIT['TCP']!r}, 2).send(b'here')"
        return subprocess.run([sys.executable, '-c', code], capture_output=True).returncode == 0""",
    "UDP": """
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        return s.sendto(b'here', BAIT['UDP'])""",
    "a path": "s = socket.socket(socket.AF_UNIX); " + SEND.format("BAIT['a path']"),
    "a path, by datagram": """
        s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        return s.sendto(b'here', BAIT['a path, by datagram'])""",
    "an abstract name": "s = socket.socket(socket.AF_UNIX); "
    + SEND.format("BAIT['an abstract name']"),
}
# A pair is connected from birth, but a datagram may name another receiver.
BY_PAIR = """
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    return one.sendto(b'here', BAIT['a path, by datagram'])"""
MAKE = {
    "MPTCP": "return socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)",
    "SCTP": "return socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132)",
    "raw": "return socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)",
    "ping": "return socket.socket(socket.AF_INET, socket.SOCK_DGRAM, 1)",
    "packet": "return socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
    "netlink": "return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
    "vsock": "return socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)",
    "kernel cryptography": "return socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET)",
    "TCP over IPv6": "return socket.socket(socket.AF_INET6)",
    "a local sequence": "return socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)",
    "io_uring": "return libc.syscall(425, 1, ctypes.create_string_buffer(120)) >= 0",
    "the 32-bit numbers of x86": "return libc.syscall(0x40000000 + 41, 2, 1, 0) >= 0",
    "DNS": "return socket.getaddrinfo('example.com', 80)",
}


@pytest.fixture
def listeners(listen, outside, secret):
    inet, unix = socket.AF_INET, socket.AF_UNIX
    tcp = listen(inet, socket.SOCK_STREAM, ("127.0.0.1", 0))
    return {
        "TCP": tcp,
        "TCP, by a child process": tcp,
        "UDP": listen(inet, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
        "a path": listen(unix, socket.SOCK_STREAM, str(outside / "stream")),
        "a path, by datagram": listen(unix, socket.SOCK_DGRAM, str(outside / "datagram")),
        "an abstract name": listen(unix, socket.SOCK_STREAM, f"\0{secret}"),
    }


def addresses(listeners):
    # An abstract address comes back as bytes.
    return {name: each.getsockname() for name, each in listeners.items()}


def reached(listeners) -> set[str]:
    found = set()
    for name, listener in listeners.items():
        try:
            if listener.type == socket.SOCK_DGRAM:
                listener.recv(16)
            else:
                listener.accept()[0].close()
        except BlockingIOError:
            continue
        found.add(name)
    return found


async def test_nobody_is_reached(launcher, listeners):
    told = await tried(launcher, REACH, addresses(listeners))
    assert through(told) == set() and reached(listeners) == set()


async def test_the_attacks_reach_us_where_nothing_confines(listeners):
    told = await tried(Launcher.unconfined(), REACH, addresses(listeners))
    assert through(told) == set(REACH)
    assert reached(listeners) == set(listeners)


async def test_a_pair_of_datagram_sockets_reaches_nobody(launcher, listeners):
    await tried(launcher, {"pair": BY_PAIR}, addresses(listeners))
    assert reached(listeners) == set()


async def test_that_pair_reaches_us_where_nothing_confines(listeners):
    told = await tried(Launcher.unconfined(), {"pair": BY_PAIR}, addresses(listeners))
    assert through(told) == {"pair"} and reached(listeners) == {"a path, by datagram"}


async def test_no_socket_is_made_but_local_streams(launcher):
    assert through(await tried(launcher, MAKE, {})) == set()


async def test_such_sockets_are_made_where_nothing_confines():
    told = await tried(
        Launcher.unconfined(), {n: MAKE[n] for n in ("netlink", "a local sequence")}, {}
    )
    assert through(told) == set(told)
