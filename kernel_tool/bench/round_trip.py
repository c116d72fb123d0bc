"""How long a trivial cell takes, from sending it to having its reply and its outputs."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import zmq
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

from kernel_tool.bench.cells import TRIVIAL
from kernel_tool.bench.results import Effort, Part
from kernel_tool.bench.ways import PATIENCE, client_of, run_code
from kernel_tool.kernel import Kernel
from kernel_tool.launch import Launcher
from kernel_tool.provisioner import kernel_manager

OURS, NBCLIENT, INTERACTIVE = "ours", "nbclient", "execute_interactive"
RAW, EXEC = "raw messages", "exec in process"
# Cells that one way runs before the next has its turn.
_BLOCK = 10
_DELIMITER = b"<IDS|MSG>"

Cell = Callable[[], Awaitable[None]]


async def measure(effort: Effort, say: Callable[[str], None]) -> Part:
    part = Part("round_trip", "round trip of a trivial cell")
    found: dict[str, list[float]] = {}
    async with AsyncExitStack() as stack:
        # A kernel each: on a shared one, each client would also be sent the others' outputs.
        ways: dict[str, Cell] = {
            OURS: await stack.enter_async_context(_ours()),
            NBCLIENT: await stack.enter_async_context(_nbclient()),
            INTERACTIVE: await stack.enter_async_context(_interactive()),
            RAW: await stack.enter_async_context(_raw()),
            EXEC: _exec,
        }
        for cell in ways.values():
            await _block(cell, [])  # the first cells import things
        names = list(ways)
        for number in range(-(-effort.cells // _BLOCK)):
            say(f"{number * _BLOCK} of {effort.cells} cells")
            # Each way follows each other way equally often.
            for name in names[number % len(names) :] + names[: number % len(names)]:
                await _block(ways[name], found.setdefault(name, []))
    for name in names:
        part.add("cell", name, "ms", found[name])
    part.compare(("cell", OURS), ("cell", RAW), 1.2)
    for name in (NBCLIENT, INTERACTIVE):
        part.compare(("cell", name), ("cell", RAW))
    return part


async def _block(cell: Cell, samples: list[float]) -> None:
    for _ in range(_BLOCK):
        started = time.perf_counter()
        await cell()
        samples.append(1000 * (time.perf_counter() - started))


@asynccontextmanager
async def _ours() -> AsyncIterator[Cell]:
    launcher = Launcher()
    with launcher.workspace() as workspace:
        async with Kernel(launcher, workspace) as kernel:
            yield lambda: run_code(kernel, TRIVIAL)


@asynccontextmanager
async def _nbclient() -> AsyncIterator[Cell]:
    launcher = Launcher()
    manager = kernel_manager(launcher)
    client = NotebookClient(new_notebook(cells=[new_code_cell(TRIVIAL)]), km=manager)

    async def cell() -> None:
        await client.async_execute_cell(client.nb.cells[0], 0)

    with launcher.workspace() as workspace:
        async with client.async_setup_kernel(cwd=str(workspace), cleanup_kc=True):
            yield cell


@asynccontextmanager
async def _interactive() -> AsyncIterator[Cell]:
    launcher = Launcher()
    with launcher.workspace() as workspace:
        async with client_of(kernel_manager(launcher), cwd=str(workspace)) as client:

            async def cell() -> None:
                await client.execute_interactive(
                    TRIVIAL, timeout=PATIENCE, allow_stdin=False, output_hook=lambda _: None
                )

            yield cell


@asynccontextmanager
async def _raw() -> AsyncIterator[Cell]:
    launcher = Launcher()
    manager = kernel_manager(launcher)
    with launcher.workspace() as workspace:
        async with client_of(manager, cwd=str(workspace)):
            wire = _Wire(dict(manager.get_connection_info()))
            try:

                async def cell() -> None:
                    wire.execute(TRIVIAL)

                yield cell
            finally:
                wire.close()


async def _exec() -> None:
    exec(compile(TRIVIAL, "cell", "exec"), {})


class _Wire:
    """The protocol by hand, on blocking sockets: no event loop, nothing kept of the outputs.

    It signs what it sends, and checks and parses all that it receives, as any client must.
    """

    def __init__(self, connection: dict[str, Any]) -> None:
        self._key = bytes(connection["key"])
        self._session = uuid.uuid4().hex
        self._context = zmq.Context()
        self._shell = self._connect(zmq.DEALER, connection, "shell_port")
        self._iopub = self._connect(zmq.SUB, connection, "iopub_port")
        self._iopub.subscribe(b"")
        self._poller = zmq.Poller()
        for socket in (self._shell, self._iopub):
            self._poller.register(socket, zmq.POLLIN)
        self._iopub.poll(1000)  # the subscription is there when it is welcomed

    def _connect(self, kind: int, connection: dict[str, Any], port: str) -> zmq.SyncSocket:
        socket = self._context.socket(kind)
        socket.connect(f"ipc://{connection['ip']}-{connection[port]}")
        return socket

    def execute(self, code: str) -> None:
        """Send a cell and wait for its reply and for the kernel to be idle."""
        request = uuid.uuid4().hex
        self._send(request, {"code": code, "silent": False, "store_history": True})
        replied = idle = False
        while not (replied and idle):
            for socket, _ in self._poller.poll():
                kind, parent, content = self._receive(socket)
                if parent != request:
                    continue
                replied |= kind == "execute_reply"
                idle |= kind == "status" and content["execution_state"] == "idle"

    def _send(self, request: str, content: dict[str, Any]) -> None:
        header = {
            "msg_id": request,
            "msg_type": "execute_request",
            "session": self._session,
            "username": "bench",
            "date": "2000-01-01T00:00:00Z",
            "version": "5.4",
        }
        parts = [json.dumps(each).encode() for each in (header, {}, {}, content)]
        self._shell.send_multipart([_DELIMITER, self._sign(parts), *parts])

    def _receive(self, socket: Any) -> tuple[str, str, dict[str, Any]]:
        frames = socket.recv_multipart()
        at = frames.index(_DELIMITER) if _DELIMITER in frames else -1
        if at < 0:
            return "iopub_welcome", "", {}
        parts = frames[at + 2 : at + 6]
        if not hmac.compare_digest(self._sign(parts), frames[at + 1]):
            raise RuntimeError("a message was signed with another key")
        header, parent, _, content = [json.loads(part) for part in parts]
        return str(header["msg_type"]), str(parent.get("msg_id", "")), dict(content)

    def _sign(self, parts: list[bytes]) -> bytes:
        digest = hmac.new(self._key, digestmod=hashlib.sha256)
        for part in parts:
            digest.update(part)
        return digest.hexdigest().encode()

    def close(self) -> None:
        self._context.destroy(linger=0)
