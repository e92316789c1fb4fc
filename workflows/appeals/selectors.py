"""What appeals are about, what they have in common, and who may see them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import Group
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from agents.decision import MeasureDefinition, Mode, OperationFacts, RuleFacts
from agents.decision.comparison import Kind, field_facts
from agents.decision.patterns import operations_hit
from agents.models import Measure, Policy, Rule, User
from agents.registry import all_operations
from agents.selectors import (
    company_currency,
    measure_definition,
    rule_facts,
    visible_measures,
    visible_rules,
)
from workflows.actions.selectors import visible_to as visible_actions
from workflows.appeals.choices import Against, State
from workflows.appeals.models import Appeal, Proposal
from workflows.appeals.policies import (
    Cluster,
    Contested,
    Ground,
    Loosening,
    clusters,
    loosened_limit,
    loosened_rule,
    shape_of_rule,
)
from workflows.tasks.selectors import visible_to as visible_tasks

# What is older says little about the rule of today.
REMEMBERED_DAYS = 180
MOST_READ = 5000
PUBLISH = "agents.publish_rule"


def visible_to(user: User) -> QuerySet[Appeal]:
    """Return the appeals a user may see: an agent its own; people those of what they see or may answer."""
    found = Appeal.objects.select_related("action", "agent", "answered_by", "task")
    if not user.is_active:
        return found.none()
    if user.kind == User.Kind.AGENT:
        return found.filter(agent__user=user)
    if user.has_perm("appeals.view_appeal"):
        return found
    # Asked of each appeal, which are few: its action among a million, by the key.
    action = visible_actions(user).order_by().filter(pk=OuterRef("action"))
    task = visible_tasks(user).order_by().filter(subject_kind="appeals.appeal", pk=OuterRef("task"))
    return found.filter(Q(Exists(action)) | Q(Exists(task)))


def visible_events(user: User) -> Q | None:
    """Events about proposals belong to who may see appeals; those of an appeal to who sees its action."""
    return Q(subject_kind="appeals.proposal") if user.has_perm("appeals.view_appeal") else None


def visible_proposals(user: User) -> QuerySet[Proposal]:
    """Return the proposals about rules and limits a person may see."""
    if not user.is_active or user.kind != User.Kind.PERSON:
        return Proposal.objects.none()
    rules = [str(key) for key in visible_rules(user).order_by().values_list("pk", flat=True)]
    limits = [str(key) for key in visible_measures(user).order_by().values_list("pk", flat=True)]
    seen = Q(kind=Against.RULE, subject_id__in=rules) | Q(kind=Against.LIMIT, subject_id__in=limits)
    return Proposal.objects.select_related("change_request", "decided_by").filter(seen)


def clusters_for(user: User) -> list[Cluster]:
    """Return what agents contest, most often first: about rules and limits a person may see, as they stand.

    A missing grant is shown to who may see appeals at all.
    """
    rules = {str(rule.pk): rule for rule in visible_rules(user).select_related("policy")}
    limits = {str(limit.pk): limit for limit in visible_measures(user)}
    return [
        found
        for found in clusters(_contested(Q()))
        if _stands(found.ground, rules.get(found.ground.subject_id), limits.get(found.ground.subject_id))
        or (found.ground.kind == Against.GRANT and user.has_perm("appeals.view_appeal"))
    ]


def cluster_on(ground: Ground, since: object = None) -> Cluster | None:
    """Return all appeals on one ground, or those made after a moment; None where there is none."""
    newer = Q(created_at__gt=since) if since else Q()
    wanted = Q(operation_code=ground.operation, grounds__contains=[{"id": ground.subject_id}])
    return next((it for it in clusters(_contested(wanted & newer)) if it.ground == ground), None)


def loosening_of(cluster: Cluster) -> Loosening | None:
    """Return the smallest change that would have let its cases pass; None where none is known."""
    ground = cluster.ground
    if ground.kind == Against.RULE and (rule := rule_of(ground.subject_id)):
        facts = rule_facts(rule)
        return loosened_rule(facts, cluster.standing, kind_of(facts), company_currency())
    if ground.kind == Against.LIMIT and (limit := limit_of(ground.subject_id)):
        return loosened_limit(measure_definition(limit), cluster.standing, company_currency())
    return None


def rule_of(key: str) -> Rule | None:
    """Return a rule that is still there."""
    found = Rule.objects.select_related("policy", "approver_group")
    return found.filter(pk=key).first() if as_key(key) else None


def limit_of(key: str) -> Measure | None:
    """Return a limit that is still there."""
    return Measure.objects.filter(pk=key).first() if as_key(key) else None


def kind_of(rule: RuleFacts) -> Kind | None:
    """Return what kind of value a rule compares; None where it was written by hand or nobody knows."""
    if not rule.field:
        return None
    try:
        return field_facts(rule.field, hit_by(rule)).kind
    except ValueError:
        return None


def hit_by(rule: RuleFacts) -> list[OperationFacts]:
    """Return the operations of today that a rule speaks of."""
    try:
        return operations_hit(rule.operations, rule.effects, all_operations())
    except ValueError:
        return []


def publishers(policies: Iterable[Policy]) -> tuple[QuerySet[Group], QuerySet[User]]:
    """Return the groups and people that may publish rules everywhere, or in these policies."""
    keys = [policy.pk for policy in policies]
    codename = PUBLISH.partition(".")[2]
    everywhere = Q(permissions__codename=codename, permissions__content_type__app_label="agents")
    here = Q(policygroupobjectpermission__permission__codename=codename) & Q(
        policygroupobjectpermission__content_object__in=keys
    )
    groups = Group.objects.filter(everywhere | here).distinct()
    people = User.objects.filter(
        policyuserobjectpermission__permission__codename=codename,
        policyuserobjectpermission__content_object__in=keys,
        kind=User.Kind.PERSON,
        is_active=True,
    ).distinct()
    return groups, people


def _contested(wanted: Q) -> list[tuple[Ground, Contested]]:
    since = timezone.now() - timedelta(days=REMEMBERED_DAYS)
    rows = Appeal.objects.filter(wanted, created_at__gte=since).select_related("agent").order_by("-pk")
    return [
        (
            Ground(one["kind"], one["id"], appeal.operation_code, one["shape"]),
            Contested(
                appeal_id=str(appeal.pk),
                agent_id=str(appeal.agent_id),
                agent=appeal.agent.name,
                day=timezone.localtime(appeal.created_at).date(),
                value=one["value"],
                shown=one["shown"],
                upheld=appeal.state == State.UPHELD,
            ),
        )
        for appeal in rows[:MOST_READ]
        for one in appeal.grounds
    ]


def _stands(ground: Ground, rule: Rule | None, limit: Measure | None) -> bool:
    """Say whether what was contested still stands as it was: another value is another matter."""
    if ground.kind == Against.RULE:
        stands = rule is not None and rule.mode == Mode.ENFORCED and rule.verdict == Rule.Verdict.DENY
        return stands and rule is not None and shape_of_rule(rule_facts(rule)) == ground.shape
    return (
        limit is not None
        and limit.mode == Mode.ENFORCED
        and shape_of_limit(measure_definition(limit)) == ground.shape
    )


def shape_of_limit(limit: MeasureDefinition) -> str:
    """Return what a limit counts up to, as one line."""
    return f"{limit.unit} {limit.window} {limit.window_seconds or ''} {limit.ceiling}".replace("  ", " ")


def as_key(key: str) -> UUID | None:
    """Return the key of a row as it stands in an explanation; None where it is none."""
    try:
        return UUID(key)
    except ValueError:
        return None


def appeals_per_day() -> int:
    """Return how many appeals an agent may make in any 24 hours."""
    return int(settings.APPEALS_PER_DAY)
