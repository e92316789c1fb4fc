"""The texts of templates: every run of words, what has a plural form, and words given to what is included."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from django.template import Engine, Template
from django.template.base import Node
from django.templatetags.i18n import BlockTranslateNode, TranslateNode

from audit.templatetags.said import WordsNode
from audit.wording import marked
from tests.translations.messages import Message

_TAGS = re.compile(r"\{%-?\s*(?:include|component)\b.*?%\}|\{\{.*?\}\}", re.DOTALL)
_GIVEN = re.compile(r'(\w+)=(?:(?:_\()?"([^"{}]*)")|default:"([^"{}]*)"|yesno:"([^"{}]*)"')
_SAID_NAMES = {
    "caption",
    "title",
    "words",
    "word",
    "label",
    "text",
    "hint",
    "empty",
    "what",
    "heading",
    "submit",
}


def messages_of(path: Path, root: Path) -> Iterator[Message]:
    """Yield every text of one template."""
    place = str(path.relative_to(root))
    template = Template(marked(path.read_text()), engine=Engine.get_default())
    for node in template.nodelist.get_nodes_by_type(Node):
        if isinstance(node, WordsNode):
            yield Message(node.message, place)
        elif isinstance(node, TranslateNode):
            # The node has made a variable of what was written in quotes.
            literal = getattr(node.filter_expression.var, "literal", None)
            if isinstance(literal, str):
                # Django looks it up with its percent signs doubled, and shows them as they were.
                yield Message(str(literal).replace("%", "%%"), place)
        elif isinstance(node, BlockTranslateNode):
            yield _of_block(node, place)


def given_in(path: Path, root: Path) -> Iterator[Message]:
    """Yield the words that a template gives to what it includes; there they are said by the filter."""
    place = str(path.relative_to(root))
    for tag in _TAGS.findall(path.read_text()):
        for name, value, default, either in _GIVEN.findall(tag):
            if value and name not in _SAID_NAMES:
                continue
            for text in either.split(",") if either else (value or default,):
                if re.search(r"[A-Za-z]{2,}", text):
                    yield Message(text.strip(), place)


def _of_block(node: BlockTranslateNode, place: str) -> Message:
    singular, _ = node.render_token_list(node.singular)
    plural = node.render_token_list(node.plural)[0] if node.plural else ""
    if node.trimmed:
        singular, plural = _trimmed(singular), _trimmed(plural)
    return Message(singular, place, plural)


def _trimmed(text: str) -> str:
    return " ".join(line.strip() for line in text.strip().splitlines() if line.strip())
