"""The guide that writes a contract: what an agent or a role may do alone, must ask for, and may never do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from agents import policies as questions
from agents.models import Agent, Measure, Policy, Rule
from agents.selectors import contract_of, signing_of, visible_agents
from agents.selectors.sentences import limit_words, rule_words
from agents.services import contracts as signing
from agents.services import policies
from audit.vocabulary import Ref
from workflows.pages.access import admin_page, for_people
from workflows.pages.guides.contract_forms import Clause, LimitForm, RulesForm
from workflows.pages.guides.frame import CONTRACT, WORKFLOW, shown
from workflows.pages.guides.holders import Holder, agent_holder, role_holder
from workflows.pages.guides.keeping import drop, fill, keep
from workflows.pages.guides.parts import GuideForm, attempt, free_code, incomplete, require, user_of

MANY = 20
LONGEST_QUERY = 80


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@for_people
def agent_contract(request: HttpRequest, agent_id: UUID) -> HttpResponse:
    """Go on with the contract of one agent."""
    require(request, CONTRACT)
    return _step(request, agent_holder(request, agent_id))


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@for_people
def role_contract(request: HttpRequest, code: str) -> HttpResponse:
    """Go on with the contract of a role, which binds every agent that has it."""
    require(request, CONTRACT)
    return _step(request, role_holder(code))


def _step(request: HttpRequest, holder: Holder) -> HttpResponse:
    steps: dict[str, Callable[[HttpRequest, Holder], HttpResponse]] = {
        "rules": _rules,
        "limits": _limits,
        "force": _force,
        "sign": _sign,
    }
    wanted = request.GET.get("step", "")
    return steps[wanted](request, holder) if wanted in steps else redirect(holder.address(_stands_at(holder)))


def _finished(holder: Holder, rules: list[Rule], limits: list[Measure]) -> list[str]:
    found = ["whom"]
    if rules:
        found.append("rules")
    if limits:
        found.append("limits")
    if (rules or limits) and not _drafts(rules, limits):
        found.append("force")
    if isinstance(holder.thing, Agent) and signing_of(holder.thing, contract_of(holder.thing)).current:
        found.append("sign")
    return found


def _stands_at(holder: Holder) -> str:
    rules, limits = holder.rules(), holder.limits()
    if not rules and not limits:
        return "rules"
    return "force" if _drafts(rules, limits) else "sign"


def _drafts(rules: list[Rule], limits: list[Measure]) -> list[Rule | Measure]:
    every: list[Rule | Measure] = [*rules, *limits]
    return [it for it in every if it.mode == Rule.Mode.DRAFT]


def _of(request: HttpRequest, holder: Holder, key: str, template: str, /, **context: Any) -> HttpResponse:
    links = {step.key: holder.address(step.key) for step in CONTRACT.steps if step.key != "whom"}
    links["whom"] = reverse("guide-contracts")
    done = _finished(holder, holder.rules(), holder.limits())
    return shown(request, CONTRACT, key, template, done=done, links=links, holder=holder, **context)


def _rules(request: HttpRequest, holder: Holder) -> HttpResponse:
    place = f"contracts.{holder.thing.pk}.rules"
    if "back" in request.POST:
        keep(request, place)
        return redirect("guide-contracts")
    clauses = holder.clauses()
    form = RulesForm(request.POST if request.method == "POST" else None, clauses=clauses)
    thing = holder.thing
    context: dict[str, Any] = {
        "form": form,
        "here": holder.address("rules"),
        "back": True,
        "skip": holder.address("limits"),
        "others": [clause for clause in clauses if clause.own],
        "autonomy": thing.get_autonomy_display()
        if isinstance(thing, Agent) and thing.autonomy != "by_contract"
        else "",
        "probation": isinstance(thing, Agent) and thing.on_probation,
        "file": admin_page(thing),
        "grant": f"{reverse('guide-agent', args=[thing.pk])}?step=may" if isinstance(thing, Agent) else "",
    }
    if not form.is_bound:
        fill(request, place, form)
        return _of(request, holder, "rules", "contract_rules.html", **context)
    if not form.is_valid():
        return _of(request, holder, "rules", "contract_rules.html", status=422, refused=incomplete(), **context)
    done = attempt(request, _subject(holder), form, lambda: _written(request, holder, form))
    if not done.ok:
        return _of(
            request, holder, "rules", "contract_rules.html", status=done.status, refused=done.refused, **context
        )
    drop(request, place)
    if done.value:
        messages.warning(request, _waits(done.value))
    return redirect(holder.address("limits"))


def _waits(count: int) -> str:
    return ngettext(
        "One change gives more freedom, so it waits for a second person in Change requests.",
        "%(count)s changes give more freedom, so they wait for a second person in Change requests.",
        count,
    ) % {"count": count}


def _subject(holder: Holder) -> Ref:
    return holder.thing.as_ref()


@transaction.atomic
def _written(request: HttpRequest, holder: Holder, form: RulesForm) -> int:
    """Write what changed: new rules as drafts, others by services that know what loosens. Return what waits."""
    wanted, reason = form.wanted(), form.cleaned_data["reason"]
    if not wanted:
        return 0
    actor = user_of(request).as_actor()
    policy = holder.policy() or _new_policy(actor, holder, reason)
    return sum(_write(actor, policy, clause, content, reason) for clause, content in wanted)


def _new_policy(actor: Any, holder: Holder, reason: str) -> Policy:
    kind, key = holder.scope
    name = (_("Contract of %(name)s") % {"name": holder.name})[:120]
    return policies.create_policy(
        actor=actor, code=holder.policy_code, name=name, scope_kind=kind, scope_id=key, reason=reason
    )


def _write(actor: Any, policy: Policy, clause: Clause, content: dict[str, Any] | None, reason: str) -> int:
    if clause.rule is None:
        name = f"{clause.operation.name[:100]}: {clause.operation.code}"[:120]
        draft = {"name": name, "operations": clause.operation.code, "mode": "draft", **(content or {})}
        policies.create_rule(actor=actor, policy=policy, content=draft, reason=reason)
        return 0
    if content is None:
        return int(not policies.remove_rule(actor=actor, rule=clause.rule, reason=reason).applied)
    change = policies.propose_rule_change(actor=actor, rule=clause.rule, changes=content, reason=reason)
    return int(not change.applied)


def _limits(request: HttpRequest, holder: Holder) -> HttpResponse:
    place = f"contracts.{holder.thing.pk}.limits"
    if "back" in request.POST:
        keep(request, place)
        return redirect(holder.address("rules"))
    form = LimitForm(request.POST if request.method == "POST" else None, operations=holder.operations())
    context: dict[str, Any] = {
        "form": form,
        "here": holder.address("limits"),
        "back": True,
        "forward": holder.address("force"),
        "limits": [(it, limit_words(it)) for it in holder.limits()],
    }
    if not form.is_bound:
        fill(request, place, form)
        return _of(request, holder, "limits", "contract_limits.html", **context)
    if not form.is_valid():
        return _of(
            request, holder, "limits", "contract_limits.html", status=422, refused=incomplete(), **context
        )
    done = attempt(
        request, _subject(holder), form, lambda: _new_limit(request, holder, form), fields={"ceiling": "most"}
    )
    if not done.ok:
        return _of(
            request,
            holder,
            "limits",
            "contract_limits.html",
            status=done.status,
            refused=done.refused,
            **context,
        )
    drop(request, place)
    return redirect(holder.address("limits"))


def _new_limit(request: HttpRequest, holder: Holder, form: LimitForm) -> Measure:
    kind, key = holder.scope
    content, word = form.content(), f"{holder.thing.code} {form.content()['name']}"
    code = free_code(word, lambda query: Measure.objects.filter(query).exists(), separator="_")
    scope = {"code": code, "scope_kind": kind, "scope_id": key, "mode": "draft"}
    return policies.create_measure(
        actor=user_of(request).as_actor(), content={**content, **scope}, reason=form.cleaned_data["reason"]
    )


def _force(request: HttpRequest, holder: Holder) -> HttpResponse:
    if "back" in request.POST:
        return redirect(holder.address("limits"))
    form = GuideForm(request.POST if request.method == "POST" else None)
    rules, limits = holder.rules(), holder.limits()
    drafts, every = _drafts(rules, limits), list[Rule | Measure]([*rules, *limits])
    context: dict[str, Any] = {
        "form": form,
        "here": holder.address("force"),
        "drafts": [_in_words(it) for it in drafts],
        "in_force": [_in_words(it) for it in every if it not in drafts],
        "forward": holder.address("sign"),
    }
    if not form.is_bound:
        fill(request, "contracts.force", form)
        return _of(request, holder, "force", "contract_force.html", **context)
    if not form.is_valid():
        return _of(request, holder, "force", "contract_force.html", status=422, refused=incomplete(), **context)
    done = attempt(
        request, _subject(holder), form, lambda: _enforced(request, drafts, form.cleaned_data["reason"])
    )
    if not done.ok:
        return _of(
            request, holder, "force", "contract_force.html", status=done.status, refused=done.refused, **context
        )
    if done.value:
        messages.warning(request, _waits(done.value))
    return redirect(holder.address("sign"))


def _in_words(it: Rule | Measure) -> dict[str, Any]:
    if isinstance(it, Rule):
        return {
            "words": rule_words(it),
            "mode": it.get_mode_display(),
            "try": reverse("rule-backtest", args=[it.pk]),
            "file": admin_page(it),
        }
    return {
        "words": [limit_words(it)],
        "mode": it.get_mode_display(),
        "try": reverse("limit-backtest", args=[it.pk]),
        "file": admin_page(it),
    }


@transaction.atomic
def _enforced(request: HttpRequest, drafts: list[Rule | Measure], reason: str) -> int:
    """Put drafts into force by services that know what loosens; return how many wait for a second person."""
    actor, waits = user_of(request).as_actor(), 0
    for it in drafts:
        changes = {"mode": Rule.Mode.ENFORCED.value}
        if isinstance(it, Rule):
            change = policies.propose_rule_change(actor=actor, rule=it, changes=changes, reason=reason)
        else:
            change = policies.propose_measure_change(actor=actor, measure=it, changes=changes, reason=reason)
        waits += int(not change.applied)
    return waits


def _sign(request: HttpRequest, holder: Holder) -> HttpResponse:
    if "back" in request.POST:
        return redirect(holder.address("force"))
    workflow = reverse(WORKFLOW.route) if WORKFLOW.may(request.user) else ""
    if not isinstance(holder.thing, Agent):
        having = (
            visible_agents(user_of(request))
            .filter(role=holder.thing)
            .exclude(lifecycle=Agent.Lifecycle.RETIRED)
        )
        agents = [(it, Holder(it).address("sign")) for it in having.order_by("name")[:MANY]]
        return _of(request, holder, "sign", "contract_sign_role.html", agents=agents, workflow=workflow)
    return _sign_agent(request, holder, holder.thing, workflow)


def _sign_agent(request: HttpRequest, holder: Holder, agent: Agent, workflow: str) -> HttpResponse:
    user = user_of(request)
    form = GuideForm(request.POST if request.method == "POST" else None)
    form.fields["reason"].label = _("What you say about it")
    refused, status = "", 200
    if form.is_bound and form.is_valid():
        done = attempt(request, agent.as_ref(), form, lambda: signing.sign_contract(
            actor=user.as_actor(), agent=agent, digest=request.POST.get("digest", ""),
            reason=form.cleaned_data["reason"],
        ))  # fmt: skip
        if done.ok:
            messages.success(request, _("You have signed the contract of %(name)s.") % {"name": agent.name})
            return redirect(holder.address("sign"))
        refused, status = done.refused, done.status
    elif form.is_bound:
        refused, status = incomplete(), 422
    else:
        fill(request, "contracts.sign", form)
    contract = contract_of(agent)
    signed = signing_of(agent, contract)
    mine = any(it.signer_id == user.pk for it in signed.current)
    return _of(
        request, holder, "sign", "contract_sign.html", status=status, refused=refused, form=form,
        here=holder.address("sign"), contract=contract, signed=signed, workflow=workflow,
        may_sign=not mine and questions.may_sign_contract(user.as_actor(), agent) is None,
        whole=reverse("agent-contract", args=[agent.pk]),
        sections=[it for it in contract.sections if it.clauses],
    )  # fmt: skip
