"""Who may knock at an endpoint at all; what they may do there is for the policies and the services."""

from __future__ import annotations

from typing import Any, cast

from django.contrib.auth.backends import BaseBackend
from guardian.backends import ObjectPermissionBackend, check_support
from guardian.core import ObjectPermissionChecker
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from agents.models import Agent, User
from agents.services import credentials
from audit.once import once
from audit.vocabulary import Refusal

# What answering for an agent brings with it: to see it, to stop it, to put it back, to sign what binds it
# (which gives nobody any right), and to ask that its probation ends, which others decide. Freeing it is for
# managers.
RIGHTS_OF_SPONSOR = frozenset(
    {
        "agents.view_agent",
        "agents.pause_agent",
        "agents.suspend_agent",
        "agents.sign_contract",
        "agents.promote_agent",
        "agents.demote_agent",
    }
)


class ObjectBackend(ObjectPermissionBackend):
    """Rights on single objects. A page that asks for many of one object asks the database once."""

    def has_perm(self, user_obj: Any, perm: str, obj: Any = None) -> bool:
        """Tell whether ``user_obj`` was given ``perm`` on ``obj``, themselves or with a group."""
        is_supported, user = check_support(user_obj, obj)
        if not is_supported:
            return False
        if "." in perm and perm.split(".")[0] != obj._meta.app_label:
            return bool(super().has_perm(user_obj, perm, obj))
        rights = once(("rights_on_objects", user.pk), lambda: ObjectPermissionChecker(user))
        return bool(rights.has_perm(perm, obj))


class SponsorBackend(BaseBackend):
    """The sponsor and the deputy of an agent hold RIGHTS_OF_SPONSOR on that agent, and on no other."""

    def has_perm(self, user_obj: Any, perm: str, obj: Any = None) -> bool:
        """Tell whether ``user_obj`` answers for the agent ``obj`` and ``perm`` comes with it."""
        if not isinstance(obj, Agent) or perm not in RIGHTS_OF_SPONSOR:
            return False
        answers = user_obj.pk is not None and user_obj.pk in (obj.sponsor_id, obj.deputy_id)
        return bool(answers and user_obj.is_active and not is_agent(user_obj))


def is_agent(user: Any) -> bool:
    """Tell whether the caller is the identity of an agent."""
    return isinstance(user, User) and user.is_agent


class IsSignedIn(BasePermission):
    """A person by session or an agent by token."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return isinstance(request.user, User) and request.user.is_active


class IsPerson(IsSignedIn):
    """People only: an agent is refused by kind, whatever it holds."""

    message = "An agent cannot do this. Only a person can; tell your sponsor."
    code = "agents_refused"

    def has_permission(self, request: Request, view: Any) -> bool:
        if not super().has_permission(request, view):
            return False
        if not is_agent(request.user):
            return True
        actor = cast("User", request.user).as_actor()
        credentials.note_overreach(actor=actor, refusal=Refusal(self.code, self.message))
        return False
