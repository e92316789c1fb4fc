"""Who has which right on an agent: those who answer for it, those with a right on it alone, the groups."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import Group
from django.utils.translation import gettext as _

from agents.models import Agent, AgentGroupObjectPermission, AgentUserObjectPermission
from agents.selectors import heads_over

MOST = 30
# What a right on agents lets people do, in a word each; what only looks is left out of the groups.
RIGHTS = (
    "change_agent",
    "activate_agent",
    "pause_agent",
    "lift_brake",
    "suspend_agent",
    "promote_agent",
    "demote_agent",
    "set_autonomy",
    "sign_contract",
    "issue_credentials",
    "retire_agent",
)


@dataclass(frozen=True, slots=True)
class Holder:
    """Somebody, or a group, with what they may do. Both are text that others wrote or plain words."""

    who: str
    what: str
    is_group: bool = False


def people_of(agent: Agent) -> list[Holder]:
    """Return who has to do with an agent by right: the nearest first, so many at most."""
    found = [Holder(str(agent.sponsor), _answers(agent.sponsor.is_active))]
    if agent.deputy:
        found.append(Holder(str(agent.deputy), _("stands in for who answers for it")))
    found += [Holder(str(head), _("heads the department, or one above it")) for head in heads_over(agent)]
    found += _of_it_alone(AgentUserObjectPermission, "user", agent)
    found += _of_it_alone(AgentGroupObjectPermission, "group", agent)
    return [*found, *_groups()][:MOST]


def rights_in_words(codenames: Any) -> str:
    """Return rights as one line: ``pause, suspend, retire``."""
    words = {
        "view_agent": _("see it"),
        "change_agent": _("edit its file"),
        "activate_agent": _("let it start work or move it"),
        "pause_agent": _("pause it"),
        "lift_brake": _("let it go on"),
        "suspend_agent": _("suspend it"),
        "promote_agent": _("end its probation"),
        "demote_agent": _("put it back"),
        "set_autonomy": _("change how freely it works"),
        "sign_contract": _("sign its contract"),
        "issue_credentials": _("issue its secrets"),
        "retire_agent": _("retire it"),
    }
    held = set(codenames)
    known = [word for name, word in words.items() if name in held]
    others = sorted(name.replace("_", " ") for name in held - set(words))
    return ", ".join([*known, *others])


def _answers(is_active: bool) -> str:
    return _("answers for it") if is_active else _("answers for it, and has left: it may only read")


def _of_it_alone(model: Any, holder: str, agent: Agent) -> list[Holder]:
    rows = model.objects.filter(content_object=agent).select_related("permission", holder).order_by("pk")
    rights: dict[Any, list[str]] = defaultdict(list)
    for row in rows[: MOST * len(RIGHTS)]:
        rights[getattr(row, holder)].append(row.permission.codename)
    only = _("on it alone: %(rights)s")
    return [
        Holder(str(who), only % {"rights": rights_in_words(names)}, is_group=holder == "group")
        for who, names in rights.items()
    ]


def _groups() -> list[Holder]:
    found = Group.objects.filter(
        permissions__content_type__app_label="agents", permissions__codename__in=RIGHTS, role=None
    )
    rights: dict[str, list[str]] = defaultdict(list)
    for name, codename in found.order_by("name").values_list("name", "permissions__codename")[: MOST * 20]:
        rights[name].append(codename)
    return [Holder(name, rights_in_words(names), is_group=True) for name, names in rights.items()]
