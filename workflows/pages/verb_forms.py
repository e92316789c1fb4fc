"""What each verb asks of a person, as a form in business words."""

from __future__ import annotations

from datetime import UTC
from typing import Any, ClassVar

from django import forms
from django.urls import reverse
from django.utils import timezone

from agents.models import User
from audit.forms import OfferedField
from workflows.documents.models import Document
from workflows.pages.schema_form import SchemaForm
from workflows.runs import services
from workflows.runs.choices import VersionState
from workflows.runs.models import Run, Step, WorkflowVersion

URGENCY = (
    "1, before everything else",
    "2, soon",
    "3, as usual",
    "4, when there is time",
    "5, can wait",
)
UNFORMED = {
    "title": "Its answer",
    "description": "This step has no form. Leave {} for an answer that says nothing.",
}


class VerbForm(forms.Form):
    """What a verb asks beside the reason; of most of them nothing."""

    use_required_attribute = False

    def __init__(self, data: Any = None, *, user: User, run: Run, step: Step | None) -> None:
        super().__init__(data)
        self.user, self.run, self.step = user, run, step
        self.prepare()

    def prepare(self) -> None:
        """Fill in what is chosen among."""

    @property
    def at_first(self) -> services.Verb | None:
        """Return the verb before anything is filled in; None: nothing can be said yet."""
        return None

    def verb(self) -> services.Verb:
        """Return what is asked for, once the form is valid."""
        raise NotImplementedError

    @property
    def named(self) -> Step:
        """Return the step it is about."""
        if self.step is None:
            raise RuntimeError("this verb is about a step")
        return self.step


class _Plain(VerbForm):
    """A verb that asks nothing but why."""

    made: ClassVar[type[services.Verb]]

    @property
    def at_first(self) -> services.Verb:
        """Return it."""
        return self.made()

    def verb(self) -> services.Verb:
        """Return it."""
        return self.made()


def plain(made: type[services.Verb]) -> type[VerbForm]:
    """Return the form of a verb that asks nothing but why."""
    return type(f"{made.__name__}Form", (_Plain,), {"made": made})


class PauseForm(VerbForm):
    """Whether the clocks stand still."""

    clocks = forms.ChoiceField(
        label="Deadlines meanwhile",
        choices=[("stand", "Stand still, and move on by as long as the pause lasts"), ("run", "Go on")],
        initial="stand",
        widget=forms.RadioSelect,
    )

    @property
    def at_first(self) -> services.Verb:
        """Return the usual pause."""
        return services.Pause()

    def verb(self) -> services.Verb:
        """Return the pause."""
        return services.Pause(stop_clocks=self.cleaned_data["clocks"] == "stand")


class PriorityForm(VerbForm):
    """How urgent."""

    priority = forms.TypedChoiceField(
        label="How urgent is it?",
        choices=[(number, words) for number, words in enumerate(URGENCY, start=1)],
        coerce=int,
        widget=forms.RadioSelect,
    )

    def prepare(self) -> None:
        """Begin with what it is now."""
        self.initial["priority"] = self.run.priority

    def verb(self) -> services.Verb:
        """Return the change."""
        return services.ChangePriority(self.cleaned_data["priority"])


class DeadlineForm(VerbForm):
    """By when."""

    due_at = forms.DateTimeField(
        label="To be done by",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )

    def prepare(self) -> None:
        """Begin with the present deadline."""
        zone = timezone.get_current_timezone_name()
        self.fields["due_at"].help_text = f"A time to come, by the clock of the company ({zone})."
        self.initial["due_at"] = services.deadline_of(self.named)

    def verb(self) -> services.Verb:
        """Return the change."""
        return services.ChangeDeadline(self.cleaned_data["due_at"].astimezone(UTC))


