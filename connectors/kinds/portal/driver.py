"""Does a verb of the portal itself: a mapping names it, and the room that owns it has registered it.

    {"verb": "run.start", "read_back": {"/key": {"$arg": "/key"}}}

Nothing leaves the process, so there is no address and no credential; but it is a call like any other: it needs
an authorization, is recorded, and is looked up when its end is unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agents.models import Agent
from audit.vocabulary import Actor, Refusal, RefusalKind
from connectors.engine import problems_of
from connectors.exceptions import NotSent, Rejected
from connectors.models import Call
from connectors.registry import portal_verbs
from connectors.vocabulary import DriverRequest, DriverResult, Needs

LATER = (RefusalKind.LIMITED, RefusalKind.UNAVAILABLE)
MEMBERS = {"verb", "read_back"}


class PortalDriver:
    """Speaks to the rooms above by their registered verbs."""

    in_process = True
    needs = Needs(
        title="This portal",
        summary="Starts and signals its own workflows. It is installed by itself.",
        schemes=("none",),
        addable=False,
    )

    def perform(self, request: DriverRequest) -> DriverResult:
        """Do the verb as the agent of this call; what it refuses was not done."""
        request.passage.require(request.system.id)
        name = str(request.mapping["verb"])
        try:
            done = portal_verbs()[name](request.agent or _agent(request), request.arguments)
        except Refusal as refusal:
            request.note(step="verb", verb=name, error=refusal.code)
            kind = NotSent if refusal.kind in LATER else Rejected
            raise kind(refusal.code, refusal.in_full()) from refusal
        request.note(step="verb", verb=name)
        return DriverResult(output=dict(done.output), remote_ref=done.remote_ref, found=done.found)

    def test_connection(self, request: DriverRequest) -> DriverResult:
        """The portal reaches itself."""
        request.passage.require(request.system.id)
        return DriverResult(output={"verbs": sorted(portal_verbs())})

    def check_mapping(self, mapping: Mapping[str, Any]) -> list[str]:
        """Return what is wrong with a mapping, in words."""
        found = [f"/{name}: unknown here." for name in sorted(set(mapping) - MEMBERS)]
        if mapping.get("verb") not in portal_verbs():
            known = ", ".join(sorted(portal_verbs())) or "none yet"
            found.append(f"/verb: the portal has no verb {mapping.get('verb')!r}. There are: {known}.")
        return found + problems_of(mapping.get("read_back", {}))

    def resumes(self, mapping: Mapping[str, Any]) -> bool:
        """A verb is one transaction: all or nothing."""
        return False


def _agent(request: DriverRequest) -> Actor:
    call = Call.objects.get(pk=request.passage.call_id)
    agent = Agent.objects.select_related("user").filter(pk=call.agent_id).first() if call.agent_id else None
    if agent is None:
        raise Rejected("agent_missing", "The portal does this for an agent, and nobody knows which.")
    return agent.user.as_actor()


driver = PortalDriver()
