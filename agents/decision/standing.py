"""What people approved in advance, and what of it counts for one request. Pure.

A standing approval answers a hold as people would; it is no rule and no grant. So it can only turn into allow
what exactly the rules it is bound to hold: one rule more that decides, and it covers nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from agents.decision import cel
from agents.decision.context import NotDecidable, build_context
from agents.decision.facts import AgentFacts, DecisionRequest, Effect, Obligations

HIGH_RISK = "high"


@dataclass(frozen=True, slots=True)
class StandingFacts:
    """One standing approval as it stands now.

    ``agent_id`` or ``role_id`` is empty. ``most_minor``: the largest amount in minor units of the company's
    currency, None without a ceiling. ``people``: ids of those who agreed to it and may approve such a hold now.
    """

    standing_id: str
    agent_id: str
    role_id: str
    operation: str
    revision: int
    binding: str
    condition: str
    most_minor: int | None
    people: tuple[str, ...]
    starts_at: datetime
    until: datetime
    revoked: bool = False

    def is_of(self, agent: AgentFacts) -> bool:
        """Say whether it is about an agent: this one, or one of this role."""
        of_role = bool(self.role_id) and agent.role_id == self.role_id
        return of_role or (bool(self.agent_id) and agent.agent_id == self.agent_id)

    def is_in_force(self, now: datetime) -> bool:
        """Say whether it counts at a moment; the end itself is over."""
        return not self.revoked and self.starts_at <= now < self.until


def why_never(request: DecisionRequest, duties: Obligations, people: int) -> str:
    """Return why no standing approval may answer such a hold, whatever it says, or ''.

    ``people``: how many agreed to it.
    """
    operation = request.operation
    if operation is None or operation.effect not in (Effect.READ, Effect.WRITE, Effect.FINANCIAL):
        return "what destroys is looked at each time"
    if request.agent.risk_tier == HIGH_RISK:
        return "what an agent of high risk asks for is looked at each time"
    if duties.step_up or len(duties.stages) > 1:
        return "a rule asks people to show anew who they are, or to decide one after the other"
    if not people or duties.quorum > people:
        return f"the rules ask for {duties.quorum} people, and {people} of them agreed to it"
    if operation.effect == Effect.FINANCIAL and (request.money is None or request.money.company_minor is None):
        return "what the money is worth in the company's currency is not known"
    return ""


def why_not_covered(
    standing: StandingFacts,
    request: DecisionRequest,
    *,
    binding: str,
    duties: Obligations,
    time_zone: str = "UTC",
) -> str:
    """Return why a standing approval does not answer this hold, or ''.

    Whatever cannot be checked is not covered. ``binding`` and ``duties`` are of the decision that holds it.
    """
    operation = request.operation
    if operation is None or (operation.code, operation.revision) != (standing.operation, standing.revision):
        return "it is about another operation, or another revision of it"
    if not standing.is_of(request.agent):
        return "it is about another agent"
    if not binding or binding != standing.binding:
        return "the rules that hold this are not those it was agreed for"
    if not standing.is_in_force(request.now):
        return "it has not begun, is over, or was ended"
    if request.on_behalf_of and request.on_behalf_of in standing.people:
        return "it is done for one of those who agreed to it"
    return why_never(request, duties, len(standing.people)) or _beyond(standing, request, time_zone)


def _beyond(standing: StandingFacts, request: DecisionRequest, time_zone: str) -> str:
    operation = request.operation
    if operation is None:
        return "it is about another operation"
    minor = request.money.company_minor if request.money else None
    if operation.effect == Effect.FINANCIAL and standing.most_minor is None:
        return "it names no largest amount"
    if standing.most_minor is not None and (minor is None or not 0 <= minor <= standing.most_minor):
        return "the amount is larger, or not known"
    try:
        context = cel.make_context(build_context(request, operation, time_zone))
        holds = cel.holds(standing.condition, context)
    except (NotDecidable, cel.ConditionError) as error:
        return f"what must be so could not be checked: {error}"
    return "" if holds else "the arguments are others than it is about"
