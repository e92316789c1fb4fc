"""What an auditor asks for a period: rooms say which tables they hold; who builds a pack asks each of them.

``audit`` is the lowest room and knows no agents: every room registers its tables, by section, when it starts.
"""

from __future__ import annotations

from audit.evidence.ledger import acted_in, actions_with, event_table, events_of, said_of_actions
from audit.evidence.mapping import Framework, Mapping, Row, UnusableMapping, read_mapping
from audit.evidence.tables import (
    SECTIONS,
    Cell,
    Check,
    Column,
    Kind,
    Scope,
    Section,
    Table,
    company,
    departments,
    lines,
    register,
    register_company,
    register_departments,
    register_verifier,
    registered,
    resolve_departments,
    verifiers,
)

__all__ = [
    "SECTIONS",
    "Cell",
    "Check",
    "Column",
    "Framework",
    "Kind",
    "Mapping",
    "Row",
    "Scope",
    "Section",
    "Table",
    "UnusableMapping",
    "acted_in",
    "actions_with",
    "company",
    "departments",
    "event_table",
    "events_of",
    "lines",
    "read_mapping",
    "register",
    "register_company",
    "register_departments",
    "register_verifier",
    "registered",
    "resolve_departments",
    "said_of_actions",
    "verifiers",
]
