"""What the page of each verb says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workflows.pages.verb_forms import (
    DeadlineForm,
    MigrateForm,
    OverrideForm,
    PauseForm,
    PriorityForm,
    RedirectForm,
    plain,
)
from workflows.runs import services
from workflows.runs.choices import RunVerb, StepVerb


@dataclass(frozen=True, slots=True)
class VerbPage:
    """What the page of a verb says. ``said`` after it was done, about the run or step.

    ``instead`` is another verb of a step that people may mean; its page is one click away where it is offered.
    """

    title: str
    words: str
    submit: str
    said: str
    form: type[Any]
    tone: str = "main"
    instead: str = ""


RUN_PAGES: Mapping[str, VerbPage] = {
    RunVerb.RETRY: VerbPage(
        title="Let it go on",
        words=(
            "The step it stopped at is done again as a new attempt; an operation that was done is not "
            "repeated, only what comes after it is looked at again. What was done before stays as it is."
        ),
        submit="Go on",
        said="{} goes on.",
        form=plain(services.Retry),
        tone="good",
    ),
    RunVerb.PAUSE: VerbPage(
        title="Pause this run",
        words="What has begun may finish. Nothing new begins until somebody lets it go on.",
        submit="Pause the run",
        said="{} is paused.",
        form=PauseForm,
    ),
    RunVerb.RESUME: VerbPage(
        title="Let this paused run go on",
        words="What came meanwhile takes effect now.",
        submit="Resume the run",
        said="{} goes on.",
        form=plain(services.Resume),
        tone="good",
    ),
    RunVerb.PRIORITY: VerbPage(
        title="Change how urgent it is",
        words=(
            "Its turns and its open tasks come sooner or later than those of other runs. A step whose "
            "workflow says how urgent it is keeps that."
        ),
        submit="Change the priority",
        said="The priority of {} was changed.",
        form=PriorityForm,
    ),
    RunVerb.MIGRATE: VerbPage(
        title="Move it to another version",
        words=(
            "Nothing is done again and nothing is lost: open tasks, deadlines and actions go on, and what "
            "comes of them is followed by the other version."
        ),
        submit="Move the run",
        said="{} follows another version now.",
        form=MigrateForm,
    ),
    RunVerb.COMPENSATE: VerbPage(
        title="Undo everything it did",
        words=(
            "What is open ends. What was done is undone, the newest first; each undoing is an action that "
            "rules and people decide on like any other. The run ends when all of it is undone."
        ),
        submit="Undo everything",
        said="Everything that {} did is being undone.",
        form=plain(services.Compensate),
        tone="bad",
    ),
    RunVerb.CANCEL: VerbPage(
        title="Cancel this run",
        words=(
            "It ends for good. Its open tasks and questions are taken back; what was done in systems stays "
            "done."
        ),
        submit="Cancel the run",
        said="{} is cancelled.",
        form=plain(services.Cancel),
        tone="bad",
    ),
}
STEP_PAGES: Mapping[str, VerbPage] = {
    StepVerb.RETRY: VerbPage(
        title="Try this step again",
        words=(
            "It waits for an operator. It is done again as a new attempt; an operation that was done is not "
            "repeated, only what comes after it is looked at again."
        ),
        submit="Try it again",
        said="{} is tried again.",
        form=plain(services.Retry),
        tone="good",
    ),
    StepVerb.RERUN: VerbPage(
        title="Do this step again, and what follows",
        words=(
            "It is done again as a new attempt, and so is all that comes after it. What was done before is "
            "kept on record and not undone: what it did in systems may be done a second time."
        ),
        submit="Do it again",
        said="{} is done again.",
        form=plain(services.Rerun),
        tone="bad",
    ),
    StepVerb.OVERRIDE: VerbPage(
        title="Give the answer of this step",
        words=(
            "An open step goes on with your answer, and whoever has it loses it. The answer of one that is "
            "closed is corrected for what reads it from now on. Rules and people still decide on what "
            "follows, and you approve none of it."
        ),
        submit="Set the answer",
        said="{} has the answer you gave.",
        form=OverrideForm,
    ),
    StepVerb.SKIP: VerbPage(
        title="Skip this step",
        words=(
            "The run goes on as if it were done, without an answer. Nothing is done for it. What follows may "
            "need an answer to know where to go on."
        ),
        submit="Skip it",
        said="{} was skipped.",
        form=plain(services.Skip),
        instead=StepVerb.OVERRIDE,
    ),
    StepVerb.REDIRECT: VerbPage(
        title="Give this work to somebody else",
        words=(
            "Whoever has it loses it. An operation that has not begun is taken back and asked anew as the "
            "other agent: rules and people decide on that as on any other."
        ),
        submit="Give it to them",
        said="{} was given to somebody else.",
        form=RedirectForm,
    ),
    StepVerb.DEADLINE: VerbPage(
        title="Change its deadline",
        words="What happens when it passes stays as the workflow says.",
        submit="Change the deadline",
        said="The deadline of {} was changed.",
        form=DeadlineForm,
    ),
}
