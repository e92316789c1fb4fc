"""A job for agents as a text that can be given to any company: what it holds, and how it is written.

A template is one document of the kind ``role``, and beside it the ``policy`` and the ``limits`` that bind that
role, exactly as a file of policies writes them. It names groups and operations as the company may call them:
what a company does not have is said when it is looked at, never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agents.decision.levels import groups_named
from agents.decision.plain_yaml import write_documents
from agents.decision.policy_file import PolicyFile

FORMAT = 1
_HOW = {"higher": "at least", "lower": "at most"}
_SENTENCE = re.compile(r"(.{1,120}?): (at least|at most) (-?[0-9]{1,12}(?:\.[0-9]{1,6})?) (.{1,40}?)\.?")
TARGET_FIELDS = ("code", "name", "better", "target", "unit")


@dataclass(frozen=True, slots=True)
class Target:
    """One figure of good work. ``better``: higher or lower; ``target`` a decimal as it was written."""

    code: str
    name: str
    better: str
    target: str
    unit: str

    @property
    def words(self) -> str:
        """Return it as a sentence: ``Cycle time of an order: at most 4 hours.``"""
        return f"{self.name}: {_HOW[self.better]} {self.target} {self.unit}."


@dataclass(frozen=True, slots=True)
class Approvers:
    """A group of people the rules ask, and why them."""

    group: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Operations this job would need: a pattern, perhaps only some effects, and what for. It grants nothing."""

    operations: str
    effects: tuple[str, ...] = ()
    why: str = ""


@dataclass(frozen=True, slots=True)
class RoleEntry:
    """The job as it stands in a template."""

    code: str = ""
    name: str = ""
    version: int = 1
    summary: str = ""
    job_description: str = ""
    responsibilities: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    expected_performance: str = ""
    performance: tuple[Target, ...] = ()
    approvers: tuple[Approvers, ...] = ()
    grants: tuple[Suggestion, ...] = ()


@dataclass(frozen=True, slots=True)
class RoleTemplate:
    """A job with the rules and limits that bind it."""

    role: RoleEntry
    file: PolicyFile

    @property
    def groups(self) -> tuple[str, ...]:
        """Return every group of people it names, in order, each once."""
        entries = [rule for policy in self.file.policies for rule in policy.rules]
        named = [name for rule in entries for name in groups_named(rule.values)]
        return tuple(
            dict.fromkeys(name for name in (*(it.group for it in self.role.approvers), *named) if name)
        )


def write_role_template(role: RoleEntry, documents: Sequence[Mapping[str, Any]]) -> str:
    """Return a template as text in the one spelling that is reviewed; the role stands first."""
    return write_documents([role_document(role), *documents])


def role_document(role: RoleEntry) -> dict[str, Any]:
    """Return the document of the kind ``role``; what is empty is left out."""
    found: dict[str, Any] = {
        "kind": "role",
        "format": FORMAT,
        "code": role.code,
        "name": role.name,
        "version": role.version,
        "summary": role.summary,
        "job_description": role.job_description,
        "responsibilities": list(role.responsibilities),
        "labels": list(role.labels),
        "expected_performance": role.expected_performance,
        "performance": [target_document(it) for it in role.performance],
        "approvers": [_filled({"group": it.group, "why": it.why}) for it in role.approvers],
        "grants": [
            _filled({"operations": it.operations, "effects": list(it.effects), "why": it.why})
            for it in role.grants
        ],
    }
    return _filled(found)


def target_of(sentence: str) -> Target:
    """Return the figure a line says, as ``Target.words`` writes it; its code comes from its name.

    Raises ValueError, with what to write instead.
    """
    found = _SENTENCE.fullmatch(sentence.strip())
    if found is None:
        raise ValueError(
            f"{sentence.strip()[:80]!r} names no figure. Write e.g. Cycle time of an order: at most 4 hours."
        )
    name, how, target, unit = (part.strip() for part in found.groups())
    code = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:60].strip("_")
    better = next(better for better, words in _HOW.items() if words == how)
    return Target(code or "figure", name, better, target, unit)


def target_document(target: Target) -> dict[str, str]:
    """Return one figure of good work as plain data."""
    return {name: getattr(target, name) for name in TARGET_FIELDS}


def _filled(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in ("", [])}
