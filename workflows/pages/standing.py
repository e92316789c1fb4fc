"""Approve the like in future: ask for it in words of the request at hand, see what is in force, and end it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django import forms
from django.conf import settings
from django.contrib import messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from agents.decision import OperationFacts, lines
from agents.decision.facts import Line
from agents.decision.money import format_minor, major_to_minor
from agents.models import User
from agents.registry import find_operation
from agents.selectors import company_currency, visible_agents, visible_rules
from audit.services import refusals_recorded
from audit.vocabulary import Refusal
from audit.wording import said_lazy
from workflows.actions.models import Action, StandingApproval
from workflows.actions.selectors import hidden_in_action, is_asked, most_days, state_of, visible_standing
from workflows.actions.services import (
    MOST_USES,
    REVOKE,
    Bounds,
    propose_standing_approval,
    revoke_standing_approval,
)
from workflows.approvals.selectors import company_day
from workflows.pages.access import STATUS_OF_KIND, for_people, page
from workflows.pages.editing import asked_for
from workflows.pages.words import Tag, humanize, in_words
from workflows.tasks.selectors import database_now

MOST_ROWS = 100
MOST_OFFERED = 20
_TAGS = {
    "in_force": Tag("In force", "check_circle", "good"),
    "to_come": Tag("To come", "schedule", "wait"),
    "used_up": Tag("Used up", "done_all"),
    "over": Tag("Over", "history"),
    "revoked": Tag("Ended", "undo"),
    "void": Tag("Counts no longer", "block", "bad"),
}


class StandingForm(forms.Form):
    """Within what the like of one request is approved."""

    use_required_attribute = False
    whose = forms.ChoiceField(label="Whose requests", widget=forms.RadioSelect, initial="agent")
    same = forms.MultipleChoiceField(
        label="What must be the same",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="As in this request. What you do not tick may be anything.",
    )
    most = forms.CharField(label="Largest amount of one", required=False, max_length=20)
    total = forms.CharField(
        label="All of them together", required=False, max_length=20, help_text="Empty: only each one counts."
    )
    most_uses = forms.IntegerField(label="How often", min_value=1, max_value=MOST_USES, initial=10)
    last_day = forms.DateField(
        label="Until",
        help_text="The last day, by the company’s clock.",
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )
    reason = forms.CharField(
        label="Why",
        max_length=1000,
        help_text="The second person reads it, and it goes into the ledger.",
        widget=forms.Textarea(attrs={"rows": 2}),
    )

    def __init__(self, action: Action, data: Any = None) -> None:
        super().__init__(data)
        self.action = action
        self.offered = dict(offered_lines(action))
        fields: dict[str, Any] = self.fields
        role = action.agent.role.name
        fields["whose"].choices = [
            ("agent", said_lazy(f"Those of {action.agent.name}")),
            ("role", said_lazy(f"Those of every {role}")),
        ]
        fields["same"].choices = [(line.field, said_lazy(words)) for line, words in offered_lines(action)]
        if not self.offered:
            del self.fields["same"]
        self.lines = {line.field: line for line in self.offered}
        self.initial["last_day"] = company_day() + timedelta(days=min(30, most_days()))
        currency = company_currency()
        if action.amount_company_minor is None:
            del self.fields["most"], self.fields["total"]
        else:
            fields["most"].required = True
            fields["most"].label = f"Largest amount of one, in {currency}"
            fields["total"].label = f"All of them together, in {currency}"
            self.initial["most"] = format_minor(action.amount_company_minor, currency).rsplit(" ", 1)[0]
        fields["last_day"].help_text += f" At most {most_days()} days from now."

    def clean_most(self) -> int | None:
        """Return minor units of the company's currency."""
        return self._minor("most")

    def clean_total(self) -> int | None:
        """Return minor units of the company's currency."""
        return self._minor("total")

    def bounds(self) -> Bounds:
        """Return what was filled in as the service takes it."""
        told = self.cleaned_data
        end = datetime.combine(told["last_day"], time(23, 59, 59), ZoneInfo(settings.TIME_ZONE))
        return Bounds(
            until=end,
            most_uses=told["most_uses"],
            lines=tuple(self.lines[name] for name in told.get("same", ())),
            most_minor=told.get("most"),
            total_minor=told.get("total"),
            for_role=told["whose"] == "role",
        )

    def _minor(self, name: str) -> int | None:
        written = self.cleaned_data.get(name, "").strip()
        if not written:
            return None
        try:
            return major_to_minor(written, company_currency())
        except ValueError as error:
            raise forms.ValidationError(f"{error}.") from None


@dataclass(frozen=True, slots=True)
class StandingLine:
    """One standing approval as a person reads it."""

    standing: StandingApproval
    tag: Tag
    spent: str
    may_end: bool


