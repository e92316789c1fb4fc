"""Try what an agent may do: a call is decided as a real one would be, and nothing comes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from agents.decision import OperationFacts
from agents.decision.money import format_minor
from agents.decision.stages import stages_in_words
from agents.models import Agent, User
from agents.registry import all_operations, find_operation
from agents.selectors import agent_facts, authority_snapshot
from audit.vocabulary import Refusal
from workflows.actions.services import Ask, explanation, preview_decision
from workflows.pages.access import STATUS_OF_KIND, for_people, page
from workflows.pages.agent_file import found_agent
from workflows.pages.agent_head import head_of
from workflows.pages.schema_form import SchemaForm
from workflows.pages.why_asked import deciding_rules, limits_in_words
from workflows.pages.words import Tag

PREFIX = "with"
VERDICTS = {
    "allow": Tag("It would go through", "check_circle", "good"),
    "hold": Tag("It would wait for a person", "front_hand", "wait"),
    "deny": Tag("It would be refused", "block", "bad"),
}


class FromWhere(forms.Form):
    """Where the values came from, as an agent says it: one label for all of them."""

    label = forms.RegexField(
        r"^[a-z][a-z0-9_.:-]{0,63}$",
        label="Where the values come from",
        required=False,
        help_text="A label that rules may read, e.g. email. Empty: the agent says nothing about it.",
        error_messages={"invalid": "Write one word in small letters, e.g. email."},
    )


@dataclass(frozen=True, slots=True)
class RuleTold:
    """What one rule or limit said of the call."""

    words: str
    mode: str
    said: str


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@for_people
def try_agent(request: HttpRequest, agent_id: UUID) -> HttpResponse:
    """Choose an operation, fill in its arguments, and read what would be decided and why."""
    user = _user(request)
    if not user.has_perm("actions.preview_decision"):
        raise Http404
    agent = found_agent(request, agent_id)
    operation = find_operation(request.GET.get("operation", "")[:120].replace("\x00", ""))
    if operation is None:
        return _page(request, agent, None)
    schema = operation.input_schema or {}
    if request.method != "POST":
        return _page(request, agent, operation, SchemaForm(schema, prefix=PREFIX), FromWhere())
    form, where = SchemaForm(schema, request.POST, prefix=PREFIX), FromWhere(request.POST)
    if not (form.is_valid() & where.is_valid()):
        return _page(request, agent, operation, form, where, 422, refused="Correct what is marked below.")
    try:
        told = _decided(user, agent, operation, form.answer, where.cleaned_data["label"])
    except Refusal as refusal:
        for error in refusal.detail.get("errors", ()):
            form.add_error_at(error["pointer"], error["message"])
        status = STATUS_OF_KIND.get(refusal.kind, 403)
        return _page(request, agent, operation, form, where, status, refused=refusal.in_full())
    return _page(request, agent, operation, form, where, **told)


def _decided(
    user: User, agent: Agent, operation: OperationFacts, arguments: dict[str, Any], label: str
) -> dict[str, Any]:
    provenance = {f"args.{name}": label for name in arguments} if label else {}
    ask = Ask(operation=operation.code, arguments=arguments, provenance=provenance)
    judgement = preview_decision(actor=user.as_actor(), agent=agent, ask=ask)
    decision, whole = judgement.decision, explanation(judgement.decision, judgement.request)
    deciding = set(whole["deciding"])
    duties, money = whole["obligations"], judgement.request.money
    return {
        "verdict": VERDICTS[str(decision.verdict)],
        "decision": decision,
        "rules": deciding_rules(whole, arguments, format_minor(money.minor, money.currency) if money else ""),
        "others": [_told(result) for result in whole["rules"] if result["rule_id"] not in deciding],
        "limits": limits_in_words(whole),
        "who_decides": stages_in_words(
            (stage.quorum, " and ".join(group or "the ordinary approvers" for group in stage.groups or ("",)))
            for stage in decision.obligations.stages
        ),
        "step_up": duties["step_up"],
        "notes": duties["notes"],
        "hidden": duties["redact"],
    }


def _told(result: dict[str, Any]) -> RuleTold:
    said = {"hold": "would ask a person", "deny": "would refuse it", "allow": "adds a duty"}
    if result["error"]:
        words = f"could not be checked: {result['error']}"
    else:
        words = said.get(result["verdict"], "applies") if result["matched"] else "does not apply"
    return RuleTold(result["sentence"] or result["name"], result["mode"], words)


def _page(
    request: HttpRequest,
    agent: Agent,
    operation: OperationFacts | None,
    form: SchemaForm | None = None,
    where: FromWhere | None = None,
    status: int = 200,
    **told: Any,
) -> HttpResponse:
    granted, others = _operations(agent)
    shown = {
        **head_of(_user(request), agent, "agent-try"),
        "operation": operation,
        "granted": granted,
        "others_known": others,
        "form": form,
        "where": where,
        **told,
    }
    return page(request, "portal/try.html", f"What may {agent.name} do?", status, **shown)


def _operations(agent: Agent) -> tuple[list[OperationFacts], list[OperationFacts]]:
    """Return what the agent has a grant for, and what else there is, by name."""
    facts = agent_facts(agent)
    codes = {
        grant.operation
        for grant in authority_snapshot().grants
        if (grant.holder_kind == "user" and grant.holder_id == facts.user_id)
        or (grant.holder_kind == "group" and grant.holder_id in facts.group_ids)
    }
    every = sorted(all_operations(), key=lambda operation: operation.name)
    return [one for one in every if one.code in codes], [one for one in every if one.code not in codes]


def _user(request: HttpRequest) -> User:
    return request.user  # type: ignore[return-value]
