"""What a change of a rule and of a limit have in common: fields, words, versions, events."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import rfc8785
from django.contrib.auth.models import Group
from django.db import models

from agents import policies
from agents.decision import levels, lines
from agents.decision.facts import RuleFacts
from agents.decision.lint import Finding
from agents.models import ChangeRequest, Measure, Policy, PolicyVersion, Rule
from agents.selectors import rule_facts
from agents.services import changes
from agents.services.history import lock_row, stamp
from audit.services import record_event
from audit.vocabulary import Actor, Refusal, RefusalKind

CHANGE_RULE = "agents.rule.change"
REMOVE_RULE = "agents.rule.remove"
CHANGE_MEASURE = "agents.measure.change"
MOVE_POLICY = "agents.policy.move"

RULE_FIELDS = (
    "name", "sentence", "operations", "effects", "field", "comparison", "value", "also", "condition",
    "verdict", "approver_group", "quorum", "stage", "step_up", "note", "redact", "mode",
    "remind_minutes", "levels", "clock",
)  # fmt: skip
MEASURE_FIELDS = (
    "name", "scope_kind", "scope_id", "operations", "key", "amount", "unit", "window", "window_seconds",
    "ceiling", "on_exceed", "read_for", "read_key", "mode",
)  # fmt: skip
FORM_FIELDS = ("field", "comparison", "value", "also")
G = TypeVar("G", Rule, Measure)


@dataclass(frozen=True, slots=True)
class RuleChange:
    """What became of a proposed change: applied at once, or waiting as ``change_request``."""

    applied: bool
    rule: Rule | None = None
    measure: Measure | None = None
    policy: Policy | None = None
    change_request: ChangeRequest | None = None


def propose(
    actor: Actor,
    kind: str,
    target: Policy | Rule | Measure,
    values: Mapping[str, Any],
    summary: str,
    reason: str,
    state: str,
) -> ChangeRequest:
    """Open the ChangeRequest of a change that loosens; ``state`` is what makes it stale."""
    return changes.propose_change(
        actor=actor,
        kind=kind,
        target=target.as_ref(),
        payload={name: _plain(value) for name, value in values.items()},
        summary=summary,
        reason=reason,
        target_version=state,
    )


def known(given: Mapping[str, Any], allowed: Sequence[str]) -> dict[str, Any]:
    """Return what may be set, groups looked up; raise Refusal ``field_unknown`` for anything else."""
    given = in_the_new_form(given)
    if unknown := sorted(set(given) - set(allowed)):
        raise Refusal("field_unknown", f"{', '.join(unknown)} cannot be set.", kind=RefusalKind.INVALID)
    return from_payload(given)


def from_payload(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return stored values with their groups looked up and locked."""
    found = in_the_new_form(values)
    group = found.get("approver_group")
    if group is not None and not isinstance(group, Group):
        found["approver_group"] = lock_row(Group, group)
    return found


