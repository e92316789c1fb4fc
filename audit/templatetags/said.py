"""The language of whoever reads a page: ``{{ line.sentence|said }}``, and the words of templates."""

from __future__ import annotations

from typing import Any

from django import template
from django.template import defaultfilters
from django.template.base import Node, NodeList, Parser, TextNode, Token
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language

from audit import wording
from audit.wording.figures import DAYS_OF

register = template.Library()

_NAMES = ("name", "title", "username", "label", "code")


@register.filter
def said(text: object) -> str:
    """Return a sentence of the record as this page's reader reads it; it is escaped like any text."""
    return wording.said(text) if text not in (None, "") else ""


@register.filter
def named(text: object) -> object:
    """Return a word of ours that may stand beside words of others: it is looked up whole, or stays as it is."""
    return wording.name_in(text) if type(text) is str else text


@register.filter
def titled(thing: object) -> str:
    """Return how a thing is called: by the name somebody gave it, or in our words in the reader's language."""
    called = str(thing)
    is_given = any(called == str(getattr(thing, field, None)) for field in _NAMES)
    return called if is_given else wording.said(called)


@register.filter(expects_localtime=True, is_safe=False)
def date(moment: Any, style: str | None = None) -> str:
    """Return a day as Django's own filter does, as this page's language writes it: ``30. November 2026``."""
    for ours, theirs in DAYS_OF.get((get_language() or "")[:2], ()):
        style = style.replace(ours, theirs) if style else style
    return str(defaultfilters.date(moment, style))


class WordsNode(Node):
    """Words of a template, with its variables as numbered holes."""

    def __init__(self, nodelist: NodeList) -> None:
        self.nodelist = nodelist
        self.holes = [node for node in nodelist if not isinstance(node, TextNode)]
        self.message = " ".join("".join(self._pieces()).split())

    def _pieces(self) -> list[str]:
        numbers = iter(range(len(self.holes)))
        return [node.s if isinstance(node, TextNode) else f"{{{next(numbers)}}}" for node in self.nodelist]

    def render(self, context: Any) -> SafeString:
        """Return the words in the reader's language; what is not translated is said in English."""
        found = wording.words_of_templates().get(self.message)
        if not found:
            return self.nodelist.render(context)
        filled = [str(hole.render_annotated(context)) for hole in self.holes]
        # The catalogue is ours, and each hole was escaped as it is anywhere else.
        return mark_safe(wording.fill(found, dict(enumerate(filled))))  # noqa: S308


@register.tag
def words(parser: Parser, token: Token) -> WordsNode:
    """Mark a run of words. The loader of the templates writes it; nobody else needs to."""
    nodelist = parser.parse(("endwords",))
    parser.delete_first_token()
    return WordsNode(nodelist)
