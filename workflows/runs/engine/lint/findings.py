"""What a lint says, and what it has to know of the world around a workflow."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Level(StrEnum):
    """An error stops publishing; advice is for the second person to weigh."""

    ERROR = "error"
    ADVICE = "advice"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to mend. ``node`` is '' when it is about the whole."""

    node: str
    problem: str
    cure: str
    level: Level = Level.ERROR

    def __str__(self) -> str:
        where = f"{self.node}: " if self.node else ""
        return f"{where}{self.problem} {self.cure}"


@dataclass(frozen=True, slots=True)
class OperationShape:
    """What is known of an operation; ``output`` is empty if it declares none, ``undo`` names what undoes it."""

    effect: str
    input: Mapping[str, Any] = field(default_factory=dict)
    output: Mapping[str, Any] = field(default_factory=dict)
    undo: str = ""
    is_idempotent: bool = True


@dataclass(frozen=True, slots=True)
class Known:
    """What exists around a workflow: codes of roles, departments and operations, names of groups.

    ``answer_problems(schema, answer)``: why an answer does not fit, in words.
    ``shapes``: operations whose schemas are known; ``workflows``: the input schema of each workflow that has a
    version in force, by code; ``calls``: which other workflows that version begins. ``labels``: what agents
    have (None: nobody knows). ``able``: for each kind that is executed the members that are; None: all.
    """

    roles: Collection[str]
    departments: Collection[str]
    operations: Collection[str]
    groups: Collection[str]
    schema_problems: Callable[[Any], list[str]]
    answer_problems: Callable[[Any, Any], list[str]] = lambda schema, answer: []
    shapes: Mapping[str, OperationShape] = field(default_factory=dict)
    workflows: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    labels: Collection[str] | None = None
    calls: Mapping[str, Collection[str]] = field(default_factory=dict)
    able: Mapping[str, Collection[str]] | None = None
