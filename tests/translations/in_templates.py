"""The texts of templates: what stands in ``translate`` and ``blocktranslate``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from django.template import Engine, Template
from django.template.base import Node
from django.templatetags.i18n import BlockTranslateNode, TranslateNode

from tests.translations.messages import Message


def messages_of(path: Path, root: Path) -> Iterator[Message]:
    """Yield every text of one template."""
    place = str(path.relative_to(root))
    template = Template(path.read_text(), engine=Engine.get_default())
    for node in template.nodelist.get_nodes_by_type(Node):
        if isinstance(node, TranslateNode):
            literal = node.filter_expression.var
            if isinstance(literal, str):
                yield Message(str(literal), place)
        elif isinstance(node, BlockTranslateNode):
            singular, _ = node.render_token_list(node.singular)
            plural = node.render_token_list(node.plural)[0] if node.plural else ""
            yield Message(*map(_trimmed if node.trimmed else str, (singular,)), place, plural=_of(node, plural))


def _of(node: BlockTranslateNode, text: str) -> str:
    return _trimmed(text) if node.trimmed and text else text


def _trimmed(text: str) -> str:
    return " ".join(line.strip() for line in text.strip().splitlines() if line.strip())
