"""A definition as text: YAML that is JSON in other clothes, and the one spelling its hash stands for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import rfc8785
import yaml

MOST_BYTES = 256 * 1024


class DefinitionError(ValueError):
    """A text is no definition; ``problems`` are sentences that name the place."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__(" ".join(problems))
        self.problems = problems


def read_yaml(text: str) -> dict[str, Any]:
    """Return a definition as JSON; raises DefinitionError. Aliases, tags and doubled keys are refused."""
    if len(text.encode("utf-8", "replace")) > MOST_BYTES:
        raise DefinitionError([f"The text is larger than {MOST_BYTES // 1024} KB."])
    try:
        found = yaml.load(text, Loader=_PlainLoader)  # noqa: S506 - a SafeLoader that admits less
        canonical(found if isinstance(found, dict) else {})
    except RecursionError:
        raise DefinitionError(["It is nested too deeply."]) from None
    except rfc8785.CanonicalizationError as error:
        raise DefinitionError([f"It holds a number that has no one spelling: {error}."]) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        why = getattr(error, "problem", None) or error
        raise DefinitionError([f"It is no plain YAML{where}: {why}."]) from None
    if not isinstance(found, dict):
        raise DefinitionError(["A workflow is a mapping: code, name, owner, input, start, nodes."])
    return found


def canonical(content: Mapping[str, Any]) -> bytes:
    """Return the RFC 8785 form of a definition: what its hash stands for."""
    return rfc8785.dumps(dict(content))


class _PlainLoader(yaml.SafeLoader):
    """YAML that is JSON in other clothes: no aliases (a bomb), no dates, no key twice."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.composer.ComposerError(None, None, "aliases are not taken", self.peek_event().start_mark)
        if getattr(self.peek_event(), "tag", None):
            raise yaml.composer.ComposerError(None, None, "tags are not taken", self.peek_event().start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.tag != "tag:yaml.org,2002:str":
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key.value!r} must stand in quotes to be a name", key.start_mark
                )
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key.value!r} stands there twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


# A date in a definition is a text: JSON knows none.
_PlainLoader.yaml_implicit_resolvers = {
    first: [(tag, rule) for tag, rule in rules if tag != "tag:yaml.org,2002:timestamp"]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
