"""What every guide has in common: its steps, where somebody stands, and how a page of it is shown."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from workflows.pages.access import page

Words = str | Promise


@dataclass(frozen=True, slots=True)
class Step:
    """One question of a guide. ``short`` stands in the list of steps, ``question`` above the page."""

    key: str
    short: Words
    question: Words


@dataclass(frozen=True, slots=True)
class Guide:
    """One guided path: ``route`` begins it, ``rights`` are what somebody needs to do all of it."""

    key: str
    route: str
    icon: str
    title: Words
    words: Words
    rights: tuple[str, ...]
    steps: tuple[Step, ...]

    def step(self, key: str) -> Step:
        """Return the step with this key."""
        return next(step for step in self.steps if step.key == key)

    def may(self, user: Any) -> bool:
        """Tell whether somebody may do this guide."""
        return all(user.has_perm(right) for right in self.rights)


CONNECT = Guide(
    "systems",
    "guide-systems",
    "dns",
    _("Connect a system"),
    _("Tell the portal where one of your systems is, test it, and choose what may be asked of it."),
    ("connectors.add_system", "connectors.change_account", "connectors.change_operation"),
    (
        Step("kind", _("Kind"), _("What kind of system is it?")),
        Step("place", _("Place"), _("Where is it?")),
        Step("account", _("Key"), _("Whose key does the portal use there?")),
        Step("test", _("Test"), _("Does it answer?")),
        Step("operations", _("Operations"), _("What may be asked of it?")),
        Step("done", _("Done"), _("It works")),
    ),
)
REGISTER = Guide(
    "agents",
    "guide-agents",
    "smart_toy",
    _("Register an agent"),
    _("Give an agent a job, somebody who answers for it, and its key. It starts once a second person agrees."),
    ("agents.add_agent", "agents.activate_agent", "agents.issue_credentials"),
    (
        Step("job", _("Job"), _("Which job does it have?")),
        Step("who", _("Who"), _("Who is it, and who answers for it?")),
        Step("may", _("Operations"), _("What may it ask for?")),
        Step("key", _("Key"), _("How does its program sign in?")),
        Step("start", _("Start"), _("Let it start work")),
    ),
)
CONTRACT = Guide(
    "contracts",
    "guide-contracts",
    "contract",
    _("Write a contract"),
    _("Say in sentences what an agent or a role may do alone, what it must ask for, and what it may never do."),
    ("agents.publish_rule",),
    (
        Step("whom", _("Whom"), _("Whose contract is it?")),
        Step("rules", _("Rules"), _("What may it do alone, and what not?")),
        Step("limits", _("Limits"), _("How much may it do?")),
        Step("force", _("Read it"), _("Read it, try it, put it into force")),
        Step("sign", _("Sign"), _("Put your name to it")),
    ),
)
WORKFLOW = Guide(
    "workflows",
    "guide-workflows",
    "schema",
    _("Start a workflow"),
    _("Take a workflow that is ready, fill in who does what, have it approved, and watch its first run."),
    ("runs.change_workflow", "runs.start_workflow"),
    (
        Step("which", _("Which"), _("Which work is it?")),
        Step("fill", _("Who"), _("Who does what?")),
        Step("publish", _("Approval"), _("A second person approves it")),
        Step("trigger", _("Begin"), _("What makes it begin?")),
        Step("run", _("First run"), _("Start the first run")),
    ),
)
GUIDES = (CONNECT, REGISTER, CONTRACT, WORKFLOW)


def may_any(user: Any) -> bool:
    """Tell whether somebody may do at least one of the guides."""
    return any(guide.may(user) for guide in GUIDES)


def shown(
    request: HttpRequest,
    guide: Guide,
    key: str,
    template: str,
    /,
    *,
    status: int = 200,
    done: Collection[str] = (),
    links: Mapping[str, str] | None = None,
    **context: Any,
) -> HttpResponse:
    """Render one step: ``done`` are the steps that are over, ``links`` lead to those that can be opened."""
    step = guide.step(key)
    number = guide.steps.index(step) + 1
    trail = [
        {
            "short": it.short,
            "state": "now" if it is step else "done" if it.key in done else "later",
            "link": (links or {}).get(it.key, "") if it is not step else "",
        }
        for it in guide.steps
    ]
    frame = {"guide": guide, "step": step, "number": number, "total": len(guide.steps), "trail": trail}
    return page(request, f"portal/guides/{template}", str(guide.title), status, **frame, **context)


def before(guide: Guide, key: str) -> str:
    """Return the key of the step before this one; of the first: none."""
    keys = [step.key for step in guide.steps]
    place = keys.index(key)
    return keys[place - 1] if place else ""