class RedirectForm(VerbForm):
    """To whom."""

    def prepare(self) -> None:
        """Offer only who may take it."""
        able = services.who_could_take(actor=self.user.as_actor(), run=self.run, step=self.named)
        self.fields["to"] = OfferedField(
            able,
            lambda: reverse("step-takers", args=[self.run.pk, self.named.pk]),
            label="Who is to do it",
            help_text=(
                "Agents of its role, people and groups that its workflow names, and who is in charge of it in "
                "its department. Auditors are not among them, nor who decided on what was asked for in it."
                if able.found("", 1)
                else "Nobody else may do it now: no agent of its role, and nobody whom its workflow means."
            ),
        )

    def verb(self) -> services.Verb:
        """Return the redirect."""
        return services.Redirect(services.taker(self.cleaned_data["to"]))


class OverrideForm(SchemaForm):
    """The answer of a step, by the form that whoever does it fills in."""

    at_first: services.Verb | None = None

    def __init__(self, data: Any = None, *, user: User, run: Run, step: Step | None) -> None:
        facts = run.version.content["nodes"][step.node] if step else {}
        schema = facts.get("answer") or facts.get("form") or {}
        self.is_unformed = not schema.get("properties")
        if self.is_unformed:
            schema = {"required": ["answer"], "properties": {"answer": UNFORMED}}
        documents = Document.objects.filter(pk__in=run.run_documents.values("document"))
        super().__init__(
            schema,
            data,
            prefix="answer",
            documents=[(str(document.pk), document.name) for document in documents],
        )
        present = (step.answer if step else None) or {}
        self.begin_with({"answer": present} if self.is_unformed else present)

    def clean(self) -> dict[str, Any]:
        """An answer without a form is still an object: conditions read members of it."""
        cleaned = super().clean()
        if self.is_unformed and not isinstance(self.answer.get("answer", {}), dict):
            self.add_error("answer", 'Write an object, e.g. {"accepted": true}.')
        return cleaned

    def verb(self) -> services.Verb:
        """Return the answer."""
        return services.Override(self.answer["answer"] if self.is_unformed else self.answer)


class MigrateForm(VerbForm):
    """To which version, and what becomes of the nodes that it does not have."""

    version = forms.TypedChoiceField(label="Which version is it to follow?", coerce=int)

    def prepare(self) -> None:
        """Offer the approved versions, the newest first, and ask about each node that has no namesake."""
        approved = self.run.workflow.versions.filter(state=VersionState.APPROVED).exclude(
            pk=self.run.version_id
        )
        self.versions: dict[str, WorkflowVersion] = {
            str(version.number): version for version in approved.order_by("-number")
        }
        field: Any = self.fields["version"]
        field.choices = [(number, f"Version {number}") for number in self.versions]
        field.help_text = f"It follows version {self.run.version.number} now."
        chosen = str(self.data.get("version", "")) if self.is_bound else ""
        self.shown = self.versions.get(chosen) or next(iter(self.versions.values()), None)
        if self.shown is not None:
            self.initial["version"] = self.shown.number
            self._ask_about_nodes(self.shown)

    def _ask_about_nodes(self, version: WorkflowVersion) -> None:
        old, new = self.run.version.content["nodes"], version.content["nodes"]
        for key, node in old.items():
            alike = {name: it for name, it in new.items() if it["kind"] == node["kind"]}
            if key in alike:
                continue
            same = [(name, f"{it['name']} ({name})") for name, it in alike.items()]
            self.fields[f"node-{key}"] = forms.ChoiceField(
                label=f"What {node['name']} ({key}) is called there",
                required=False,
                choices=[("", "It has no place there"), *same],
                help_text="Needed where it is under way; what was done there is kept either way.",
            )

    @property
    def at_first(self) -> services.Verb | None:
        """Return the move to the newest version under the same names."""
        return services.Migrate(version=self.shown) if self.shown else None

    def verb(self) -> services.Verb:
        """Return the move."""
        named = {name.removeprefix("node-"): to for name, to in self.cleaned_data.items() if name != "version"}
        version = self.versions[str(self.cleaned_data["version"])]
        return services.Migrate(version=version, nodes={key: to for key, to in named.items() if to})
