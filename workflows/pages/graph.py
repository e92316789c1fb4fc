"""The picture of a run: its workflow, and on each node what differs: its state, who has it, since when."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Q, Sum
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from agents.models import User
from workflows.pages.access import admin_page
from workflows.pages.steps import steps_of, who_has
from workflows.runs.choices import OPEN_RUNS, OPEN_STEPS, StepState
from workflows.runs.models import Frame, Run, Step
from workflows.runs.reading import Drawing, drawing_of, for_page
from workflows.runs.selectors import visible_to, visible_workflows
from workflows.tasks.models import Task

MOST_OPEN = 200
# Each state as a word with an icon; its border is in the style of the page. The first that applies is shown.
STATES: Mapping[str, tuple[Any, str]] = {
    "failed": (gettext_lazy("Failed"), "error"),
    "operator": (gettext_lazy("Waits for an operator"), "report"),
    "person": (gettext_lazy("Waits for a person"), "front_hand"),
    "paused": (gettext_lazy("Paused"), "pause_circle"),
    "waiting": (gettext_lazy("Waits"), "hourglass_top"),
    "running": (gettext_lazy("Is being done"), "play_circle"),
    "cancelled": (gettext_lazy("Cancelled"), "cancel"),
    "skipped": (gettext_lazy("Skipped"), "skip_next"),
    "done": (gettext_lazy("Done"), "check_circle"),
    "none": (gettext_lazy("Not started"), "radio_button_unchecked"),
}
_CLOSED = {
    StepState.DONE: "done",
    StepState.SKIPPED: "skipped",
    StepState.FAILED: "failed",
    StepState.CANCELLED: "cancelled",
}
# Of each piece of work its newest generation: what was done again counts once.
_COUNTS = """
SELECT node, state, is_parked, count(*) FROM (
    SELECT DISTINCT ON (node, frame_id, index) node, state, is_parked
      FROM runs_step WHERE run_id = %s ORDER BY node, frame_id, index, generation DESC
) newest GROUP BY node, state, is_parked
"""


@dataclass(frozen=True, slots=True)
class Standing:
    """What of one node there is to say: how many of its steps stand how, and the one that says most."""

    counts: Mapping[str, int]
    state: str
    step: Step | None


def run_graph(run: Run, steps: Iterable[Any], user: User) -> Drawing:
    """Return the picture of a run for one person, in a handful of queries however large the run is.

    ``steps`` are the lines of the table beside it, each with the ``key`` of its step; nodes lead to those rows.
    """
    allowed = visible_workflows(user).filter(pk=run.workflow_id).exists()
    found = drawing_of(run.version.content, conditions=allowed)
    rows = {str(line.key) for line in steps if hasattr(line, "key")}
    standings = _standings(run)
    frames = _frames(run)
    children = _children(run, user)
    for box in found["boxes"]:
        _say(box, standings.get(box["id"]), rows)
        if box["id"] in frames:
            box["lines"] = [*box["lines"], frames[box["id"]]]
        if box["id"] in children:
            box["lines"] = [*box["lines"], children[box["id"]]]
    found["current"] = _current(run, standings)
    link = admin_page(run.workflow) if allowed else ""
    return for_page(found, id=f"run-{run.pk}", layout={}, link=link)


def _say(box: Drawing, standing: Standing | None, rows: Collection[str]) -> None:
    state = standing.state if standing else "none"
    word, icon = STATES[state]
    box["state"] = {"key": state, "word": str(word), "icon": icon}
    box["lines"] = list(_about(standing)) if standing else []
    step = standing.step if standing else None
    if step is not None:
        box["href"] = f"#step-{step.pk}" if not rows or str(step.pk) in rows else "#run-steps"


def _about(standing: Standing) -> Iterable[str]:
    """Say of a node what differs: of many steps how they stand, of one who has it and since when."""
    total = sum(standing.counts.values())
    if total > 1:
        parts = [f"{count} {STATES[state][0]}".lower() for state, count in standing.counts.items()]
        steps = ngettext("%(count)s step", "%(count)s steps", total) % {"count": total}
        yield f"{steps}: {', '.join(parts)}"
        return
    step = standing.step
    if step is None:
        return
    if who := who_has(step, is_held=standing.state == "person" and step.action_id is not None):
        yield who
    at = step.finished_at or step.started_at or step.created_at
    said = _("at %s") if step.finished_at else _("since %s")
    yield said % date_format(timezone.localtime(at), "j M, H:i")


def _standings(run: Run) -> dict[str, Standing]:
    """Return how each node stands that was begun."""
    counts: dict[str, dict[str, int]] = {}
    said = _steps_that_say_most(run)
    for node, state, is_parked, count in _counted(run):
        step = said.get(node)
        key = _state(run, step, state, is_parked)
        among = counts.setdefault(node, {})
        among[key] = among.get(key, 0) + count
    order = list(STATES)
    return {
        node: Standing(
            dict(sorted(among.items(), key=lambda pair: order.index(pair[0]))),
            min(among, key=order.index),
            said.get(node),
        )
        for node, among in counts.items()
    }


def _counted(run: Run) -> list[tuple[str, str, bool, int]]:
    with connection.cursor() as cursor:
        cursor.execute(_COUNTS, [str(run.pk)])
        return list(cursor.fetchall())


def _steps_that_say_most(run: Run) -> dict[str, Step]:
    """Return one step of each node: one that is open or waits for an operator before one that is over."""
    newest = Step.objects.filter(run=run).order_by("node", "-pk").distinct("node").values("pk")
    looked_at = Q(state__in=OPEN_STEPS) | Q(is_parked=True)
    standing = Step.objects.filter(looked_at, run=run).order_by("-pk").values("pk")[:MOST_OPEN]
    found: dict[str, Step] = {}
    for step in steps_of(run).filter(Q(pk__in=newest) | Q(pk__in=standing)):
        known = found.get(step.node)
        if known is None or _weight(step) >= _weight(known):
            found[step.node] = step
    return found


def _weight(step: Step) -> tuple[bool, bool]:
    return step.is_parked, step.state in OPEN_STEPS


def _state(run: Run, step: Step | None, state: str, is_parked: bool) -> str:
    if is_parked:
        return "failed" if state == StepState.FAILED else "operator"
    if state in _CLOSED:
        return _CLOSED[StepState(state)]
    if run.state not in OPEN_RUNS:
        return "cancelled"
    if step is not None and step.state == state and _waits_for_people(step):
        return "person"
    if run.is_paused:
        return "paused"
    return "waiting" if step is not None and step.state == state and _waits(step) else "running"


def _waits_for_people(step: Step) -> bool:
    if step.task is not None and step.task.kind != Task.Kind.AGENT_WORK:
        return True
    return step.action is not None and step.action.state == step.action.State.HELD


def _waits(step: Step) -> bool:
    """Tell whether nobody is at it: a signal, another run, a system or a turn has to come first."""
    if step.kind in ("wait", "sub") or step.state == StepState.READY or step.held_by_id:
        return True
    return step.task is not None and step.task.state == Task.State.OPEN


def _frames(run: Run) -> dict[str, str]:
    """Return of each block that was opened how many of its branches or items have come through."""
    sums = Frame.objects.filter(run=run).values("node")
    found = sums.annotate(of=Sum("size"), through=Sum("arrived"), lost=Sum("failed")).order_by("node")
    return {one["node"]: _of_frame(one) for one in found}


def _of_frame(sums: Mapping[str, Any]) -> str:
    said = _("%(through)s of %(of)s through") % sums
    return f"{said}, {_('%(lost)s failed') % sums}" if sums["lost"] else said


def _children(run: Run, user: User) -> dict[str, str]:
    """Return the runs that nodes began, where this person may see them; of many how many there are."""
    runs = (
        visible_to(user).filter(parent__run=run).order_by("-pk").values_list("parent__node", "label", "state")
    )
    found: dict[str, list[str]] = {}
    labels = dict(Run._meta.get_field("state").choices or ())
    for node, label, state in runs[:MOST_OPEN]:
        found.setdefault(node, []).append(f"{label}: {labels.get(state, state)}")
    return {
        node: said[0]
        if len(said) == 1
        else ngettext("%(count)s run", "%(count)s runs", len(said)) % {"count": len(said)}
        for node, said in found.items()
    }


def _current(run: Run, standings: Mapping[str, Standing]) -> str:
    """Return the node to look at first: where the run waits or is, else where it went last."""
    if not standings:
        return ""
    order = list(STATES)
    is_open = run.state in OPEN_RUNS
    at = [
        node for node, one in standings.items() if is_open and order.index(one.state) <= order.index("running")
    ]
    if at:
        return min(at, key=lambda node: order.index(standings[node].state))
    last = [(str(one.step.pk), node) for node, one in standings.items() if one.step]
    return max(last)[1] if last else ""
