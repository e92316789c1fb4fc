"""Policies and limits as YAML that engineers review in git: everything by code, in one spelling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from django.contrib.auth.models import Group
from django.contrib.postgres.fields import ArrayField
from django.db import models

from agents import policies as questions
from agents import registry
from agents.decision import levels, lines
from agents.decision.policy_file import FieldSpec, write_policy_file, written
from agents.models import Agent, Department, Measure, Policy, PolicyScope, Role, Rule
from agents.services import policies
from audit.vocabulary import Actor

# Without them a reader would have to know the defaults by heart.
ALWAYS = frozenset({"name", "operations", "verdict", "mode", "unit", "window", "ceiling", "on_exceed", "code"})
SCOPED: dict[str, type[Department | Role | Agent]] = {
    "department": Department,
    "role": Role,
    "agent": Agent,
}


@lru_cache
def rule_fields() -> tuple[FieldSpec, ...]:
    """Return what a rule in a file may hold: every field of RULE_FIELDS, so that a new one comes along."""
    return tuple(_spec(Rule, name) for name in policies.RULE_FIELDS)


# Read, and never written any more: a rule had one next level once.
OLD_RULE_FIELDS = (FieldSpec("escalate_minutes", "whole", None), FieldSpec("escalate_to", "text", ""))


@lru_cache
def limit_fields() -> tuple[FieldSpec, ...]:
    """Return what a limit in a file may hold beside whom it binds."""
    names = [name for name in policies.MEASURE_FIELDS if name not in ("scope_kind", "scope_id")]
    return tuple(_spec(Measure, name) for name in ("code", *names))


def _spec(model: type[models.Model], name: str) -> FieldSpec:
    column: Any = model._meta.get_field(name)
    default = column.get_default()
    choices = tuple(str(value) for value, _ in column.flatchoices)
    if isinstance(column, models.ForeignKey):
        kind, default = "name", ""
    elif isinstance(column, ArrayField):
        kind = "list"
    elif name in ("also", "levels"):
        kind = "lines"
    elif isinstance(column, models.JSONField):
        kind = "json"
    elif isinstance(column, models.BooleanField):
        kind = "flag"
    else:
        kind = "whole" if isinstance(column, models.IntegerField) else "text"
    if choices and column.blank:
        choices = ("", *choices)
    return FieldSpec(name, kind, str(default) if kind == "text" else default, choices, name in ALWAYS)


def export_policies(*, actor: Actor, chosen: Sequence[Policy] | None = None) -> str:
    """Return policies as YAML: all of them with all limits, or exactly the chosen ones.

    Raises Refusal unless the actor is a person who may publish rules (for one policy: that policy's).
    """
    if chosen is None:
        questions.require(questions.may_publish_rule(actor))
    for policy in chosen or ():
        questions.require(questions.may_publish_rule(actor, policy))
    found = list(Policy.objects.order_by("code")) if chosen is None else sorted(chosen, key=lambda it: it.code)
    documents = [policy_document(policy) for policy in found]
    if chosen is None and (limits := list(Measure.objects.order_by("code"))):
        documents.append({"kind": "limits", "limits": [limit_document(measure) for measure in limits]})
    return write_policy_file(documents)


def policy_document(policy: Policy) -> dict[str, Any]:
    """Return one policy as it is written: rules by name."""
    rules = policy.rules.select_related("approver_group", "policy").order_by("name")
    return {
        "kind": "policy",
        "code": policy.code,
        "name": policy.name,
        **({"purpose": policy.purpose} if policy.purpose else {}),
        "binds": _binds(policy.scope_kind, policy.scope_id),
        "rules": [rule_document(rule) for rule in rules],
    }


def rule_document(rule: Rule) -> dict[str, Any]:
    """Return one rule as it is written: what the form built is built again, and is not written beside it."""
    values = {spec.name: _value(rule, spec) for spec in rule_fields()}
    if rule.field and rule.comparison:
        del values["condition"]
        if not policies.has_own_sentence(rule):
            del values["sentence"]
    return written(values, rule_fields())


def limit_document(measure: Measure) -> dict[str, Any]:
    """Return one limit as it is written."""
    values = written({spec.name: _value(measure, spec) for spec in limit_fields()}, limit_fields())
    return {
        "code": values.pop("code"),
        "name": values.pop("name"),
        "binds": _binds(measure.scope_kind, measure.scope_id),
        **values,
    }


def _value(instance: Rule | Measure, spec: FieldSpec) -> Any:
    value = getattr(instance, spec.name)
    if spec.kind == "name":
        return name_of(value)
    if spec.kind == "lines":
        if spec.name == "levels":
            return levels.as_data(levels.levels_on_record(value))
        return lines.as_data(lines.lines_on_record(value))
    return str(value) if spec.kind == "text" else value


def name_of(thing: Any) -> str:
    """Return what another thing is called in a file: its code, or its name where it has none."""
    return "" if thing is None else str(getattr(thing, "code", "") or thing.name)


def find_named(column: Any, name: str) -> Any:
    """Return the thing of that name a field may point to; None for no name. Raises LookupError."""
    if not name:
        return None
    target = column.related_model
    key = "code" if any(it.name == "code" for it in target._meta.fields) else "name"
    things = target._default_manager.all()
    if target is Group:
        things = things.filter(role__isnull=True)  # the group of a role holds agents, who decide nothing
    found = things.filter(**{key: name}).first()
    if found is None:
        raise LookupError(name)
    return found


def _binds(kind: str, scope_id: str) -> str | Mapping[str, str]:
    if kind == PolicyScope.COMPANY:
        return "company"
    target = registry.find_stop_target(kind, scope_id)
    retired = None if target else SCOPED[kind]._default_manager.filter(pk=scope_id).first()
    return {kind: target.code if target else getattr(retired, "code", scope_id)}
