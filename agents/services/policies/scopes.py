"""Policies themselves: created, described, and whom they bind."""

from __future__ import annotations

import copy

from django.db import transaction

from agents import policies
from agents.models import ChangeRequest, Policy, PolicyScope, Rule
from agents.services.history import lock_row, stamp
from agents.services.policies.parts import MOVE_POLICY, RuleChange, digest_of, new_version, propose, record
from audit.vocabulary import Actor


def create_policy(
    *,
    actor: Actor,
    code: str,
    name: str,
    scope_kind: str = "company",
    scope_id: str = "",
    purpose: str = "",
    reason: str,
) -> Policy:
    """Create an empty policy; a policy without rules permits nothing by itself."""
    with transaction.atomic():
        policies.require(policies.may_publish_rule(actor))
        policies.require_reason(reason)
        policy = Policy(code=code, name=name, scope_kind=scope_kind, scope_id=scope_id, purpose=purpose)
        policy.full_clean()
        stamp(policy, actor=actor, reason=reason).save()
        new_version(actor, policy, reason)
        record(actor, "agents.policy_created", policy, f"{actor.label} created the policy {name}.", reason)
        return policy


def describe_policy(*, actor: Actor, policy: Policy, name: str, purpose: str, reason: str) -> Policy:
    """Change what a policy is called and what it is for: words only, no authority."""
    with transaction.atomic():
        policy = lock_row(Policy, policy.pk)
        policies.require(policies.may_publish_rule(actor, policy))
        policies.require_reason(reason)
        policy.name, policy.purpose = name, purpose
        policy.full_clean()
        stamp(policy, actor=actor, reason=reason).save(update_fields=["name", "purpose"])
        sentence = f"{actor.label} changed the name or purpose of the policy {policy.name}."
        record(actor, "agents.policy_described", policy, sentence, reason, {"name": name, "purpose": purpose})
        return policy


def propose_policy_move(
    *, actor: Actor, policy: Policy, scope_kind: str, scope_id: str = "", reason: str
) -> RuleChange:
    """Bind others with a policy: the whole company at once, anybody less by a second person."""
    with transaction.atomic():
        policy = lock_row(Policy, policy.pk)
        policies.require(policies.may_publish_rule(actor, policy))
        policies.require_reason(reason)
        moved = copy.copy(policy)
        moved.scope_kind, moved.scope_id = scope_kind, scope_id
        moved.full_clean()
        if not move_waits(policy, scope_kind, scope_id):
            return RuleChange(applied=True, policy=move(actor, policy, scope_kind, scope_id, reason))
        summary = f"Let the policy {policy.name} bind {moved.get_scope_kind_display().lower()} only."
        change_request = propose(
            actor,
            MOVE_POLICY,
            policy,
            {"scope_kind": scope_kind, "scope_id": scope_id},
            summary,
            reason,
            policy_state(policy),
        )
        return RuleChange(applied=False, policy=policy, change_request=change_request)


def move_waits(policy: Policy, scope_kind: str, scope_id: str = "") -> bool:
    """Tell whether binding others needs a second person: whoever a policy leaves is freed of its rules."""
    if scope_kind == PolicyScope.COMPANY or (scope_kind, scope_id) == (policy.scope_kind, policy.scope_id):
        return False
    return policy.rules.filter(mode=Rule.Mode.ENFORCED).exists()


def move(
    actor: Actor,
    policy: Policy,
    scope_kind: str,
    scope_id: str,
    reason: str,
    agreed: ChangeRequest | None = None,
) -> Policy:
    """Let a policy bind others from now on: a new version of it, and its event."""
    policy.scope_kind, policy.scope_id = scope_kind, scope_id
    policy.full_clean()
    stamp(policy, actor=actor, reason=reason).save(update_fields=["scope_kind", "scope_id"])
    new_version(actor, policy, reason, agreed)
    record(actor, "agents.policy_moved", policy, f"{actor.label} changed whom {policy.name} binds.", reason)
    return policy


def policy_state(policy: Policy) -> str:
    """Return a digest of whom a policy binds, and of its version."""
    return digest_of({"kind": policy.scope_kind, "id": policy.scope_id, "version": policy.version})
