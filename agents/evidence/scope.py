"""Whom a pack is about, and what things and people were called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agents.models import Agent, CompanySettings, Department, Role, User
from agents.selectors import departments_around
from audit.vocabulary import Refusal, RefusalKind

CHUNK = 2_000


def of_departments(codes: Sequence[str]) -> tuple[frozenset[str], frozenset[str]]:
    """Return the ids of these departments with all below, and those of the agents that work there now.

    Raise Refusal ``department_unknown``.
    """
    ids: set[str] = set()
    for code in codes:
        department = Department.objects.filter(code=code.replace("\x00", "")).first()
        if department is None:
            raise Refusal(
                "department_unknown",
                f"No pack was built: there is no department with the code {code[:60]!r}.",
                kind=RefusalKind.INVALID,
                next_step="Give the code of one, e.g. finance.",
            )
        ids.update(departments_around(department)[1])
    agents = Agent.objects.filter(department_id__in=sorted(ids)).values_list("pk", flat=True)
    return frozenset(ids), frozenset(map(str, agents))


def every_department() -> list[tuple[str, str]]:
    """Return every department by its code, with its name."""
    return list(Department.objects.order_by("name").values_list("code", "name"))


def company_name() -> str:
    """Return what the company is called."""
    found = CompanySettings.objects.first()
    return found.name if found else str(CompanySettings._meta.get_field("name").default)


class Names:
    """What people, agents, departments and roles are called now, each read once when it is first asked."""

    def __init__(self) -> None:
        self._known: dict[type, dict[str, str]] = {}

    def person(self, key: Any) -> str:
        """Return the name of a person or of the identity of an agent."""
        return self._of(User, key)

    def agent(self, key: Any) -> str:
        """Return the name of an agent."""
        return self._of(Agent, key)

    def department(self, key: Any) -> str:
        """Return the name of a department."""
        return self._of(Department, key)

    def role(self, key: Any) -> str:
        """Return the name of a role."""
        return self._of(Role, key)

    def scope(self, kind: str, key: Any) -> str:
        """Return whom a policy or a limit binds, in words."""
        if kind == "company":
            return "the whole company"
        of = {"department": self.department, "role": self.role, "agent": self.agent}.get(kind)
        return f"{kind} {of(key) if of else key}"

    def _of(self, model: Any, key: Any) -> str:
        if key in (None, ""):
            return ""
        if model not in self._known:
            self._known[model] = {str(one.pk): str(one) for one in model._default_manager.all()}
        return self._known[model].get(str(key), str(key))
