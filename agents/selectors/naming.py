"""The names that a reader of the ledger may pick instead of pasting ids."""

from __future__ import annotations

from agents.models import Department, User
from agents.selectors.visible import visible_agents

Names = list[tuple[str, str]]


def agent_names(user: User) -> Names:
    """Return the agents somebody may see."""
    return [(str(key), name) for key, name in visible_agents(user).order_by("name").values_list("pk", "name")]


def people_names(user: User) -> Names:
    """Return everybody who signs in, to those who may see the accounts or the whole ledger."""
    if not (user.has_perm("agents.view_user") or user.has_perm("audit.view_every_event")):
        return []
    people = User.objects.filter(kind=User.Kind.PERSON).order_by("username")
    return [(str(one.pk), str(one)) for one in people]


def actor_names(user: User) -> Names:
    """Return people and agents by the ids that they act under."""
    agents = visible_agents(user).order_by("name").values_list("user_id", "name")
    return [*people_names(user), *((str(key), name) for key, name in agents)]


def department_names(user: User) -> Names:
    """Return the departments; people know how their company is parted."""
    return [(str(key), name) for key, name in Department.objects.order_by("name").values_list("pk", "name")]
