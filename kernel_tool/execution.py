"""What running a piece of code gave, and the folding of the kernel's messages into it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from kernel_tool.text import clip, encodable

Output = dict[str, Any]
Status = Literal["ok", "error", "timeout", "died"]

_SHORTEST_STREAM = 2_000
_LONGEST_PLAIN = 500_000


@dataclass(frozen=True)
class Execution:
    """The outcome of one execution.

    outputs: nbformat v4 outputs, consecutive text of one stream joined.
    status: ``timeout``: interrupted at the time limit, variables kept. ``died``: the process
        ended or had to be killed; a fresh one without any variables has taken its place.
    seconds: wall time, waiting for an interrupted kernel included.
    note: in words, what the status does not say (why the kernel died, what was dropped).
    dropped_bytes: output that was not kept.
    """

    outputs: list[Output]
    status: Status
    execution_count: int | None
    seconds: float
    note: str = ""
    dropped_bytes: int = 0


@dataclass(frozen=True)
class OutputCaps:
    """How much output one execution may produce.

    kept_bytes: text and pictures kept in memory, in characters; of a longer stream its head
        and tail. flood_bytes: beyond this the execution is interrupted. pieces: outputs kept.
    """

    kept_bytes: int = 4 << 20
    flood_bytes: int = 64 << 20
    pieces: int = 500


class _Stream:
    """Text of stdout or stderr: head and tail are kept, each half of ``limit`` characters."""

    def __init__(self, limit: int) -> None:
        self._half = limit // 2
        self._head = self._tail = ""
        self.dropped = 0

    def write(self, text: str) -> None:
        room = self._half - len(self._head)
        self._head += text[:room]
        tail = self._tail + text[room:]
        self.dropped += max(0, len(tail) - self._half)
        self._tail = tail[-self._half :]

    @property
    def size(self) -> int:
        return len(self._head) + len(self._tail)

    @property
    def text(self) -> str:
        gap = f"\n[... {self.dropped:,} characters not kept ...]\n" if self.dropped else ""
        return self._head + gap + self._tail


@dataclass
class Collector:
    """Folds iopub messages into outputs as a notebook does, within the caps."""

    caps: OutputCaps
    received: int = 0
    execution_count: int | None = None
    _outputs: list[Output] = field(default_factory=list)
    _streams: dict[int, _Stream] = field(default_factory=dict)
    _displays: dict[str, list[Output]] = field(default_factory=dict)
    _clear_first: bool = False
    _dropped: int = 0

    @property
    def flooded(self) -> bool:
        return self.received > self.caps.flood_bytes

    @property
    def dropped(self) -> int:
        return self._dropped + sum(stream.dropped for stream in self._streams.values())

    @property
    def outputs(self) -> list[Output]:
        for output in self._outputs:
            if id(output) in self._streams:
                output["text"] = self._streams[id(output)].text
        return self._outputs

    def drop(self, size: int) -> None:
        """Count a message of ``size`` bytes that could not be kept."""
        self.received += size
        self._dropped += size

    def add(self, message_type: str, content: dict[str, Any], size: int) -> None:
        """Take in one iopub message of ``size`` bytes; types that show nothing are ignored."""
        self.received += size
        handler = getattr(self, f"_on_{message_type}", None)
        if handler is not None:
            handler(content)

    def _on_execute_input(self, content: dict[str, Any]) -> None:
        count = content.get("execution_count")
        self.execution_count = count if isinstance(count, int) else None

    def _on_stream(self, content: dict[str, Any]) -> None:
        name = "stderr" if content.get("name") == "stderr" else "stdout"
        text = encodable(str(content.get("text", "")))
        self._clear_if_asked()
        last = self._outputs[-1] if self._outputs else {}
        if last.get("name") != name:
            last = {"output_type": "stream", "name": name, "text": ""}
            if not self._append(last):
                self._dropped += len(text)
                return
            self._streams[id(last)] = _Stream(max(self._room(), _SHORTEST_STREAM))
        self._streams[id(last)].write(text)

    def _on_display_data(self, content: dict[str, Any]) -> None:
        self._show("display_data", content)

    def _on_execute_result(self, content: dict[str, Any]) -> None:
        self._show("execute_result", content, execution_count=self.execution_count)

    def _show(self, output_type: str, content: dict[str, Any], **more: Any) -> None:
        self._clear_if_asked()
        data = self._fitted(mime_bundle(content.get("data")))
        output = {"output_type": output_type, "data": data, "metadata": {}, **more}
        if not self._append(output):
            self._dropped += bundle_size(data)
        elif display := _display_id(content):
            self._displays.setdefault(display, []).append(output)

    def _on_update_display_data(self, content: dict[str, Any]) -> None:
        shown = self._displays.get(_display_id(content), [])
        data = mime_bundle(content.get("data")) if shown else {}
        for output in shown:
            output["data"] = {}
            output["data"] = self._fitted(data)

    def _on_error(self, content: dict[str, Any]) -> None:
        lines = content.get("traceback")
        output = {
            "output_type": "error",
            "ename": encodable(str(content.get("ename", "")))[:1_000],
            "evalue": encodable(str(content.get("evalue", "")))[:10_000],
            "traceback": [_short(line) for line in lines[-100:]] if isinstance(lines, list) else [],
        }
        # The error that ended the cell comes last, when the room may be used up.
        self._append(output, spare=5)

    def _on_clear_output(self, content: dict[str, Any]) -> None:
        self._clear_first = True
        if not content.get("wait"):
            self._clear_if_asked()

    def _clear_if_asked(self) -> None:
        if self._clear_first:
            self._clear_first = False
            self._dropped = self.dropped
            self._outputs, self._streams, self._displays = [], {}, {}

    def _append(self, output: Output, spare: int = 0) -> bool:
        self._clear_if_asked()
        kept = len(self._outputs) < self.caps.pieces + spare
        if kept:
            self._outputs.append(output)
        return kept

    def _fitted(self, data: dict[str, str]) -> dict[str, str]:
        """What of a display there is room for: all, or its plain text, or nothing."""
        plain_only = {kind: text for kind, text in data.items() if kind == "text/plain"}
        for fitted in (data, plain_only):
            if bundle_size(fitted) <= self._room():
                self._dropped += bundle_size(data) - bundle_size(fitted)
                return fitted
        self._dropped += bundle_size(data)
        return {}

    def _room(self) -> int:
        shown = sum(bundle_size(output.get("data", {})) for output in self._outputs)
        streamed = sum(stream.size for stream in self._streams.values())
        return max(0, self.caps.kept_bytes - shown - streamed)


def mime_bundle(data: Any) -> dict[str, str]:
    """What of a display's data is kept: the kinds that are text.

    JSON kinds are left out: no model is shown them, and nothing bounds how deep they nest.
    """
    if not isinstance(data, dict):
        return {}
    texts = {
        str(kind): encodable(_joined(value))
        for kind, value in data.items()
        if isinstance(value, str | list) and not str(kind).endswith("json")
    }
    if "text/plain" in texts:
        texts["text/plain"] = clip(texts["text/plain"], _LONGEST_PLAIN)
    return texts


def bundle_size(data: dict[str, str]) -> int:
    """Characters in the data of a display."""
    return sum(map(len, data.values()))


def _joined(value: Any) -> str:
    return "".join(map(str, value)) if isinstance(value, list) else str(value)


def _display_id(content: dict[str, Any]) -> str:
    transient = content.get("transient")
    return str(transient.get("display_id", "")) if isinstance(transient, dict) else ""


def _short(line: Any) -> str:
    return encodable(str(line))[:20_000]
