"""An agent is copied into another department: its file at once, as a draft; its authority is agreed to anew.

What binds the original alone is copied with the copy in its place, since rules and limits only tighten. What it
may use is proposed, one grant after the other, to a second person. Nothing of the original changes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from agents import policies as questions
from agents import registry
from agents.models import (
    Agent,
    ChangeRequest,
    Department,
    Measure,
    Policy,
    PolicyScope,
    Role,
    Rule,
    Throttle,
    User,
)
from agents.selectors.clones import answers_there
from agents.services import lifecycle, policies, throttles
from agents.services.history import lock_row, stamp
from agents.services.policies import MEASURE_FIELDS, RULE_FIELDS
from audit.services import record_event
from audit.vocabulary import Actor, Refusal, RefusalKind

# What nobody copies: it was given to the original, in person or by what it did.
NEVER = (
    "Its secrets, tokens and connection: issue a secret of its own.",
    "Its history and evidence: it begins with none.",
    "Standing approvals: they were given for the original.",
    "The signature under its contract: sign what binds the copy.",
    "Stops and brakes on it, and the web address its own program listens at.",
    "Work that was handed to it, and workflows that name it.",
)


@dataclass(slots=True)
class Cloned:
    """What became of a copy: done at once, waiting for a second person, and what was not copied, in words."""

    agent: Agent
    copied: list[str] = field(default_factory=list)
    waiting: list[ChangeRequest] = field(default_factory=list)
    not_copied: list[str] = field(default_factory=list)


def clone_agent(
    *,
    actor: Actor,
    agent: Agent,
    name: str,
    code: str,
    department: Department,
    sponsor: User,
    reason: str,
    role: Role | None = None,
    deputy: User | None = None,
    sponsor_from_elsewhere: bool = False,
) -> Cloned:
    """Copy an agent into a department, as a draft that may do nothing yet.

    ``sponsor`` works in or above that department, or manages it; somebody else has to be meant
    (``sponsor_from_elsewhere``). ``role``: kept when None. Raises Refusal: not allowed, reason missing,
    ``sponsor_elsewhere``; ValidationError by field.
    """
    with transaction.atomic():
        original = lock_row(Agent, agent.pk)
        questions.require(questions.may_register_agent(actor))
        questions.require_reason(reason)
        if not sponsor_from_elsewhere:
            _require_of(sponsor, department)
        return _Cloning(actor, original, reason).run(name, code, department, sponsor, role, deputy)


def _require_of(sponsor: User, department: Department) -> None:
    if not answers_there(sponsor, department):
        raise Refusal(
            "sponsor_elsewhere",
            f"Nothing was copied: {sponsor} neither works in {department} or above it, nor manages it.",
            kind=RefusalKind.INVALID,
            next_step="Name somebody of that department, or say that somebody from elsewhere answers for it.",
        )


class _Cloning:
    def __init__(self, actor: Actor, original: Agent, reason: str) -> None:
        self.actor, self.original, self.reason = actor, original, reason
        self.codes: dict[str, str] = {}

    def run(
        self,
        name: str,
        code: str,
        department: Department,
        sponsor: User,
        role: Role | None,
        deputy: User | None,
    ) -> Cloned:
        old = self.original
        careful = min(old.autonomy, Agent.Autonomy.HOLD_WRITES, key=lifecycle.FREEDOM.index)
        made = lifecycle.register_agent(
            actor=self.actor,
            name=name,
            code=code,
            purpose=old.purpose,
            sponsor=sponsor,
            deputy=deputy,
            department=department,
            role=role or old.role,
            provider=old.provider,
            model=old.model,
            version=old.version,
            labels=old.labels,
            reached_by=old.reached_by,
            autonomy=careful,
            risk_tier=old.risk_tier,
            attest_by=old.attest_by,
            reason=self.reason,
        )
        made.cloned_from = old
        stamp(made, actor=self.actor, reason=self.reason).save(update_fields=["cloned_from"])
        self.made, self.cloned = made, Cloned(made)
        self._limits()
        self._policies()
        self._throttles()
        self._grants()
        self._not_copied(careful, sponsor)
        self._record()
        return self.cloned

    def _limits(self) -> None:
        for limit in Measure.objects.filter(scope_kind=PolicyScope.AGENT, scope_id=str(self.original.pk)):
            new = self.codes[limit.code] = self._free_code(Measure, limit.code, "_")
            content = {name: getattr(limit, name) for name in MEASURE_FIELDS}
            content |= {"code": new, "scope_id": str(self.made.pk)}
            made = self._in_force_or_draft(
                f"Limit {limit.name}",
                content,
                lambda given: policies.create_measure(actor=self.actor, content=given, reason=self.reason),
            )
            self.cloned.copied.append(f"Limit {made.name} ({made.mode})")

    def _policies(self) -> None:
        for policy in Policy.objects.filter(scope_kind=PolicyScope.AGENT, scope_id=str(self.original.pk)):
            made = policies.create_policy(
                actor=self.actor,
                code=self._free_code(Policy, policy.code, "-"),
                name=policy.name,
                purpose=policy.purpose,
                scope_kind=PolicyScope.AGENT,
                scope_id=str(self.made.pk),
                reason=self.reason,
            )
            for rule in policy.rules.select_related("approver_group").order_by("pk"):
                self._rule(made, rule)

    def _rule(self, policy: Policy, rule: Rule) -> None:
        content: dict[str, Any] = {name: getattr(rule, name) for name in RULE_FIELDS}
        if rule.field and rule.comparison:
            del content["condition"]
            content["field"] = self._renamed(rule.field)
            content["also"] = [{**line, "field": self._renamed(line["field"])} for line in rule.also]
        else:
            content["condition"] = self._renamed(rule.condition)
        made = self._in_force_or_draft(
            f"Rule {rule.name} of {policy.name}",
            content,
            lambda given: policies.create_rule(
                actor=self.actor, policy=policy, content=given, reason=self.reason
            ),
        )
        self.cloned.copied.append(f"Rule {made.name} of {policy.name} ({made.mode})")
        if self._names_original(made.condition):
            self.cloned.not_copied.append(
                f"Rule {made.name} of {policy.name} was copied and still names {self.original.name} in its "
                "condition: read it and correct it."
            )

    def _in_force_or_draft(self, what: str, content: Mapping[str, Any], create: Any) -> Any:
        """A rule that can no longer be published as it stands is copied as a draft, and said."""
        try:
            with transaction.atomic():
                return create(content)
        except Refusal as refusal:
            if refusal.code != "rule_refused":
                raise
            self.cloned.not_copied.append(f"{what} was copied as a draft only: {refusal.message}")
            return create({**content, "mode": Rule.Mode.DRAFT.value})

    def _throttles(self) -> None:
        for throttle in Throttle.objects.filter(
            scope_kind=Throttle.ScopeKind.AGENT, scope_id=str(self.original.pk), is_enabled=True
        ):
            throttles.add_throttle(
                actor=self.actor,
                name=throttle.name,
                scope_kind=throttle.scope_kind,
                scope_id=str(self.made.pk),
                content={name: getattr(throttle, name) for name in throttles.NUMBERS},
                reason=self.reason,
            )
            self.cloned.copied.append(f"Throttle {throttle.name}")

    def _grants(self) -> None:
        for code in lifecycle.own_operations(self.original):
            try:
                with transaction.atomic():
                    found = registry.propose_grant(self.actor, code, self.made, self.reason)
            except Refusal as refusal:
                self.cloned.not_copied.append(f"The grant on {code}: {refusal.in_full()}")
            else:
                self.cloned.waiting.append(found)

    def _not_copied(self, careful: str, sponsor: User) -> None:
        found, old, made = self.cloned.not_copied, self.original, self.made
        if careful != old.autonomy:
            found.append(f"How freely it works: a person approves every write, unlike with {old.name}.")
        if made.role_id != old.role_id:
            found.append(f"What {old.name} may do as {old.role}: the copy has the role {made.role}.")
        if made.department_id != old.department_id:
            found.append(f"Rules and limits of {old.department}: those of {made.department} bind the copy.")
        if not answers_there(sponsor, made.department):
            found.append(f"To be noted: {sponsor}, who answers for it, is not of {made.department}.")
        elsewhere = Rule.objects.exclude(policy__scope_kind=PolicyScope.AGENT).select_related("policy")
        for rule in elsewhere.filter(condition__contains=old.code):
            if self._names_original(rule.condition):
                found.append(f"Rule {rule.name} of {rule.policy} names {old.name} and not the copy.")
        found += NEVER

    def _names_original(self, condition: str) -> bool:
        keys = (self.original.code, str(self.original.pk))
        return any(f"{quote}{key}{quote}" in condition for key in keys for quote in ("'", '"'))

    def _renamed(self, text: str) -> str:
        """Let what read a limit of the original read the copy's."""
        for old, new in self.codes.items():
            text = re.sub(rf"\bmeasures\.{re.escape(old)}\b", f"measures.{new}", text)
        return text

    def _free_code(self, model: type[Measure | Policy], code: str, joint: str) -> str:
        own = re.sub(r"[^a-z0-9]+", joint, self.made.code.lower()).strip(joint)
        wanted = f"{code[: 58 - min(len(own), 30)]}{joint}{own[:30]}"
        taken = set(model._default_manager.filter(code__startswith=wanted[:56]).values_list("code", flat=True))
        number, found = 2, wanted
        while found in taken:
            found, number = f"{wanted[:56]}{joint}{number}", number + 1
        return found

    def _record(self) -> None:
        made, old = self.made, self.original
        record_event(
            actor=self.actor,
            verb="agents.agent_cloned",
            subject=made.as_ref(),
            sentence=f"{self.actor.label} copied {old.name} into {made.department} as {made.name}: a draft, "
            f"with {len(self.cloned.waiting)} grants waiting for a second person.",
            reason=self.reason,
            payload={
                "original": str(old.pk),
                "copied": self.cloned.copied,
                "not_copied": self.cloned.not_copied,
                "waiting": [str(it.pk) for it in self.cloned.waiting],
            },
            **made.event_refs(),
        )
