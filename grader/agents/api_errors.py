"""What went wrong with the Messages API, in one line that says what to do about it."""

from __future__ import annotations

import anthropic
import httpx2
from anthropic import APIStatusError, AsyncAnthropic

from grader.agents.base import AgentError, Usage

_LONGEST = 300
_SHORTEST_KEY = 8
# The API names the limit in words only; the second is how vLLM says it.
_TOO_LONG = ("prompt is too long", "maximum context length")
_PASSING = {"overloaded_error", "api_error", "rate_limit_error", "timeout_error"}


class BrokenReplyError(Exception):
    """A reply that stopped before its end, or wasn't one."""


def is_prompt_too_long(error: APIStatusError) -> bool:
    """Whether the conversation has outgrown the model: its own doing, not a fault."""
    if isinstance(error, anthropic.ContentTooLargeError):
        return True
    return error.status_code == 400 and any(words in error.message for words in _TOO_LONG)


def is_passing(error: Exception) -> bool:
    """Whether a reply broke off, once it had begun, for a reason that may pass.

    The SDK retries requests, and a reply that has begun is past that.
    """
    if isinstance(error, APIStatusError):
        return error.status_code == 200 and error.type in _PASSING
    return isinstance(error, (BrokenReplyError, httpx2.TransportError))


def is_unanswered(error: Exception) -> bool:
    """Whether no reply was made, so that nothing is to be paid."""
    if isinstance(error, APIStatusError):
        return error.status_code != 200
    unsent = isinstance(error, anthropic.APIConnectionError)
    return unsent and not isinstance(error, anthropic.APITimeoutError)


def is_api_fault(error: Exception) -> bool:
    """Whether the API, its network or its key is to blame, and not this program."""
    if isinstance(error, TypeError):
        # All that the SDK raises where it finds no key.
        return "authentication method" in str(error)
    known = (anthropic.AnthropicError, BrokenReplyError, httpx2.TransportError)
    return isinstance(error, known)


def explain(error: Exception, client: AsyncAnthropic, model: str, used: Usage) -> AgentError:
    """The error of a run, without the key even if the server repeated it."""
    where = f"the Messages API at {_address(client)}"
    if isinstance(error, APIStatusError):
        text = f"{_advice(error, where, model)} ({_detail(error, client)})"
    elif isinstance(error, anthropic.APITimeoutError | httpx2.TimeoutException):
        text = f"no answer in time from {where}: try again later"
    elif isinstance(error, anthropic.APIConnectionError | httpx2.TransportError):
        text = f"no connection to {where}: check the network and ANTHROPIC_BASE_URL"
    elif isinstance(error, BrokenReplyError | anthropic.APIError):
        said = _short(str(error), client)
        text = f"{where} sent a reply that can't be used: try again later ({said})"
    else:
        text = "no API key: set ANTHROPIC_API_KEY"
    return AgentError(text, usage=used, lasting=_is_lasting(error))


def _is_lasting(error: Exception) -> bool:
    """Whether it is about the key, the account or the model: asked again, it would be the same."""
    if isinstance(error, APIStatusError):
        return error.status_code in (401, 402, 403, 404)
    return isinstance(error, TypeError)


def _advice(error: APIStatusError, where: str, model: str) -> str:
    match error.status_code:
        case 401:
            return "the API key was refused: set ANTHROPIC_API_KEY"
        case 402:
            return "the account of the API key can't pay: top it up"
        case 403:
            return f"the API key may not use {model}: set another ANTHROPIC_API_KEY"
        case 404:
            return f"unknown model {model}: {where} doesn't serve it"
        case 429:
            return f"rate limit of {where}: run fewer trials at once, or try again later"
        case 200 | 408 | 409:
            return f"{where} failed: try again later"
        case code if code >= 500:
            return f"{where} failed: try again later"
        case _:
            return f"{where} refused the request"


def _detail(error: APIStatusError, client: AsyncAnthropic) -> str:
    said = _short(error.api_message or error.message, client)
    return said if error.status_code == 200 else f"HTTP {error.status_code}: {said}"


def _address(client: AsyncAnthropic) -> str:
    """The base url without what may be secret in it."""
    url = client.base_url
    return str(url.copy_with(userinfo=b"", query=None)).rstrip("/")


def _short(text: str, client: AsyncAnthropic) -> str:
    line = " ".join(_redacted(text, client).split())
    return line if len(line) <= _LONGEST else line[:_LONGEST] + "…"


def _redacted(text: str, client: AsyncAnthropic) -> str:
    for secret in (client.api_key, client.auth_token):
        # A placeholder for a local server ("x") is no secret, and may be part of any word.
        if secret and len(secret) >= _SHORTEST_KEY:
            text = text.replace(secret, "[key]")
    return text
