"""The behavioural contract of one agent as a document: what binds it, in sentences, under one digest.

``agents.decision.clauses`` writes it. Each clause carries the sentence people read and the terms behind it. The
digest is over the terms: it changes when something that binds the agent changes, and not when the portal merely
finds better words, somebody marries, or a rule moves to another policy that binds the agent as well.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import rfc8785

from agents.decision.facts import AgentFacts, OperationFacts, Snapshot

Terms = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ThrottleFacts:
    """One throttle in force. ``scope_kind`` is system, operation or agent."""

    scope_kind: str
    scope_id: str
    label: str
    most_at_once: int | None
    most: int | None
    per_seconds: int | None


@dataclass(frozen=True, slots=True)
class Names:
    """What things are called now; no name is part of the digest. Scopes by (kind, id), the rest by id."""

    sponsor: str = ""
    deputy: str = ""
    role: str = ""
    department: str = ""
    ordinary_approvers: str = ""
    scopes: Mapping[tuple[str, str], str] = field(default_factory=dict)
    policies: Mapping[str, str] = field(default_factory=dict)
    systems: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ContractFacts:
    """All that a contract is written from. ``operations``: those that are switched on, by code."""

    agent: AgentFacts
    purpose: str
    snapshot: Snapshot
    operations: Mapping[str, OperationFacts]
    today: date
    throttles: tuple[ThrottleFacts, ...] = ()
    names: Names = Names()


@dataclass(frozen=True, slots=True)
class Clause:
    """One sentence that binds, and what it stands for. ``people_only``: not for the eyes of an agent."""

    text: str
    terms: Terms
    details: tuple[str, ...] = ()
    heading: str = ""
    origin: str = ""
    people_only: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the document; ``empty`` says what it means that it holds no clause."""

    key: str
    title: str
    clauses: tuple[Clause, ...]
    empty: str = ""


@dataclass(frozen=True, slots=True)
class Contract:
    """The document. ``standing`` (what holds it up right now) and ``pending`` (not in force yet) do not bind.

    ``digest`` is the SHA-256 (hex) of the RFC 8785 form of the terms of every section.
    """

    agent_id: str
    name: str
    sections: tuple[Section, ...]
    standing: tuple[str, ...]
    pending: tuple[Clause, ...]
    digest: str


@dataclass(frozen=True, slots=True)
class Difference:
    """What changed between a document as it was signed and one as it is, in its own sentences."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    reworded: tuple[str, ...] = ()  # the sentence is the same, what it stands for is not

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.reworded)


def digest_of(agent_id: str, sections: Iterable[Section]) -> str:
    """Return the digest over everything that binds; in which order the clauses came makes no difference."""
    binding: Any = {it.key: sorted({_exact(clause.terms) for clause in it.clauses}) for it in sections}
    return hashlib.sha256(rfc8785.dumps({"agent": agent_id, "sections": binding})).hexdigest()


def _exact(terms: Any) -> str:
    return rfc8785.dumps(terms).decode()


def as_document(contract: Contract, *, for_agent: bool = False) -> dict[str, Any]:
    """Return the document as JSON; an agent gets it without what is for people or not in force yet."""
    return {
        "agent": {"id": contract.agent_id, "name": contract.name},
        "digest": contract.digest,
        "standing": list(contract.standing),
        "sections": [
            {
                "key": section.key,
                "title": section.title,
                "empty": section.empty,
                "clauses": [_shown(it) for it in section.clauses if not (for_agent and it.people_only)],
            }
            for section in contract.sections
        ],
        "not_in_force": [] if for_agent else [_shown(clause) for clause in contract.pending],
    }


def _shown(clause: Clause) -> dict[str, Any]:
    return {
        "text": clause.text,
        "details": list(clause.details),
        "heading": clause.heading,
        "origin": clause.origin,
    }


def as_signed(contract: Contract) -> dict[str, Any]:
    """Return what a signature keeps: what binds, word for word, with the terms behind it."""
    return {
        "agent": {"id": contract.agent_id, "name": contract.name},
        "digest": contract.digest,
        "sections": [
            {
                "key": section.key,
                "title": section.title,
                "clauses": [{**_shown(it), "terms": dict(it.terms)} for it in section.clauses],
            }
            for section in contract.sections
        ],
    }


def difference(signed: Mapping[str, Any], contract: Contract) -> Difference:
    """Return in sentences how a contract differs from one that ``as_signed`` kept."""
    before = {
        (section["key"], _exact(clause["terms"])): _in_full(clause["text"], clause["details"])
        for section in signed["sections"]
        for clause in section["clauses"]
    }
    now = {
        (section.key, _exact(clause.terms)): _in_full(clause.text, clause.details)
        for section in contract.sections
        for clause in section.clauses
    }
    added = [text for key, text in now.items() if key not in before]
    removed = [text for key, text in before.items() if key not in now]
    same = [text for text in added if text in removed]
    return Difference(
        added=tuple(text for text in added if text not in same),
        removed=tuple(text for text in removed if text not in same),
        reworded=tuple(same),
    )


def _in_full(text: str, details: Iterable[str]) -> str:
    return " ".join([text, *details])


def as_text(document: Mapping[str, Any]) -> str:
    """Return a document as plain text, as it is kept with a signature for whoever has nothing but a reader."""
    lines = [f"Contract of {document['agent']['name']}", f"Version {document['digest']}"]
    for section in document["sections"]:
        lines += ["", section["title"]]
        for clause in section["clauses"]:
            heading = f"{clause['heading']}: " if clause["heading"] else ""
            lines.append(f"- {heading}{_in_full(clause['text'], clause['details'])}")
    return "\n".join(lines) + "\n"
