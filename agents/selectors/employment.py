"""How an agent is employed: the terms that apply to it, its record, its certificates, and its life in order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils import timezone

from agents import registry
from agents.decision import speech
from agents.decision.employment import Evidence, Terms
from agents.models import TERM_FIELDS, Agent, Certificate, ChangeRequest, Department, LifecycleTerms, User
from agents.selectors.visible import visible_agents

PROMOTE = "agents.agent.promote"
# How far up it is looked for who could answer for an agent; ``visible_agents`` lets those see it.
LEVELS = 3


@dataclass(frozen=True, slots=True)
class Moment:
    """One step of an agent's life. ``certificate`` is its key, '' for a step that has none."""

    at: datetime
    title: str
    text: str
    certificate: str = ""


def terms_from(row: LifecycleTerms | None) -> Terms:
    """Return the terms a row states; without one, those every installation begins with."""
    return Terms(**{name: getattr(row, name) for name in TERM_FIELDS}) if row else Terms()


def terms_for(role_id: UUID | None) -> Terms:
    """Return what applies to the agents of a role: its own terms, or those of the company."""
    rows = LifecycleTerms.objects.filter(Q(role=role_id) | Q(role=None))
    return terms_from(max(rows, key=lambda row: row.role_id is not None, default=None))


def terms_of_agents(agents: Iterable[Agent]) -> dict[UUID, Terms]:
    """Return the terms of several agents by their keys, with one query."""
    rows = {row.role_id: terms_from(row) for row in LifecycleTerms.objects.all()}
    company = rows.get(None, Terms())
    return {agent.pk: rows.get(agent.role_id, company) for agent in agents}


def watched_since(agent: Agent) -> datetime:
    """Return since when its record counts: its probation, or what was decided about it last."""
    decided = (Certificate.Kind.ACTIVATION, Certificate.Kind.PROMOTION, Certificate.Kind.DEMOTION)
    last = Certificate.objects.filter(agent=agent, kind__in=decided).values_list("issued_at", flat=True).first()
    return last or agent.probation_since or agent.created_at


def evidence_of(agent: Agent) -> Evidence:
    """Return what the records count of an agent since its probation began, or since it was last decided on."""
    since = agent.probation_since or watched_since(agent)
    return registry.evidence(agent, since, timezone.now())


def visible_certificates(user: User) -> QuerySet[Certificate]:
    """Return the certificates of the agents a person may see; an agent sees its own."""
    return Certificate.objects.filter(agent__in=visible_agents(user)).select_related("agent")


def pending_promotion(agent: Agent) -> ChangeRequest | None:
    """Return the proposal that ends its probation and waits for a second person."""
    return ChangeRequest.objects.filter(
        kind=PROMOTE, target_id=str(agent.pk), state=ChangeRequest.State.PENDING
    ).first()


def who_steps_in(agent: Agent) -> list[User]:
    """Return who is asked to answer for an agent whose sponsor has left: deputy, else a head of department.

    Nobody of them is there: an empty list, and the managers are asked.
    """
    deputy = agent.deputy
    if deputy is not None and deputy.is_active_person:
        return [deputy]
    return heads_over(agent)[:1]


def heads_over(agent: Agent) -> list[User]:
    """Return the active heads of its department and of the two above it, the nearest first."""
    found: list[User] = []
    here: Department | None = agent.department
    for _ in range(LEVELS):
        if here is None:
            break
        head = here.manager
        if head is not None and head.is_active_person and head.pk != agent.sponsor_id:
            found.append(head)
        here = here.parent
    return found


def state_words(agent: Agent) -> str:
    """Return in one line where an agent stands: ``On probation since 3 May 2026, planned until ...``."""
    if agent.lifecycle != Agent.Lifecycle.ACTIVE:
        return str(agent.get_lifecycle_display())
    freely = agent.get_autonomy_display()
    if agent.probation_since and agent.probation_until:
        since, until = day(agent.probation_since), day(agent.probation_until)
        return f"On probation since {since}, planned until {until}: a person approves every write"
    return f"Employed. {freely}"


def day(at: date) -> str:
    """Return a day as people write it: ``3 May 2026``."""
    return speech.day(timezone.localtime(at) if isinstance(at, datetime) else at)


def timeline_of(agent: Agent) -> list[Moment]:
    """Return an agent's life as its file tells it: draft, probation, what was decided; oldest first."""
    signed = [
        Moment(it.signed_at, "Contract signed", f"{it.signer_label} signed it as its {it.capacity}.")
        for it in agent.signatures.all()
    ]
    decided = [
        Moment(it.issued_at, it.get_kind_display(), str(it.content.get("sentence", "")), str(it.pk))
        for it in Certificate.objects.filter(agent=agent)
    ]
    taken_on = Moment(agent.created_at, "Draft", f"{agent} was taken on as a draft: it may do nothing yet.")
    return [taken_on, *sorted([*signed, *decided], key=lambda it: it.at)]
