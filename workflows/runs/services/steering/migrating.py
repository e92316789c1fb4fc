"""Letting a run follow another approved version: what stands keeps its work, under the names of the new one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from connectors.policies.schemas import argument_errors
from workflows.runs import engine
from workflows.runs.choices import VersionState
from workflows.runs.engine.events import Event, Migrated
from workflows.runs.engine.migrating import collisions
from workflows.runs.models import Run, Step, WorkflowVersion
from workflows.runs.services.definitions import definition_of
from workflows.runs.services.picture import standing_of
from workflows.runs.services.steering.effects import MOST_TOLD, Change
from workflows.runs.services.steering.planned import Planned
from workflows.runs.services.steering.verb import Standing, refuse


@dataclass(frozen=True)
class Migrate(Planned):
    """Let a run follow another approved version of its workflow. ``nodes``: what an old node is called there.

    Nothing is done again and nothing is lost: open tasks, timers and actions go on, and what comes of them is
    followed by the new version. A node that is not named stays its namesake.
    """

    name = "migrate"
    fact = "runs.run_migrated"
    shapes = True
    why = "The run follows another version"
    version: WorkflowVersion = field(kw_only=True)
    nodes: Mapping[str, str] = field(default_factory=dict)

    def event(self, at: Standing) -> Event:
        """Return what the machine is told."""
        return Migrated(definition_of(self.version), dict(self.nodes))

    def leaves(self, at: Standing) -> Any:
        """Return no step: nobody thinks that this undoes anything."""
        return Step.objects.none()

    def changes(self, at: Standing) -> Sequence[Change]:
        """Return which version it follows then, what each node becomes, and what the open steps do."""
        self._require_sound(at)
        super().changes(at)  # refuses what the machine refuses
        return [*_followed(at.run, self.version), *_becomes(at.run, self.version, self.nodes),
                *_stands(at.run, self.version, self.nodes)]  # fmt: skip

    def carry_out(self, at: Standing) -> None:
        """Rename what is renamed and point the run to the version."""
        super().carry_out(at)
        Run.objects.filter(pk=at.run.pk).update(version=self.version)
        # What was done keeps its name, unless its node is another now; what stands has the new one.
        names = {key: node.name for key, node in definition_of(self.version).nodes.items()}
        for new in set(self.nodes.values()):
            Step.objects.filter(run=at.run, node=new).update(name=names[new])
        for key in standing_of(at.run).order_by().values_list("node", flat=True).distinct():
            Step.objects.filter(pk__in=standing_of(at.run).filter(node=key).order_by().values("pk")).update(
                name=names[key]
            )

    def sentence(self, at: Standing) -> str:
        """Return what the ledger says."""
        return f"{at.actor.label} moved {at.run.label} to version {self.version.number}"

    def before(self, at: Standing) -> Mapping[str, Any]:
        """Return the version it followed."""
        return {"version": at.run.version.number, "sha256": at.run.version.sha256}

    def after(self, at: Standing) -> Mapping[str, Any]:
        """Return the version it follows, and what its nodes are called there."""
        return {"version": self.version.number, "sha256": self.version.sha256, "nodes": dict(self.nodes)}

    def _require_sound(self, at: Standing) -> None:
        version, run = self.version, at.run
        if version.workflow_id != run.workflow_id or version.state != VersionState.APPROVED:
            raise refuse(
                self.name,
                at,
                f"{version} is no approved version of {run.workflow}.",
                "Name an approved version.",
            )
        if version.pk == run.version_id:
            raise refuse(
                self.name, at, f"it follows version {version.number} already.", "Name another version."
            )
        if wrong := argument_errors(definition_of(version).input, run.input):
            what = f"{wrong[0]['pointer'] or 'its input'}: {wrong[0]['message']}"
            raise refuse(
                self.name, at, f"version {version.number} takes other input: {what}",
                "Let it end as it is, and start a new run.", errors=wrong,
            )  # fmt: skip
        present = set(Step.objects.filter(run=run).values_list("node", flat=True).distinct())
        if found := collisions(definition_of(run.version), self.nodes, present):
            raise refuse(self.name, at, " ".join(found), "Name another node for one of them.")


def _followed(run: Run, version: WorkflowVersion) -> Iterator[Change]:
    sentence = f"The run follows version {version.number} of {run.workflow} instead of {run.version.number}."
    yield Change("run", sentence)


def _becomes(run: Run, version: WorkflowVersion, nodes: Mapping[str, str]) -> Iterator[Change]:
    old, new = definition_of(run.version), definition_of(version)
    for key, node in old.nodes.items():
        to = new.nodes.get(nodes.get(key, key))
        if to is None:
            yield Change(
                "becomes", f"{node.name} has no place in the new version; what was done there is kept."
            )
        elif (to.id, to.name) != (key, node.name):
            yield Change("becomes", f"{node.name} ({key}) becomes {to.name} ({to.id}).")


def _stands(run: Run, version: WorkflowVersion, nodes: Mapping[str, str]) -> Iterator[Change]:
    new = definition_of(version)
    steps = standing_of(run).select_related("task", "action")
    for step in steps[:MOST_TOLD]:
        to = new.nodes[nodes.get(step.node, step.node)]
        yield Change("goes_on", f"{step.name} {_how(step, to)}.", str(step.pk))


def _how(step: Step, to: engine.Node) -> str:
    if step.is_parked:
        return f"waits for an operator as before; done again, it is done as {to.name} of the new version"
    if step.task_id:
        return f"keeps its task, as it was asked; its answer is followed by {to.name} of the new version"
    if step.action_id:
        return f"keeps what it asked for; what comes of it is followed by {to.name} of the new version"
    return f"goes on as {to.name} of the new version"
