"""The tabs of a run's page: each has an address of its own, and reads only what it shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import Count
from django.http import QueryDict
from django.urls import reverse
from django.utils.translation import gettext_lazy

from agents.models import User
from audit import reading
from workflows.pages import run_decisions, run_timeline, run_trace
from workflows.pages.lines import lines_of
from workflows.pages.run_record import documents_of, readable_of, record_of
from workflows.pages.step_words import named, names_of
from workflows.pages.steps import MOST_STEPS, lines_of_steps, steps_of
from workflows.pages.words import facts_of, pretty
from workflows.runs.choices import OPEN_STEPS, StepState
from workflows.runs.models import Run
from workflows.runs.selectors import visible_workflows

LOG_LINES = 50
MOST_RAW = 400_000  # characters; the rest is in the evidence as a file
PARKED = "parked"
SHOWN: tuple[tuple[str, Any, tuple[StepState, ...]], ...] = (
    ("", gettext_lazy("All"), tuple(StepState)),
    ("open", gettext_lazy("Open"), OPEN_STEPS),
    (PARKED, gettext_lazy("Wait for an operator"), ()),
    ("done", gettext_lazy("Done"), (StepState.DONE,)),
    ("failed", gettext_lazy("Failed"), (StepState.FAILED,)),
    ("skipped", gettext_lazy("Skipped"), (StepState.SKIPPED,)),
    ("cancelled", gettext_lazy("Cancelled"), (StepState.CANCELLED,)),
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address of a run's page asks for."""

    tab: str = "steps"
    state: str = ""
    after: UUID | None = None
    before: UUID | None = None
    newer: UUID | None = None

    @property
    def query(self) -> str:
        """Return it as the address says it, for the page to read itself again."""
        parts = {
            "tab": self.tab,
            "state": self.state,
            "after": self.after or "",
            "before": self.before or "",
            "newer": self.newer or "",
        }
        return urlencode({name: said for name, said in parts.items() if said})

    @property
    def is_first(self) -> bool:
        """Say whether it begins at the beginning: other pages of a list do not move."""
        return not (self.before or self.newer)


@dataclass(frozen=True, slots=True)
class Tab:
    """One tab: its word, its icon, its template, and what that shows."""

    key: str
    word: Any
    template: str
    told: Callable[[Run, User, Asked], dict[str, Any]]


def asked_of(query: QueryDict) -> Asked:
    """Return what an address asks for; what makes no sense asks for nothing."""
    tab, state = query.get("tab", ""), query.get("state", "")
    return Asked(
        tab=tab if tab in TABS else "steps",
        state=state if any(state == key for key, *_ in SHOWN) else "",
        after=_key(query.get("after", "")),
        before=_key(query.get("before", "")),
        newer=_key(query.get("newer", "")),
    )


def _steps(run: Run, user: User, asked: Asked) -> dict[str, Any]:
    names = names_of(documents_of(run))
    found = steps_of(run)
    if asked.state == PARKED:
        found = found.filter(is_parked=True)
    elif asked.state:
        found = found.filter(state__in=next(states for key, _, states in SHOWN if key == asked.state))
    if asked.after:
        found = found.filter(pk__gt=asked.after)
    steps = list(found[: MOST_STEPS + 1])
    more, steps = len(steps) > MOST_STEPS, steps[:MOST_STEPS]
    return {
        "steps": lines_of_steps(run, user, names, steps),
        "next": steps[-1].pk if more else None,
        "shown": _shown(run, asked),
        "is_narrowed": bool(asked.state or asked.after),
        "input": facts_of(named(run.input, names), run.version.content.get("input")),
        "output": facts_of(named(run.output or {}, names)),
    }


def _shown(run: Run, asked: Asked) -> list[dict[str, Any]]:
    """Return the states that steps of this run are in, each with how many are."""
    counted = run.steps.order_by().values("state", "is_parked").annotate(count=Count("pk"))
    rows = [(row["state"], row["is_parked"], row["count"]) for row in counted]
    found = []
    for key, word, states in SHOWN:
        count = sum(many for state, parked, many in rows if (parked if key == PARKED else state in states))
        if count or key == asked.state:
            found.append({"key": key, "word": word, "count": count, "is_chosen": key == asked.state})
    return found if len(found) > 2 or asked.state else []


def _timeline(run: Run, user: User, asked: Asked) -> dict[str, Any]:
    return run_timeline.told(run, user, asked.after)


def _trace(run: Run, user: User, asked: Asked) -> dict[str, Any]:
    return run_trace.told(run, user, asked.after, names_of(documents_of(run)))


def _log(run: Run, user: User, asked: Asked) -> dict[str, Any]:
    place = reading.Place(before=asked.before, after=asked.newer)
    found = reading.timeline("runs.run", str(run.pk), user, place, size=LOG_LINES)
    return {
        "lines": lines_of(list(reversed(reading.in_order(found.events)))),
        "older": found.older,
        "newer": found.newer,
    }


def _decisions(run: Run, user: User, asked: Asked) -> dict[str, Any]:
    return run_decisions.told(run, user)


def _artefacts(run: Run, user: User, asked: Asked) -> dict[str, Any]:
    documents = documents_of(run)
    readable, names = readable_of(documents, user), names_of(documents)
    return {
        "documents": [(document, document.pk in readable) for document in documents],
        "results": run_trace.results_of(run, user),
        "input": facts_of(named(run.input, names), run.version.content.get("input")),
        "output": facts_of(named(run.output or {}, names)),
    }


def _raw(run: Run, user: User, asked: Asked) -> dict[str, Any]:
    raw = pretty(record_of(run, user))
    may_read = visible_workflows(user).filter(pk=run.workflow_id).exists()
    return {
        "raw": raw[:MOST_RAW],
        "is_cut": len(raw) > MOST_RAW,
        "definition": run.version.text if may_read else "",
        "may_read_definition": may_read,
    }


_ALL = (
    Tab("steps", gettext_lazy("Steps"), "portal/run_steps.html", _steps),
    Tab("timeline", gettext_lazy("Timeline"), "portal/run_timeline.html", _timeline),
    Tab("trace", gettext_lazy("Trace"), "portal/run_trace.html", _trace),
    Tab("log", gettext_lazy("Log"), "portal/run_log.html", _log),
    Tab("decisions", gettext_lazy("Decisions"), "portal/run_decisions.html", _decisions),
    Tab("artefacts", gettext_lazy("Artefacts"), "portal/run_artefacts.html", _artefacts),
    Tab("raw", gettext_lazy("Raw"), "portal/run_raw.html", _raw),
)
TABS = {tab.key: tab for tab in _ALL}


def links_of(run: Run, asked: Asked) -> list[dict[str, Any]]:
    """Return the tabs as links."""
    address = reverse("run", args=[run.pk])
    return [
        {"word": tab.word, "link": f"{address}?tab={tab.key}", "is_chosen": tab.key == asked.tab}
        for tab in TABS.values()
    ]


def _key(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
