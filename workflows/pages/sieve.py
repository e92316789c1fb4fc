"""The filters of the inbox: read from the address, so that what one sees can be shared, and kept as a view."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _

from agents.decision.money import major_to_minor
from agents.models import Rule, User
from agents.selectors import company_currency
from workflows.actions.models import Action
from workflows.approvals.models import Approval
from workflows.pages.risk import HIGH, LOW, MEDIUM, is_risky
from workflows.runs.models import Workflow
from workflows.tasks.models import Task

LONGEST = 100
MOST_CHOICES = 200
KINDS: tuple[tuple[str, Promise], ...] = (
    ("action", _("What an agent wants to do")),
    ("change", _("Changes of what agents may do")),
    ("work", _("Work for people")),
)
RISKS = ((HIGH, _("High")), (MEDIUM, _("Medium")), (LOW, _("Low")))
OF_ACTIONS = "actions.action"


@dataclass(frozen=True, slots=True)
class Sieve:
    """What of a list is shown. Everything is text as it stands in the address; '' lets all through."""

    q: str = ""
    kind: str = ""
    agent: str = ""
    workflow: str = ""
    risk: str = ""
    rule: str = ""
    least: str = ""
    most: str = ""
    wrong: tuple[str, ...] = field(default=())

    @property
    def is_on(self) -> bool:
        """Say whether anything is left out."""
        return bool(self.given)

    @property
    def given(self) -> dict[str, str]:
        """Return what was filled in, by its name in the address."""
        return {name: value for name, value in asdict(self).items() if value and name != "wrong"}

    def address(self, shelf: str, **more: str) -> str:
        """Return it as the query of an address, with the shelf it is of."""
        return urlencode({"show": shelf, **self.given, **more})

    def approvals(self, found: QuerySet[Approval]) -> QuerySet[Approval]:
        """Return what of approvals is let through."""
        if self.kind == "work":
            return found.none()
        if self.kind:
            of_actions = Q(subject_kind=OF_ACTIONS)
            found = found.filter(of_actions if self.kind == "action" else ~of_actions)
        if self.q:
            found = found.filter(Q(subject_label__icontains=self.q) | Q(sentence__icontains=self.q))
        if self.agent:
            found = found.filter(requester_label__icontains=self.agent)
        if self.rule:
            found = found.filter(explanation__deciding__contains=[self.rule])
        if asked := self._of_action():
            found = found.filter(Exists(Action.objects.filter(*asked, approval=OuterRef("pk"))))
        return found

    def tasks(self, found: QuerySet[Task]) -> QuerySet[Task]:
        """Return what of work is let through: it has no risk, rule or amount."""
        if self.kind in ("action", "change") or self.agent or self.rule or self._of_money() or self.risk:
            return found.none()
        if self.q:
            found = found.filter(Q(title__icontains=self.q) | Q(subject_label__icontains=self.q))
        if self.workflow:
            found = found.filter(references__workflow_id=self.workflow)
        return found

    def _of_action(self) -> list[Q]:
        asked = self._of_money()
        if self.workflow:
            asked.append(Q(references__workflow_id=self.workflow))
        if self.risk:
            asked.append(is_risky(self.risk))
        return asked

    def _of_money(self) -> list[Q]:
        least, most = _minor(self.least), _minor(self.most)
        asked = [] if least is None else [Q(amount_company_minor__gte=least)]
        return asked if most is None else [*asked, Q(amount_company_minor__lte=most)]


def sieve_of(given: QueryDict) -> Sieve:
    """Return the filters of an address; what makes no sense is left out and named in ``wrong``."""
    text = {
        name: given.get(name, "").replace("\x00", "").strip()[:LONGEST]
        for name in ("q", "kind", "agent", "workflow", "risk", "rule", "least", "most")
    }
    fits = {
        "kind": lambda value: value in dict(KINDS),
        "risk": lambda value: value in dict(RISKS),
        "workflow": _is_key,
        "rule": _is_key,
        "least": lambda value: _minor(value) is not None,
        "most": lambda value: _minor(value) is not None,
    }
    wrong = tuple(name for name, is_good in fits.items() if text[name] and not is_good(text[name]))
    return Sieve(**{**text, **dict.fromkeys(wrong, "")}, wrong=wrong)


def choices_for(user: User) -> dict[str, Any]:
    """Return what the filters offer this person: rules and workflows only where they may see them."""
    rules = Rule.objects.filter(verdict=Rule.Verdict.HOLD).order_by("name").values_list("pk", "name")
    workflows = Workflow.objects.order_by("name").values_list("pk", "name")
    return {
        "kinds": KINDS,
        "risks": RISKS,
        "rules": _named(rules) if user.has_perm("agents.view_rule") else [],
        "workflows": _named(workflows) if user.has_perm("runs.view_workflow") else [],
        "currency": company_currency(),
    }


def _named(found: Any) -> list[tuple[str, str]]:
    return [(str(key), name) for key, name in found[:MOST_CHOICES]]


def _is_key(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _minor(text: str) -> int | None:
    if not text:
        return None
    try:
        found = major_to_minor(text, company_currency())
    except ValueError:
        return None
    return found if found < 2**62 else None
