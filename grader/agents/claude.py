"""Claude as an agent, through the official SDK: any server that speaks the Messages API serves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import replace
from typing import Any, Literal, cast

from anthropic import APIStatusError, AsyncAnthropic, CredentialsError, Timeout
from anthropic.lib.streaming import AsyncMessageStreamManager
from anthropic.types import Message, ModelInfo, ToolUnionParam

from grader.agents.api_errors import (
    BrokenReplyError,
    explain,
    is_api_fault,
    is_passing,
    is_prompt_too_long,
    is_unanswered,
)
from grader.agents.base import AgentError, Results, ToolCall, Turn, Usage
from grader.agents.conversation import Conversation, has_objects_only
from grader.agents.metering import Meter, most_tokens, usage_of
from grader.agents.pricing import DEFAULT_MODEL, Price, cost, price_of
from grader.agents.spending import Charge, Purse

MAX_TOKENS = 64_000
MAX_RETRIES = 8
MAX_CONTINUATIONS = 4

# The longest silence within a reply: the API sends a ping now and then while the model thinks.
_TIMEOUT = Timeout(180, connect=10)
_PREFLIGHT_RETRIES = 2
_RESENDS = 2
_OUT_OF_CONTEXT = "model_context_window_exceeded"
# A reply that ended so is not to be built on: none of its calls is run and it isn't sent back.
_DEAD_ENDS = ("refusal", _OUT_OF_CONTEXT)
_GOES_ON = ("max_tokens", "pause_turn")
# What the SDK raises where the events of a stream aren't those of a message.
_UNREADABLE = (ValueError, LookupError, AttributeError, TypeError, RuntimeError)
_CONTINUE = (
    "Your last message was cut off at the output limit. Go on from where it stopped, with less "
    "in one message: act in small steps instead of drafting everything at once."
)

Effort = Literal["low", "medium", "high", "xhigh", "max"]


class ClaudeAgent:
    """One episode driven by a Claude model.

    The address comes from ``ANTHROPIC_BASE_URL`` and the key from ``ANTHROPIC_API_KEY``, as the
    SDK reads them, unless a ``client`` is given (whose retries then hold, and whose owner closes
    it). ``effort`` is left to the model where it is ``None``. A ``purse`` bounds what all agents
    that share it spend, which takes a model whose price is known. What fails raises
    :class:`AgentError`.
    """

    name = "claude"

    def __init__(
        self,
        model: str = DEFAULT_MODEL,
        *,
        max_tokens: int = MAX_TOKENS,
        max_retries: int = MAX_RETRIES,
        effort: Effort | None = None,
        client: AsyncAnthropic | None = None,
        purse: Purse | None = None,
    ) -> None:
        self.model: str | None = model
        self._model = model
        self._max_tokens = max_tokens
        self._client = client or _own_client(max_retries)
        self._owns_client = client is None
        self._conversation = Conversation()
        self._tools: list[ToolUnionParam] = []
        self._purse = purse
        self._price = _known_price(model) if purse else None
        # Of the turn that is under way, with replies that broke off.
        self._used = Usage()
        # Of the last reply with all before it: tokens by the API's count, and their upper bound.
        self._counted, self._bound = 0, 0
        self._output: dict[str, Any] = {"output_config": {"effort": effort}} if effort else {}
        # What not every model or server has: dropped if the first request is refused for it.
        self._extras: dict[str, Any] = {
            "thinking": {"type": "adaptive", "display": "summarized"},
            "cache_control": {"type": "ephemeral"},
        }

    async def preflight(self) -> None:
        """Raises :class:`AgentError` unless the key works and the model is served."""
        async with self._explained():
            retries = min(_PREFLIGHT_RETRIES, self._client.max_retries)
            client = self._client.with_options(max_retries=retries)
            info = await self._look_up(client)
            if info is None:
                hello: Any = [{"role": "user", "content": "Hello"}]
                await client.messages.create(model=self._model, max_tokens=1, messages=hello)
            # Other servers leave this field out.
            elif getattr(info, "lifecycle", None) == "retired":
                raise AgentError(f"{self._model} is retired: choose another model")

    async def begin(self, prompt: str, tools: Sequence[Mapping[str, Any]]) -> Turn:
        """The first turn, given the task's prompt and the tool definitions."""
        self._tools = [cast("ToolUnionParam", dict(tool)) for tool in tools]
        self._conversation = Conversation()
        self._counted, self._bound = most_tokens(self._tools), 0
        return await self.turn((), prompt)

    async def turn(self, results: Results, note: str | None = None) -> Turn:
        """The next turn; a call that has no result here is answered as not run."""
        self._conversation.answer(results, note)
        return await self._turn()

    async def close(self, results: Results = ()) -> None:  # noqa: ARG002
        """Give back the connections, unless the client was somebody else's."""
        if self._owns_client:
            await self._client.close()

    async def _turn(self) -> Turn:
        turn, self._used = Turn(), Usage()
        async with self._explained():
            for _ in range(1 + MAX_CONTINUATIONS):
                message = await self._ask()
                if message is None:
                    return replace(turn, usage=self._used, stop_reason=_OUT_OF_CONTEXT)
                ended = message.stop_reason in _DEAD_ENDS
                calls = () if ended else self._conversation.reply(message)
                turn = _joined(turn, message, calls)
                if calls or message.stop_reason not in _GOES_ON:
                    break
                if message.stop_reason == "max_tokens":
                    self._conversation.answer(note=_CONTINUE)
        return replace(turn, usage=self._used)

    async def _ask(self) -> Message | None:
        """The model's reply; ``None`` if the conversation no longer fits into the model."""
        while True:
            try:
                return await self._ask_again_if_broken()
            except APIStatusError as error:
                if self._conversation.begun and is_prompt_too_long(error):
                    return None
                if self._conversation.begun or not self._drop_extra_named_by(error):
                    raise

    def _drop_extra_named_by(self, error: APIStatusError) -> bool:
        named = [extra for extra in self._extras if extra in error.message]
        if error.status_code not in (400, 422) or not named:
            return False
        del self._extras[named[0]]
        return True

    async def _ask_again_if_broken(self) -> Message:
        """A reply that breaks off leaves the conversation as it was, so it can be asked again."""
        for attempt in range(min(_RESENDS, self._client.max_retries)):
            try:
                return await self._stream()
            except Exception as error:
                if not is_passing(error):
                    raise
            await asyncio.sleep(2**attempt / 2)
        return await self._stream()

    async def _stream(self) -> Message:
        async with self._charged() as meter, self._request() as stream:
            ended = False
            try:
                async for event in stream:
                    meter.see(event)
                    ended = ended or event.type == "message_stop"
            except _UNREADABLE as error:
                raise BrokenReplyError(f"the SDK can't read it: {error}") from None
            if not ended:
                raise BrokenReplyError("it has no end")
            message = stream.current_message_snapshot
            meter.usage = usage_of(message.usage)
            if not has_objects_only(message):
                raise BrokenReplyError("the arguments of a call are no JSON object")
        self._counted, self._bound = meter.usage.total, most_tokens(self._conversation.messages)
        return message

    def _request(self) -> AsyncMessageStreamManager[None]:
        talk = self._conversation
        return self._client.messages.stream(
            model=self._model,
            max_tokens=self._max_tokens,
            messages=talk.marked if "cache_control" in self._extras else talk.messages,
            tools=self._tools,
            **self._output,
            **self._extras,
        )

    @asynccontextmanager
    async def _charged(self) -> AsyncIterator[Meter]:
        """Counts a request, also one that fails, and keeps the money for it while it lasts.

        What a reply that broke off had cost is not known: in the purse it counts as the most.
        """
        meter = Meter()
        async with self._kept() as charge:
            try:
                yield meter
                charge.cost = cost(self._model, meter.usage)
            except Exception as error:
                charge.cost = 0.0 if is_unanswered(error) else None
                raise
            finally:
                self._used += meter.usage

    def _kept(self) -> AbstractAsyncContextManager[Charge]:
        if self._purse is None or self._price is None:
            return nullcontext(Charge(0))
        new = most_tokens(self._conversation.messages) - self._bound
        return self._purse.charge(self._price.most(self._counted + new, self._max_tokens))

    async def _look_up(self, client: AsyncAnthropic) -> ModelInfo | None:
        """What the server says of the model; ``None`` where that endpoint doesn't know it."""
        try:
            return await client.models.retrieve(self._model)
        except APIStatusError as error:
            if error.status_code in (404, 405, 501):
                return None
            raise

    @asynccontextmanager
    async def _explained(self) -> AsyncIterator[None]:
        """Turns what the SDK raises into an :class:`AgentError`."""
        try:
            yield
        except Exception as error:
            if not is_api_fault(error):
                raise
            raise explain(error, self._client, self._model, self._used) from None


def _known_price(model: str) -> Price:
    price = price_of(model)
    if price is None:
        raise AgentError(f"--max-cost can't be kept: the price of {model} is not known")
    return price


def _own_client(max_retries: int) -> AsyncAnthropic:
    try:
        return AsyncAnthropic(max_retries=max_retries, timeout=_TIMEOUT)
    except CredentialsError as error:
        # No key in the environment, and a profile of the SDK that can't be read.
        raise AgentError(f"no API key: set ANTHROPIC_API_KEY ({error})") from None


def _joined(turn: Turn, message: Message, calls: tuple[ToolCall, ...]) -> Turn:
    """``turn`` with a further message: what was said and used adds up, the last reason holds."""
    text = [turn.text, *(block.text for block in message.content if block.type == "text")]
    if message.stop_details is not None:
        text.append(f"[{message.stop_details.category}] {message.stop_details.explanation or ''}")
    thinking = [block.thinking for block in message.content if block.type == "thinking"]
    return Turn(
        text="\n".join(part for part in text if part),
        thinking="\n".join(part for part in (turn.thinking, *thinking) if part),
        calls=calls,
        stop_reason=message.stop_reason or "unknown",
    )
