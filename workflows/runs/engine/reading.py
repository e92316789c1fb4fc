"""A definition as text: YAML that is JSON in other clothes, and the one spelling its hash stands for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import rfc8785
import yaml

from agents.decision.plain_yaml import PlainLoader

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
        found = yaml.load(text, Loader=PlainLoader)  # noqa: S506 - a SafeLoader that admits less
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
