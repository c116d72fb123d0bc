"""Markdown that a model wrote, or that a task asked it with, as HTML without a way out of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markdown_it.utils import OptionsDict
from markupsafe import Markup

from grader.export.code import code_html

# A document of its own inside ours: its top headings go right below those of a turn.
_TOP_HEADING = 4


def prose_html(text: str) -> Markup:
    """Markdown as HTML: raw HTML is escaped, nothing is loaded, ``javascript:`` is no link."""
    return Markup(_PARSER.render(text))


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "highlight": _highlight}).enable("table")
    # An image would be fetched from where the model says; without the rule it is a link.
    parser.disable("image")
    parser.core.ruler.push("headings_below", _headings_below)
    parser.add_render_rule("link_open", _link)
    return parser


def _highlight(code: str, language: str, attributes: str) -> str:
    del attributes
    return str(Markup('<pre class="code">%s</pre>') % code_html(code, language or "text"))


def _headings_below(state: StateCore) -> None:
    headings = [token for token in state.tokens if token.type.startswith("heading")]
    top = min((int(token.tag[1:]) for token in headings), default=1)
    for token in headings:
        token.tag = f"h{min(6, _TOP_HEADING + int(token.tag[1:]) - top)}"


def _link(
    self: RendererHTML, tokens: Sequence[Token], at: int, options: OptionsDict, env: dict[str, Any]
) -> str:
    tokens[at].attrSet("rel", "noopener noreferrer nofollow")
    return self.renderToken(tokens, at, options, env)


_PARSER = _parser()