def in_the_new_form(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values with the one next level that rules had once (also in what still waits) as the first of
    several. Raises Refusal ``levels_invalid`` where only half of it is there."""
    found = dict(values)
    if not {"escalate_to", "escalate_minutes"} & found.keys():
        return found
    group, minutes = found.pop("escalate_to", None), found.pop("escalate_minutes", None)
    if bool(group) != bool(minutes):
        raise Refusal(
            "levels_invalid",
            "Say both: after how many minutes, and who may approve then, too.",
            kind=RefusalKind.INVALID,
        )
    if group and not isinstance(group, Group | str):
        group = lock_row(Group, group)
    return {**found, "levels": levels.from_the_old_form(minutes, str(group or ""))}


def with_values(instance: G, values: Mapping[str, Any]) -> G:
    """Set these fields and return the same instance."""
    for name, value in values.items():
        setattr(instance, name, value)
    return instance


def changed_in(old: Rule | Measure, new: Rule | Measure, fields: Sequence[str]) -> dict[str, Any]:
    """Return the new values of the fields that differ."""
    return {name: getattr(new, name) for name in fields if getattr(new, name) != getattr(old, name)}


def _plain(value: Any) -> Any:
    return value.pk if isinstance(value, models.Model) else value


def content_of(instance: Rule | Measure, fields: Sequence[str]) -> dict[str, Any]:
    """Return fields as plain values, for events and requests."""
    return {name: _plain(getattr(instance, name)) for name in fields}


def difference(old: Rule | Measure, new: Rule | Measure, fields: Sequence[str]) -> str:
    """Return a change in words: ``the rule Large invoices: value 10000.00 becomes 5000.00.``"""
    kind = "the rule" if isinstance(old, Rule) else "the limit"
    built = isinstance(new, Rule) and bool(new.field)
    words = [
        f"{_SPOKEN.get(name, name.replace('_', ' '))} {_words(getattr(old, name))} becomes {_words(value)}"
        for name, value in changed_in(old, new, fields).items()
        if not (built and name == "condition")
    ]
    return f"{kind} {old.name}: {'; '.join(words) or 'nothing'}."


_SPOKEN = {
    "also": "further comparisons",
    "step_up": "sign in again",
    "levels": "next levels",
    "clock": "how time counts",
}


def _words(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(_line_in_words(it) if isinstance(it, Mapping) else str(it) for it in value) or "empty"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "empty" if value in (None, "") else str(value)


def _line_in_words(line: Mapping[str, str]) -> str:
    if "minutes" in line:
        return f"after {line['minutes']} minutes {line.get('group') or levels.WHO.get(line['to'], line['to'])}"
    how = Rule.Comparison(line["comparison"]).label
    return f"{line['joined']} {line['field']} {how} {line['value']}"


def digest_of(document: Any) -> str:
    """Return the SHA-256 of the RFC 8785 form."""
    return hashlib.sha256(rfc8785.dumps(document)).hexdigest()


def new_version(actor: Actor, policy: Policy, reason: str, agreed: ChangeRequest | None = None) -> None:
    """Keep the policy exactly as it stands from now on, so that an old decision can be replayed.

    ``agreed``: what two people agreed to, where it needed two.
    """
    policy.version += 1
    stamp(policy, actor=actor, reason=reason).save(update_fields=["version"])
    stored = policy.rules.select_related("policy", "approver_group").order_by("pk")
    rules: list[RuleFacts] = [rule_facts(rule) for rule in stored]
    content: Any = {
        "code": policy.code,
        "scope": [policy.scope_kind, policy.scope_id],
        "rules": [
            {
                **asdict(rule),
                "effects": list(rule.effects),
                "redact": list(rule.redact),
                "also": lines.as_data(rule.also),
                "levels": levels.as_data(rule.levels),
            }
            for rule in rules
        ],
    }
    PolicyVersion.objects.create(
        policy=policy,
        number=policy.version,
        content=content,
        digest=digest_of(content),
        reason=reason,
        published_by=policies.user_of(actor),
        change_request=agreed,
    )


def record(
    actor: Actor,
    verb: str,
    subject: Policy | Rule | Measure,
    sentence: str,
    reason: str,
    content: Mapping[str, Any] | None = None,
) -> None:
    """Record the event of a change."""
    record_event(
        actor=actor, verb=verb, subject=subject.as_ref(), sentence=sentence, reason=reason, payload=content
    )


def refuse_findings(findings: Sequence[Finding], name: str) -> None:
    """Raise Refusal ``rule_refused`` with every finding, if there is any."""
    if findings:
        raise Refusal(
            "rule_refused",
            f"{name or 'This'} was not published: {findings[0].message}",
            detail={"findings": [asdict(finding) for finding in findings]},
            kind=RefusalKind.INVALID,
            next_step="Correct it, or keep it as a draft.",
        )
