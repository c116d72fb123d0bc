"""One execution on one kernel process, from request to outcome."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from kernel_tool.connection import Connection, Message
from kernel_tool.execution import Collector, Execution, OutputCaps, Status

# How often the process is checked for life while it runs code, in seconds.
_PULSE = 0.2
# How long a process may be dead before that is known here.
_WORD_OF_DEATH = 0.1
# How long to wait for the second of "replied" and "idle", should one of them have been lost:
# if messages are known to be missing, and else.
_STRAGGLER_OF_LOST = 2.0
# On a busy machine the outputs come seconds after the reply.
_STRAGGLER = 10.0


class Run:
    """One execution on one connection."""

    def __init__(self, connection: Connection, caps: OutputCaps, grace: float) -> None:
        self._connection = connection
        self._collector = Collector(caps)
        self._grace = grace
        self._request = ""
        self._reply: dict[str, Any] | None = None
        self._finished: float | None = None
        self._idle = False
        self._lost = False
        self._late = False
        self._stopped = ""
        self._cut: set[str] = set()

    async def execute(self, code: str, limit: float, silent: bool) -> Execution:
        started = time.monotonic()
        if not self._connection.alive():
            return self._outcome("died", started, "It had died before this code was run.")
        try:
            self._request = self._connection.send(
                "shell", "execute_request", _request(code, silent)
            )
            return await self._watch(started, limit)
        except asyncio.CancelledError:
            self._connection.interrupt()
            raise

    async def _watch(self, started: float, limit: float) -> Execution:
        """Until it is finished, dead, or too late."""
        if await self._until(started + limit):
            return self._ended(started)
        if not self._connection.alive():
            return self._outcome("died", started, self._connection.cause_of_death())
        if not self._stopped:
            self._late = True
            self._stopped = f"Interrupted at the time limit of {limit:.4g} s."
        # Asked twice: code with its own handler for the first may still be well-behaved.
        for _ in range(2):
            self._connection.interrupt()
            if await self._until(time.monotonic() + self._grace / 2):
                return self._ended(started)
        why = f"{self._stopped} It did not stop within {self._grace:g} s and was killed."
        return self._outcome("died", started, why)

    async def _until(self, deadline: float) -> bool:
        """Take in messages; whether the execution finished before the deadline, or a death."""
        while (left := deadline - time.monotonic()) > 0:
            messages = await self._connection.receive(min(_PULSE, left))
            for channel, message in messages:
                self._take(channel, message)
            await self._mend()
            if self._is_finished():
                return True
            if self._collector.flooded and not self._stopped:
                self._stopped = "Interrupted: it printed too much."
                return False
            if not messages and not self._connection.alive():
                return False
        return False

    def _is_finished(self) -> bool:
        if self._reply is not None and self._idle:
            return True
        if self._reply is None and not self._idle:
            return False
        # A message too large for the wire takes with it what was sent just after.
        self._finished = self._finished or time.monotonic()
        patience = _STRAGGLER_OF_LOST if self._lost else _STRAGGLER
        return time.monotonic() > self._finished + patience

    def _take(self, channel: str, message: Message) -> None:
        if message.type == "disconnected":
            self._cut.add(channel)
        if message.parent != self._request or channel == "control":
            # Not shown, but it counts: to take it in costs as much as any other.
            self._collector.received += message.size
            return
        if message.content is None:
            self._collector.drop(message.size)
        elif channel == "shell":
            self._reply = message.content
        elif message.type == "status":
            self._idle |= message.content.get("execution_state") == "idle"
        else:
            self._finished = None
            self._collect(message.type, message.content, message.size)

    def _collect(self, message_type: str, content: dict[str, Any], size: int) -> None:
        try:
            self._collector.add(message_type, content, size)
        except Exception:  # content nested or typed in a way nobody thought of
            self._collector.drop(size)

    async def _mend(self) -> None:
        """Connect channels that lost their peer: a message was too large for the wire.

        Or the process has died, but then word of that comes soon.
        """
        if not self._cut:
            return
        await asyncio.sleep(_WORD_OF_DEATH)
        if self._connection.alive():
            self._lost = True
            for channel in self._cut:
                self._connection.connect(channel)
            if "shell" in self._cut:
                self._reply = {"status": "error"}
        self._cut.clear()

    def _ended(self, started: float) -> Execution:
        reply = self._reply or {"status": "error"}
        for payload in _payloads(reply):
            if payload.get("source") == "ask_exit":
                return self._outcome("died", started, "The code asked the kernel to exit.")
            if payload.get("source") == "page":
                self._collect("display_data", payload, 0)
        status: Status = "ok" if reply.get("status") == "ok" else "error"
        # Code may handle the interrupt and end in good order: it has timed out all the same.
        return self._outcome("timeout" if self._late else status, started, self._stopped)

    def _outcome(self, status: Status, started: float, note: str = "") -> Execution:
        notes = [note] if note else []
        if self._lost:
            notes.append("Some output is missing: one message was too large to be received.")
        collector = self._collector
        return Execution(
            outputs=collector.outputs,
            status=status,
            execution_count=collector.execution_count,
            seconds=time.monotonic() - started,
            note=" ".join(notes),
            dropped_bytes=collector.dropped,
        )


def _request(code: str, silent: bool) -> dict[str, Any]:
    return {
        "code": code,
        "silent": silent,
        "store_history": not silent,
        "user_expressions": {},
        # So that input() fails at once instead of waiting for an answer that never comes.
        "allow_stdin": False,
        # Or the next request could be refused, if it comes just after an interrupt.
        "stop_on_error": False,
    }


def _payloads(reply: dict[str, Any]) -> list[dict[str, Any]]:
    payloads = reply.get("payload")
    return [p for p in payloads if isinstance(p, dict)] if isinstance(payloads, list) else []
