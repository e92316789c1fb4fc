"""What a person finds: of each kind the few that fit best, and only what that person may see."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Model, Q, QuerySet

from agents.models import User
from agents.selectors import visible_agents, visible_certificates, visible_policies, visible_rules
from connectors.selectors import visible_systems
from connectors.selectors import visible_to as visible_operations
from workflows.actions.selectors import visible_to as visible_actions
from workflows.approvals.selectors import visible_to as visible_approvals
from workflows.documents.selectors import visible_to as visible_documents
from workflows.runs.selectors import visible_to as visible_runs
from workflows.runs.selectors import visible_workflows
from workflows.search.lookups import FEWEST_CHARACTERS, begins, typed_words
from workflows.tasks.selectors import work_visible_to as visible_work

MOST_OF_A_KIND = 8
# The beginning of an id, as people copy it.
PART_OF_AN_ID = re.compile(r"^[0-9a-f]{8}(-?[0-9a-f]{0,4}){0,3}(-?[0-9a-f]{0,12})$")
HEX_OF_AN_ID = 32


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of thing that can be found: who sees which, by which columns, and what comes first."""

    name: str
    visible: Callable[[User], QuerySet[Any]]
    columns: tuple[str, ...] = ()
    order: tuple[str, ...] = ("-pk",)
    with_ids: bool = True


@dataclass(frozen=True, slots=True)
class Found:
    """What was found of one kind, and whether there is more of it."""

    kind: str
    rows: list[Model]
    more: bool


def visible_people(user: User) -> QuerySet[User]:
    """Return the people whose accounts somebody may see."""
    people = User.objects.filter(kind=User.Kind.PERSON)
    return people if user.has_perm("agents.view_user") else people.none()


BY_NAME = ("name", "pk")
KINDS = (
    Kind("agent", visible_agents, ("name", "code"), BY_NAME),
    Kind("run", visible_runs, ("label",)),
    Kind("approval", visible_approvals, ("subject_label",)),
    Kind("task", visible_work, ("title",)),
    Kind("system", visible_systems, ("name", "code"), BY_NAME),
    Kind("workflow", visible_workflows, ("name", "code"), BY_NAME),
    Kind("policy", visible_policies, ("name", "code"), BY_NAME),
    Kind("rule", lambda user: visible_rules(user).select_related("policy"), ("name", "sentence"), BY_NAME),
    Kind("operation", visible_operations, ("name", "code"), BY_NAME),
    Kind("person", visible_people, ("first_name", "last_name", "username"), ("first_name", "last_name", "pk")),
    Kind("document", visible_documents, ("name",)),
    # Of these there are too many to look for words in: their number finds them.
    Kind("action", visible_actions),
    Kind("certificate", visible_certificates),
)


def found_for(user: User, text: str, kinds: tuple[Kind, ...] = KINDS) -> list[Found]:
    """Return what a person finds by the beginnings of words, or by an id or its beginning (8 characters)."""
    words, span = typed_words(text), ids_between(text)
    if span is None and not any(len(word) >= FEWEST_CHARACTERS for word in words):
        return []
    found = (_of_kind(user, kind, words, span) for kind in kinds)
    return [one for one in found if one.rows]


def ids_between(text: str) -> tuple[UUID, UUID] | None:
    """Return the first and the last id that begin like this; None for what is no beginning of an id."""
    typed = text.strip().lower()
    if not PART_OF_AN_ID.fullmatch(typed):
        return None
    digits = typed.replace("-", "")
    if len(digits) > HEX_OF_AN_ID:
        return None
    return UUID(digits.ljust(HEX_OF_AN_ID, "0")), UUID(digits.ljust(HEX_OF_AN_ID, "f"))


def _of_kind(user: User, kind: Kind, words: list[str], span: tuple[UUID, UUID] | None) -> Found:
    wanted = Q(pk__range=span) if span and kind.with_ids else Q(pk__in=[])
    if kind.columns and words:
        wanted |= Q(begins(kind.columns, words))
    if span is None and not kind.columns:
        return Found(kind.name, [], more=False)
    rows = list(kind.visible(user).filter(wanted).order_by(*kind.order)[: MOST_OF_A_KIND + 1])
    return Found(kind.name, rows[:MOST_OF_A_KIND], more=len(rows) > MOST_OF_A_KIND)
