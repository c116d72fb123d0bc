"""A stand-in for the Messages API: a real server on the loopback interface that plays a script.

    with StandIn([Reply(call("read", {})), Reply(text("Done."))]) as server:
        ...  # a client with base_url=server.url and api_key=server.key
        server.requests[0].body

A step of the script may also be a function of the request, and so may the whole script: this is
how several conversations at once are played (see :func:`episode`). Requests are checked as the
real API checks them where it matters (``stand_in_rules``); a bad one is answered with a 400.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from tests.agents.stand_in_cache import PromptCache, tokens
from tests.agents.stand_in_replies import (
    Broken,
    Event,
    Fault,
    NoAnswer,
    Page,
    Reply,
    Step,
    events,
    sent_as,
    text,
    whole_message,
)
from tests.agents.stand_in_rules import RefusedError, Rules

KEY = "stand-in-key"
MODEL = "claude-stand-in"


@dataclass(frozen=True)
class Request:
    """A request to ``/v1/messages``."""

    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def turn(self) -> int:
        """How often the model has spoken in this conversation, from 0."""
        return sum(message["role"] == "assistant" for message in self.body["messages"])

    @property
    def last(self) -> list[dict[str, Any]]:
        """The blocks of the last message."""
        content = self.body["messages"][-1]["content"]
        return [text(content)] if isinstance(content, str) else list(content)

    @property
    def results(self) -> list[dict[str, Any]]:
        """The tool results in the last message."""
        return [block for block in self.last if block["type"] == "tool_result"]


Player = Callable[[Request], Step]
Script = Sequence[Step | Player] | Player


def episode(*steps: Step | Player) -> Player:
    """The same steps for every conversation, however many are played at once."""

    def play(request: Request) -> Step:
        step = steps[request.turn]
        return step(request) if callable(step) else step

    return play


@dataclass
class StandIn:
    """The server; it listens from ``with`` on and is gone after it.

    ``thinking`` and ``caching`` say whether the model takes those parameters, ``lists_models``
    whether the server has ``/v1/models`` at all. With ``measures`` the usage of a reply is not
    what the script says, but counted, with what the prompt cache had of it (``stand_in_cache``).
    ``served`` has the usage of each reply that began, as far as it went.
    """

    script: Script
    models: Sequence[str] = (MODEL,)
    thinking: bool = True
    caching: bool = True
    lists_models: bool = True
    lifecycle: str | None = "active"
    key: str = KEY
    measures: bool = False
    requests: list[Request] = field(default_factory=list)
    served: list[dict[str, int]] = field(default_factory=list)
    cache: PromptCache = field(default_factory=PromptCache)

    def __post_init__(self) -> None:
        self._rules = Rules(thinking=self.thinking, caching=self.caching)
        self._lock = threading.Lock()
        self._played = 0
        self.closing = threading.Event()

    def __enter__(self) -> StandIn:
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.stand_in = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def environment(self) -> dict[str, str]:
        """What tells the SDK of this server."""
        return {"ANTHROPIC_API_KEY": self.key, "ANTHROPIC_BASE_URL": self.url}

    def model(self, name: str) -> dict[str, Any] | Fault:
        """What ``/v1/models/{name}`` says."""
        if not self.lists_models:
            return Fault(404, "Not Found")
        if name not in self.models:
            return Fault(404, f"model: {name}")
        told = {"lifecycle": self.lifecycle} if self.lifecycle else {}
        return {"type": "model", "id": name, "display_name": name, **told}

    def step(self, request: Request) -> Step:
        """The next step of the script, or a fault if the request isn't one that the API takes."""
        with self._lock:
            self.requests.append(request)
            if request.body["model"] not in self.models:
                return Fault(404, f"model: {request.body['model']}")
            try:
                self._rules.check(request.body)
            except RefusedError as error:
                return Fault(400, str(error))
            step = self._next(request)
            if not isinstance(step, Reply | Broken):
                return step
            step = self._measured(step.named(len(self.requests)), request.body)
            if isinstance(step, Reply):
                self._rules.remember(request.body, step)
            return step

    def _measured(self, step: Reply | Broken, body: dict[str, Any]) -> Reply | Broken:
        begins = not (isinstance(step, Broken) and step.at == "start")
        if self.measures and begins:
            blocks = (step.reply if isinstance(step, Broken) else step).blocks
            used = {**self.cache.usage(body), "output_tokens": tokens(blocks)}
            step = step.using(used)
        if begins:
            self.served.append(_served(step))
        return step

    def _next(self, request: Request) -> Step:
        if request.body["max_tokens"] == 1:
            # A client that only wants to know whether this model answers.
            return Reply(text("Hi"), stop_reason="max_tokens")
        if callable(self.script):
            return self.script(request)
        if self._played == len(self.script):
            return Fault(400, "the script of this stand-in has come to its end")
        step = self.script[self._played]
        self._played += 1
        return step(request) if callable(step) else step


def _served(step: Reply | Broken) -> dict[str, int]:
    """The usage of a reply; of one that broke off, with the share of its output that was made."""
    if isinstance(step, Reply):
        return dict(step.usage)
    used, share = step.reply.usage, {"start": 0.0, "half": 0.5, "end": 1.0}[step.at]
    return {**used, "output_tokens": int(used["output_tokens"] * share)}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    stand_in: StandIn

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hung up is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        if not self._refused_key():
            answer = self.server.stand_in.model(self.path.removeprefix("/v1/models/"))
            self._fault(answer) if isinstance(answer, Fault) else self._json(200, answer)

    def do_POST(self) -> None:
        length = int(self.headers["content-length"])
        body = json.loads(self.rfile.read(length))
        if self._refused_key():
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        step = self.server.stand_in.step(Request(headers, body))
        match step:
            case Fault():
                self._fault(step)
            case Page():
                self._send(200, step.body.encode(), {"content-type": step.content_type})
            case NoAnswer():
                self._wait() if not step.hangs_up else None
                self.close_connection = True
            case Reply() if not body.get("stream"):
                self._json(200, whole_message(step, body["model"]))
            case _:
                self._stream(step, events(step, body["model"]))

    def _refused_key(self) -> bool:
        given = self.headers.get("x-api-key") or self.headers.get("authorization") or ""
        if given.removeprefix("Bearer ") == self.server.stand_in.key:
            return False
        self._fault(Fault(401, f"invalid key {given}"))
        return True

    def _fault(self, fault: Fault) -> None:
        self._json(fault.status, fault.body, fault.headers)

    def _json(self, status: int, body: object, headers: dict[str, str] | None = None) -> None:
        headers = {**(headers or {}), "content-type": "application/json"}
        self._send(status, json.dumps(body).encode(), headers)

    def _send(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "content-length": str(len(data))}.items():
            self.send_header(name, value)
        self.send_header("connection", "close")
        self.end_headers()
        self.wfile.write(data)

    def _wait(self) -> None:
        """Say nothing until the server ends."""
        self.server.stand_in.closing.wait()

    def _stream(self, step: Reply | Broken, parts: Iterator[Event]) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.send_header("connection", "close")
        self.end_headers()
        for part in parts:
            data = sent_as(part)
            self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        how = step.how if isinstance(step, Broken) else "whole"
        if how == "silent":
            self._wait()
        elif how != "dropped":
            self.wfile.write(b"0\r\n\r\n")

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""
