"""What rules said of the newest calls they speak of: those in shadow and drafts, too, which decided nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.utils import timezone

from agents.models import Rule, User
from audit.reading import first_id
from workflows.actions.models import Action
from workflows.actions.selectors import visible_to

# So many are read, of at most so long ago: a page says what is, a back-test counts everything.
MOST_LOOKED_AT = 300
DAYS = 30


@dataclass(slots=True)
class Cases:
    """How many of the newest calls a rule was asked about, and what it said of how many."""

    looked: int = 0
    matched: int = 0
    errors: int = 0


def cases_of(user: User, rules: Sequence[Rule], spoken: Mapping[Any, Sequence[Any]]) -> dict[Any, Cases]:
    """Return for each rule what it said of the newest calls that this person may see; one question for all."""
    found = {rule.pk: Cases() for rule in rules}
    by_id = {str(rule.pk): found[rule.pk] for rule in rules}
    operations = {operation.pk for some in spoken.values() for operation in some}
    if not operations:
        return found
    for said in _said(user, operations):
        for result in said or ():
            if (cases := by_id.get(str(result.get("rule_id")))) is not None:
                _add(cases, result)
    return found


def _said(user: User, operations: set[Any]) -> list[Any]:
    since = first_id(timezone.now(), -timedelta(days=DAYS))
    keys = visible_to(user).filter(operation__in=operations, pk__gte=since).order_by("-pk").values("pk")
    newest = list(keys.values_list("pk", flat=True)[:MOST_LOOKED_AT])
    return list(Action.objects.filter(pk__in=newest).order_by().values_list("explanation__rules", flat=True))


def _add(cases: Cases, result: Mapping[str, Any]) -> None:
    cases.looked += 1
    cases.matched += bool(result.get("matched"))
    cases.errors += bool(result.get("error"))
