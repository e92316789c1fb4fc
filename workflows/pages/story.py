"""The story of one action: who asked, what was decided and why, what was done, what was found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from agents.models import User
from agents.selectors import visible_agents
from audit import reading
from audit.reasons import reason_of
from audit.selectors import newest_position
from audit.vocabulary import Refusal
from workflows.actions.models import Action
from workflows.actions.selectors import amount_words, shown_arguments, visible_to
from workflows.actions.services import resolve_in_doubt
from workflows.pages.access import STATUS_OF_KIND, admin_page, for_people, page, part
from workflows.pages.matter import deed, operation_tags
from workflows.pages.statement import statement_of
from workflows.pages.why_asked import RuleLine, deciding_rules, limits_in_words
from workflows.pages.words import ECHOES, Tag, action_tag, facts_of, look_of, pretty

# The rest is in the story, which goes on page by page.
MOST_CHAPTERS = 200


@dataclass(frozen=True, slots=True)
class Chapter:
    """One event of the story. What an agent or a system wrote is text, never markup."""

    at: datetime
    icon: str
    tone: str
    who: str
    title: str
    reason: str
    rules: list[RuleLine] = field(default_factory=list)
    limits: list[str] = field(default_factory=list)
    raw: str = ""
    code: str = ""
    position: int | None = None


@never_cache
@require_safe
@for_people
def story(request: HttpRequest, action_id: UUID) -> HttpResponse:
    """Show one action from its first word to what was read back."""
    action = _find(request, action_id)
    return _page(request, action)


@require_POST
@for_people
def resolve(request: HttpRequest, action_id: UUID) -> HttpResponse:
    """Say what became of an action in doubt. The service asks every question again."""
    action = _find(request, action_id)
    outcome, reason = request.POST.get("outcome", ""), request.POST.get("reason", "")
    if outcome not in ("confirmed", "failed"):
        return _page(request, action, status=422, refused="Choose whether it was done.", reason=reason)
    user: User = request.user  # type: ignore[assignment]
    try:
        resolve_in_doubt(actor=user.as_actor(), action_id=action.pk, outcome=outcome, reason=reason)
    except Refusal as refusal:
        status = STATUS_OF_KIND.get(refusal.kind, 403)
        return _page(
            request, _find(request, action_id), status=status, refused=refusal.in_full(), reason=reason
        )
    messages.success(
        request, f"On record as {'done' if outcome == 'confirmed' else 'not done'}: {action.label}"
    )
    return redirect("action", action.pk)


@never_cache
@require_safe
@for_people
def story_parts(request: HttpRequest, action_id: UUID) -> HttpResponse:
    """Return the same without the frame, for a page that follows it live."""
    return part(request, "portal/story_parts.html", **_told(_find(request, action_id), request))


def _page(request: HttpRequest, action: Action, status: int = 200, **said: Any) -> HttpResponse:
    user: User = request.user  # type: ignore[assignment]
    may_resolve = action.state == Action.State.IN_DOUBT and user.has_perm("actions.resolve_action")
    shown: dict[str, Any] = {"subtitle": action.label, "may_resolve": may_resolve, **said}
    return page(request, "portal/story.html", "Action", status, **shown, **_told(action, request))


def _find(request: HttpRequest, action_id: UUID) -> Action:
    found = visible_to(request.user).select_related(  # type: ignore[arg-type]
        "agent", "on_behalf_of", "operation__system", "revision", "approval"
    )
    return get_object_or_404(found, pk=action_id)


def _told(action: Action, request: HttpRequest) -> dict[str, Any]:
    user: User = request.user  # type: ignore[assignment]
    arguments = shown_arguments(action)
    # Before the chapters, so that what happens between the two reads is read again, never missed.
    position = newest_position()
    return {
        "position": position,
        "action": action,
        "amount": amount_words(action),
        "agent_link": _agent_link(action, user),
        "tags": _tags(action),
        "facts": facts_of(arguments, action.revision.input_schema if action.revision else None),
        "raw": pretty(arguments),
        "result": pretty(action.result) if action.result else "",
        "statement": statement_of(action),
        "chapters": chapters_of(action, user),
    }


def _agent_link(action: Action, user: User) -> str:
    """Return the page on which the agent can be paused, if this person may open it."""
    return admin_page(action.agent) if visible_agents(user).filter(pk=action.agent_id).exists() else ""


def chapters_of(action: Action, user: User) -> list[Chapter]:
    """Return how an action was asked for, then what this person may see of it, in the order of the ledger."""
    asked = Chapter(
        at=action.requested_at,
        icon="chat_bubble",
        tone="info",
        who=f"{action.agent.name}, for {action.on_behalf_of}" if action.on_behalf_of else action.agent.name,
        title=f"Asked to {deed(action)}",
        reason="",
    )
    newest = reading.timeline(
        "actions.action", str(action.pk), user, besides=Q(verb__in=ECHOES), size=MOST_CHAPTERS
    )
    return [asked, *(_chapter(event, action) for event in reading.in_order(newest.events))]


def _chapter(event: Any, action: Action) -> Chapter:
    icon, tone = look_of(event.verb, event.decision)
    data = event.payload.data if hasattr(event, "payload") else {}
    explanation = data.get("explanation") if isinstance(data, Mapping) else None
    told = explanation if isinstance(explanation, Mapping) else {}
    return Chapter(
        at=event.occurred_at,
        icon=icon,
        tone=tone,
        who=event.actor_label,
        title=_title(event.told, action),
        reason=reason_of(event),
        rules=deciding_rules(told, shown_arguments(action), amount_words(action)),
        limits=limits_in_words(told) if event.decision == "hold" else [],
        raw=pretty(data) if data else "",
        code=event.code,
        position=event.position,
    )


def _title(sentence: str, action: Action) -> str:
    """Leave the action's own label out: on its own page every line would repeat it."""
    rest = sentence.removeprefix(f"{action.label}: ").removesuffix(f": {action.label}")
    return rest[:1].upper() + rest[1:]


def _tags(action: Action) -> list[Tag]:
    tags = [action_tag(action)]
    if action.outcome:
        look = {"agrees": ("fact_check", "good"), "differs": ("difference", "bad")}
        icon, tone = look.get(action.outcome, ("help", ""))
        tags.append(Tag(action.get_outcome_display(), icon, tone))
    return [*tags, *operation_tags(action, amount_words(action))]
