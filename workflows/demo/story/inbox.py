"""What people do with what is held: find it, read it, decide it with a reason."""

from __future__ import annotations

from typing import Any

from workflows.demo.story.stage import Stage
from workflows.demo.story.visitor import Visitor, eventually


def pending(person: Visitor, words: str) -> dict[str, Any]:
    """Return the open question about something, as soon as this person sees it."""

    def look() -> dict[str, Any] | None:
        shown = person.get("/approvals", state="pending")["results"]
        return next((row for row in shown if words in row["subject_label"]), None)

    return dict(eventually(look, f"{person.name} is asked about {words}"))


def decide(person: Visitor, approval: dict[str, Any], verdict: str, reason: str) -> int:
    """Decide in the inbox, by the form that the page offers; return the HTTP status."""
    path = f"/inbox/{approval['id']}/"
    form = person.page(path).form("digest")
    target = f"/inbox/{approval['id']}/vote/"
    form.action = form.action or target
    form.names.add("verdict")
    return person.submit(path, form, verdict=verdict, reason=reason).status_code


def vote(person: Visitor, approval: dict[str, Any], verdict: str, reason: str, **changes: Any) -> Any:
    """Vote over the API; return the response whatever it is."""
    body = {"verdict": verdict, "reason": reason, "digest": approval["digest"], **changes}
    return person.api("POST", f"/approvals/{approval['id']}/votes", body)


def second_person_approves(stage: Stage, words: str, reason: str) -> None:
    """Let bob approve a change of authority in his inbox."""
    question = pending(stage.bob, words)
    status = decide(stage.bob, question, "approve", reason)
    stage.check(f"bob approves: {question['subject_label'][:90]}", status in (200, 302), status)
