"""Several appeals become a proposed change. It is a note with a form behind it: people take it up, or not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Max

from agents import policies
from agents.models import Measure, Rule
from agents.services.policies import RuleChange, propose_measure_change, propose_rule_change
from audit.services import record_event
from audit.vocabulary import Actor, Refusal, RefusalKind
from workflows.appeals import selectors
from workflows.appeals.choices import Against, ProposalState
from workflows.appeals.models import Appeal, Proposal
from workflows.appeals.policies import Cluster, Ground
from workflows.tasks.selectors import database_now

PORTAL = Actor.system("appeals")


def ripen(appeal: Appeal) -> None:
    """Look at what an appeal belongs to: enough of them are a proposal, too few are none any more."""
    for one in appeal.grounds:
        if one["kind"] in (Against.RULE, Against.LIMIT):
            _look_at(Ground(one["kind"], one["id"], appeal.operation_code, one["shape"]))


def take_up_proposal(
    *, actor: Actor, proposal_id: UUID | str, reason: str, value: str = ""
) -> tuple[Proposal, RuleChange]:
    """Propose the change by the usual service, with another ``value`` if the person chose one.

    What loosens waits for a second person, as always. Raises Refusal ``not_found``, ``proposal_closed``,
    ``value_not_asked``, ``permission_missing``, ``reason_missing``, ``rule_refused``.
    """
    with transaction.atomic():
        proposal = _open(proposal_id)
        changes = _changes(proposal, value.strip())
        outcome = _propose(actor, proposal, changes, reason)
        _decide(actor, proposal, ProposalState.TAKEN_UP, reason, outcome)
        return proposal, outcome


@transaction.atomic
def dismiss_proposal(*, actor: Actor, proposal_id: UUID | str, reason: str) -> Proposal:
    """Put a proposal aside; only appeals made after it can make another."""
    proposal = _open(proposal_id)
    rule = selectors.rule_of(proposal.subject_id) if proposal.kind == Against.RULE else None
    policies.require(policies.may_publish_rule(actor, rule.policy if rule else None))
    policies.require_reason(reason)
    _decide(actor, proposal, ProposalState.DISMISSED, reason)
    return proposal


def _look_at(ground: Ground) -> None:
    """Under the lock of what is contested, so that two appeals at once make one proposal."""
    subject = _locked(ground.kind, ground.subject_id)
    if subject is None:
        return
    decided = _of(ground).exclude(state=ProposalState.OPEN).exclude(state=ProposalState.GONE)
    cluster = selectors.cluster_on(ground, decided.aggregate(last=Max("decided_at"))["last"])
    stands = _of(ground).filter(state=ProposalState.OPEN).first()
    wanted = selectors.loosening_of(cluster) if cluster else None
    if cluster is None or wanted is None or not cluster.is_ripe(settings.APPEALS_FOR_A_PROPOSAL):
        if stands:
            _decide(PORTAL, stands, ProposalState.GONE, "Too few appeals are left for it.")
        return
    content = {"words": wanted.words[:500], "changes": dict(wanted.changes), "cases": len(cluster.standing)}
    if stands is None:
        _begin(ground, subject, cluster, content)
    elif any(getattr(stands, name) != value for name, value in content.items()):
        for name, value in content.items():
            setattr(stands, name, value)
        stands.save(update_fields=list(content))


def _locked(kind: str, key: str) -> Rule | Measure | None:
    """Lock what is contested; always before its proposal."""
    found: Rule | Measure | None = None
    if kind == Against.RULE:
        found = Rule.objects.select_for_update(of=("self",), no_key=True).filter(pk=key).first()
    elif kind == Against.LIMIT:
        found = Measure.objects.select_for_update(of=("self",), no_key=True).filter(pk=key).first()
    return found


def _of(ground: Ground) -> Any:
    return Proposal.objects.filter(
        kind=ground.kind,
        subject_id=ground.subject_id,
        operation_code=ground.operation,
        shape=ground.shape,
    )


def _begin(ground: Ground, subject: Rule | Measure, cluster: Cluster, content: Mapping[str, Any]) -> None:
    proposal = Proposal.objects.create(
        kind=ground.kind,
        subject_id=ground.subject_id,
        subject_name=subject.name,
        operation_code=ground.operation,
        shape=ground.shape,
        **content,
    )
    record_event(
        actor=PORTAL,
        verb="appeals.proposal_made",
        subject=proposal.as_ref(),
        sentence=f"{len(cluster.standing)} appeals propose for {subject.name}: {proposal.words}.",
        payload={"subject": subject.as_ref().id, "changes": content["changes"], "agents": list(cluster.agents)},
    )


def _open(proposal_id: UUID | str) -> Proposal:
    named = Proposal.objects.filter(pk=proposal_id).values_list("kind", "subject_id").first()
    if named:
        _locked(*named)
    proposal = Proposal.objects.select_for_update().filter(pk=proposal_id).first() if named else None
    if proposal is None:
        raise Refusal(
            "not_found", f"There is no proposed change {proposal_id} for you.", kind=RefusalKind.NOT_FOUND
        )
    if proposal.state != ProposalState.OPEN:
        raise Refusal(
            "proposal_closed",
            f"Nothing was changed: {proposal.get_state_display().lower()}.",
            kind=RefusalKind.CONFLICT,
            next_step="Look at the rule as it stands.",
        )
    return proposal


def _changes(proposal: Proposal, value: str) -> dict[str, Any]:
    changes = dict(proposal.changes)
    if not value:
        return changes
    name = "ceiling" if "ceiling" in changes else "value"
    if name not in changes or "verdict" in changes:
        raise Refusal(
            "value_not_asked",
            "Nothing was changed: this proposal changes no value.",
            kind=RefusalKind.INVALID,
            next_step="Leave the value out, or change the rule on its own page.",
        )
    if name == "ceiling" and not (value.isascii() and value.isdigit() and len(value) <= 18):
        raise Refusal(
            "value_invalid",
            f"Nothing was changed: {value[:40]!r} is not a whole number.",
            kind=RefusalKind.INVALID,
            next_step="Write the ceiling as a whole number, money in its smallest unit.",
        )
    return {**changes, name: int(value) if name == "ceiling" else value}


def _propose(actor: Actor, proposal: Proposal, changes: Mapping[str, Any], reason: str) -> RuleChange:
    if proposal.kind == Against.RULE and (rule := selectors.rule_of(proposal.subject_id)):
        return propose_rule_change(actor=actor, rule=rule, changes=changes, reason=reason)
    if proposal.kind == Against.LIMIT and (limit := selectors.limit_of(proposal.subject_id)):
        return propose_measure_change(actor=actor, measure=limit, changes=changes, reason=reason)
    raise Refusal(
        "rule_gone",
        f"Nothing was changed: {proposal.subject_name} was removed.",
        kind=RefusalKind.CONFLICT,
        next_step="Put the proposal aside.",
    )


def _decide(
    actor: Actor, proposal: Proposal, state: ProposalState, reason: str, outcome: RuleChange | None = None
) -> None:
    proposal.state, proposal.decided_at, proposal.reason = state, database_now(), reason.strip()[:2000]
    proposal.decided_by = policies.user_of(actor)
    proposal.change_request = outcome.change_request if outcome else None
    proposal.save(update_fields=["state", "decided_at", "reason", "decided_by", "change_request"])
    said = {
        ProposalState.TAKEN_UP: "took up what appeals propose for",
        ProposalState.DISMISSED: "put aside what appeals propose for",
        ProposalState.GONE: "withdrew what appeals proposed for",
    }[state]
    record_event(
        actor=actor,
        verb=f"appeals.proposal_{state}",
        subject=proposal.as_ref(),
        sentence=f"{actor.label} {said} {proposal.subject_name}: {proposal.words}",
        reason=proposal.reason,
        payload={"change_request": str(proposal.change_request_id or "")},
    )
