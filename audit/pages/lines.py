"""Events as lines that people read. What people, agents and systems wrote is text, never markup."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.urls import reverse

from audit import asking, registry
from audit.models import Event
from audit.reasons import reason_of
from audit.wording import said_lazy

# What the portal calls such things, nobody typed.
NAMED_BY_US = frozenset(
    {"tasks.task", "appeals.appeal", "agents.changerequest", "agents.certificate", "agents.lifecycleterms",
     "agents.exchangerate", "audit.legalhold", "audit.retentionrule", "connectors.call", "notices.post"}
)  # fmt: skip
TONES: dict[str, str] = {
    "allow": "good",
    "hold": "wait",
    "deny": "bad",
    "confirmed": "good",
    "failed": "bad",
    "in_doubt": "wait",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One entry of the list."""

    number: str
    at: datetime
    sentence: str
    reason: str
    who: str
    what: str
    kind: str
    decision: str
    decision_tone: str
    effect: str
    effect_tone: str
    meaning: str
    link: str
    story: str
    story_of: str


def line_of(event: Event) -> Line:
    """Return an event as a line."""
    story_of, story = story_address(event)
    return Line(
        number=number_of(event),
        at=event.occurred_at,
        sentence=sentence_of(event),
        reason=reason_of(event),
        who=event.actor_label or event.actor_id,
        what=what_of(event),
        kind=asking.kind_words(event.subject_kind),
        decision=event.get_decision_display(),
        decision_tone=TONES.get(event.decision, ""),
        effect=effect_of(event),
        effect_tone="bad" if event.agreement == Event.Agreement.DIFFERS else TONES.get(event.effect, ""),
        meaning=registry.registered_verbs().get(event.verb, event.verb),
        link=reverse("admin:audit_event_change", args=[event.pk]),
        story=story,
        story_of=story_of,
    )


def story_address(event: Event) -> tuple[str, str]:
    """Return of what an event is a part, an action before a run, with the page that tells it; or nothing."""
    for kind, key in (("action", as_uuid(event.action_id)), ("run", as_uuid(event.run_id))):
        if key:
            return kind, reverse(f"story-{kind}", args=[key])
    return "", ""


def number_of(event: Event) -> str:
    """Return the place of an event in the ledger as people read it."""
    position = getattr(event, "position", None)
    return f"{position:,}" if position else "being numbered"


def what_of(event: Event) -> str:
    """Return what it was done to: by the name it was given, or in the reader's language where we named it."""
    return said_lazy(event.subject_label) if event.subject_kind in NAMED_BY_US else event.subject_label


def sentence_of(event: Event) -> str:
    """Return what happened in words, or that the words are gone."""
    return event.told


def effect_of(event: Event) -> str:
    """Return what was seen to come of it, and whether that is what was decided, where it is not."""
    if event.agreement == Event.Agreement.DIFFERS:
        return f"{event.get_effect_display()}, but not as decided" if event.effect else "Not as decided"
    return str(event.get_effect_display())


def humanized(code: str) -> str:
    """Return ``agent_paused`` as ``Agent paused``."""
    words = code.replace("_", " ")
    return f"{words[:1].upper()}{words[1:]}"


def as_uuid(text: str) -> UUID | None:
    """Return a reference as the key of a page; the ledger keeps it as text and promises nothing of it."""
    try:
        return UUID(text) if text else None
    except ValueError:
        return None
