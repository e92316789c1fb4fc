from __future__ import annotations

from agents.selectors.affected import agents_affected, agents_in_scope, departments_around, visible_events
from agents.selectors.authority import (
    agent_facts,
    authority_snapshot,
    company_currency,
    facts_by_key,
    facts_of_agents,
    measure_definition,
    rule_facts,
)
from agents.selectors.calendars import calendar_of, work_calendar
from agents.selectors.containment import containment_of
from agents.selectors.contract import Signing, contract_of, signing_of
from agents.selectors.difference import (
    Foreseen,
    difference_of_change,
    difference_of_grants,
    difference_of_limits,
    difference_of_move,
    difference_of_rules,
    differences_of_autonomy,
    foreseen,
    present_authority,
)
from agents.selectors.model_use import model_use_panel
from agents.selectors.money import money_facts, rate_on, to_company_minor
from agents.selectors.throttles import throttles_of
from agents.selectors.visible import (
    visible_agents,
    visible_change_requests,
    visible_measures,
    visible_policies,
    visible_rules,
    visible_stops,
    visible_throttles,
)

__all__ = [
    "Foreseen",
    "Signing",
    "agent_facts",
    "agents_affected",
    "agents_in_scope",
    "authority_snapshot",
    "calendar_of",
    "company_currency",
    "containment_of",
    "contract_of",
    "departments_around",
    "difference_of_change",
    "difference_of_grants",
    "difference_of_limits",
    "difference_of_move",
    "difference_of_rules",
    "differences_of_autonomy",
    "facts_by_key",
    "facts_of_agents",
    "foreseen",
    "measure_definition",
    "model_use_panel",
    "money_facts",
    "present_authority",
    "rate_on",
    "rule_facts",
    "signing_of",
    "throttles_of",
    "to_company_minor",
    "visible_agents",
    "visible_change_requests",
    "visible_events",
    "visible_measures",
    "visible_policies",
    "visible_rules",
    "visible_stops",
    "visible_throttles",
    "work_calendar",
]
