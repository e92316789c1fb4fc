"""Why something was done, as the ledger keeps it: in whose words, and so in which language it is shown."""

from __future__ import annotations

from audit.models import Event
from audit.vocabulary import ActorKind
from audit.wording import said_lazy

# Why people were asked is put into words by the portal, whoever asked.
ASKED = "approval_requested"


def reason_of(event: Event) -> str:
    """Return why it was done: the portal's words in the reader's language, all others as they are."""
    return said_lazy(event.reason) if _is_ours(event) else event.reason


def _is_ours(event: Event) -> bool:
    """Tell whether the portal wrote the reason: it acted, decided on what an agent asked for, or asked people.

    An agent gives its reasons where it passes work on, fails, withdraws or contests; a person always does.
    """
    if event.verb.endswith(ASKED) or event.actor_kind == ActorKind.SYSTEM:
        return True
    return event.actor_kind == ActorKind.AGENT and bool(event.decision)
