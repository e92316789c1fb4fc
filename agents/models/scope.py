from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Q


class PolicyScope(models.TextChoices):
    """Whom a policy or a limit binds; the id is empty for the whole company."""

    COMPANY = "company", "The whole company"
    DEPARTMENT = "department", "A department and all below it"
    ROLE = "role", "A role"
    AGENT = "agent", "One agent"


def scope_constraint(name: str) -> models.CheckConstraint:
    """Return the constraint that only a company-wide scope leaves its id empty."""
    whole: Any = Q(scope_kind=PolicyScope.COMPANY, scope_id="")
    part: Any = ~Q(scope_kind=PolicyScope.COMPANY) & ~Q(scope_id="")
    return models.CheckConstraint(condition=whole | part, name=name)
