"""What this room shows an auditor for a period: agents, authority, access, interventions, rules."""

from __future__ import annotations

from agents.evidence import access, authority, interventions, rules, workforce
from agents.evidence.scope import company_name, every_department, of_departments
from audit import evidence


def register_tables() -> None:
    """Add the tables of this room, and say how departments are found."""
    evidence.register_departments(of_departments, every_department)
    evidence.register_company(company_name)
    for module in (workforce, authority, access, interventions, rules):
        evidence.register(*module.TABLES)