def offered_lines(action: Action) -> list[tuple[Line, str]]:
    """Return which values of a request a condition may ask to be the same, each with its words."""
    operation = find_operation(action.operation_code)
    hidden = hidden_in_action(action)
    if operation is None:
        return []
    found = []
    for field, value in _plain_values(action.arguments, "args"):
        line = Line(lines.AND, field, "equal", _written(value))
        if not any(field == path or field.startswith(f"{path}.") for path in hidden) and _fits(line, operation):
            name = humanize(field.removeprefix("args.").replace(".", ", "))
            found.append((line, f"{name}: {in_words(value)}"[:120]))
    return found[:MOST_OFFERED]


@never_cache
@require_safe
@for_people
def standing(request: HttpRequest) -> HttpResponse:
    """List what was approved in advance: what is in force first."""
    return _list(request)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@for_people
def give_standing(request: HttpRequest, approval_id: UUID) -> HttpResponse:
    """Ask that the like of one request is approved in advance. The service asks every question again."""
    approval, action = asked_for(request, approval_id)
    shown: dict[str, Any] = {"approval": approval, "action": action, "subtitle": approval.subject_label}
    form = StandingForm(action, request.POST if request.method == "POST" else None)
    title, template = "Approve the like in future", "portal/standing_form.html"
    if request.method != "POST":
        return page(request, template, title, form=form, **shown)
    if not form.is_valid():
        refused = "Correct what is marked below."
        return page(request, template, title, 422, form=form, refused=refused, **shown)
    actor = _user(request).as_actor()
    try:
        with refusals_recorded(actor=actor, subject=approval.as_ref(), **approval.event_refs()):
            change = propose_standing_approval(
                actor=actor, approval_id=approval.pk, bounds=form.bounds(), reason=form.cleaned_data["reason"]
            )
    except Refusal as refusal:
        status = STATUS_OF_KIND.get(refusal.kind, 403)
        return page(request, template, title, status, form=form, refused=refusal.in_full(), **shown)
    messages.success(request, f"Asked: a second person has to agree. {change.summary}")
    return redirect("inbox-approval", approval.pk)


@require_POST
@for_people
def end_standing(request: HttpRequest, standing_id: UUID) -> HttpResponse:
    """End a standing approval at once. The service asks whether this person may."""
    user = _user(request)
    found = get_object_or_404(visible_standing(user), pk=standing_id)
    try:
        with refusals_recorded(actor=user.as_actor(), subject=found.as_ref()):
            revoke_standing_approval(
                actor=user.as_actor(), standing_id=found.pk, reason=request.POST.get("reason", "")
            )
    except Refusal as refusal:
        return _list(request, STATUS_OF_KIND.get(refusal.kind, 403), refused=refusal.in_full())
    messages.success(request, f"Ended: people are asked again. {found.words}")
    return redirect("standing")


def _list(request: HttpRequest, status: int = 200, **said: Any) -> HttpResponse:
    user = _user(request)
    shown, of_whom = _narrowed(request, visible_standing(user))
    found = [_line(one, user) for one in shown[:MOST_ROWS]]
    order = list(_TAGS.values())
    rows = sorted(found, key=lambda line: order.index(line.tag))
    return page(
        request, "portal/standing.html", "Approved in advance", status, lines=rows, of_whom=of_whom, **said
    )


def _narrowed(
    request: HttpRequest, found: QuerySet[StandingApproval]
) -> tuple[QuerySet[StandingApproval], str]:
    """Return those of the agent or the rule that the address names, and its name; all of them by default."""
    user = _user(request)
    if key := _uuid(request.GET.get("agent", "")):
        agent = get_object_or_404(visible_agents(user), pk=key)
        return found.filter(Q(agent=agent) | Q(role=agent.role_id)), agent.name
    if key := _uuid(request.GET.get("rule", "")):
        rule = get_object_or_404(visible_rules(user), pk=key)
        return found.filter(modelled_on__explanation__deciding__contains=[str(rule.pk)]), rule.name
    return found, ""


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _line(one: StandingApproval, user: User) -> StandingLine:
    state = state_of(one, database_now())
    mine = user.pk in (one.granted_by_id, one.agreed_by_id)
    may_end = state != "revoked" and state != "over" and (mine or user.has_perm(REVOKE) or is_asked(user, one))
    spent = format_minor(one.spent_minor, company_currency()) if one.most_minor is not None else ""
    return StandingLine(one, _TAGS[state], spent, may_end)


def _plain_values(value: Mapping[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    for name, inner in sorted(value.items()):
        if isinstance(inner, Mapping):
            if set(inner) != {"minor", "currency"}:
                yield from _plain_values(inner, f"{path}.{name}")
        elif isinstance(inner, str | int) and inner != "":
            yield f"{path}.{name}", inner


def _written(value: Any) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def _fits(line: Line, operation: OperationFacts) -> bool:
    try:
        return bool(lines.condition_of(lines.known([line], [operation]), company_currency()))
    except ValueError:
        return False


def _user(request: HttpRequest) -> User:
    return request.user  # type: ignore[return-value]
