"""Who sees which approval, action, task and run: what is asked of the database is what is said in plain words.

Small companies are made at random; for each person in them every row is judged by itself, by the rules as they
stand in the descriptions of the selectors.
"""

from __future__ import annotations

import random
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.utils import timezone

from agents.models import Agent, User
from audit.following import sight_of
from tests.company import new_agent, person
from tests.workflows.approved import in_force
from tests.workflows.conftest import ask, hold_above
from tests.workflows.test_delegations import hand_on
from tests.workflows.test_runs import letters
from workflows.actions.models import Action
from workflows.actions.selectors import visible_to as visible_actions
from workflows.approvals.models import Approval, Escalation, Stage, Vote
from workflows.approvals.selectors import asked_of, asking, pending_for, seats_for
from workflows.approvals.selectors import visible_to as visible_approvals
from workflows.pages.waits import waits_of
from workflows.runs.models import Run, Step
from workflows.runs.selectors import visible_to as visible_runs
from workflows.tasks.models import Task
from workflows.tasks.selectors import visible_to as visible_tasks
from workflows.tasks.selectors import waiting_for, work_visible_to, work_waiting_for

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("hints")]
NAMES = ("ann", "ben", "cid", "dot", "eve", "fay")
RIGHTS = {"ann": "view_agent", "ben": "view_action", "cid": "view_task"}
SEES_ACTIONS = ("ann", "ben")


class Company:
    """People, agents and what was asked of whom, drawn from a seed."""

    def __init__(self, seed: int, clerk: Agent, alice: User, bob: User) -> None:
        self.draw = random.Random(seed)
        self.groups = [Group.objects.create(name=f"circle {number}") for number in range(4)]
        self.people = [self._person(name) for name in NAMES]
        self.agents = [clerk, new_agent(self.draw.choice(self.people), "second")]
        self.agents[1].deputy = self.draw.choice(self.people[2:])
        self.agents[1].save()
        self.workflow = in_force(alice, bob, letters())
        for giver, delegate in zip(self._some(self.people, 1), self._some(self.people, 1), strict=False):
            if giver != delegate:
                hand_on(giver, delegate)
        self.actions = [self._action(number) for number in range(10)]
        for number in range(18):
            self._approval(number)
        self.works = [self._work(number) for number in range(12)]
        self.runs = [self._run(number) for number in range(10)]

    def _person(self, name: str) -> User:
        found = person(name, "everybody", *(group.name for group in self._some(self.groups, 0)))
        if name in RIGHTS:
            found.user_permissions.add(Permission.objects.get(codename=RIGHTS[name]))
        return User.objects.get(pk=found.pk)

    def _some(self, things: Any, least: int, most: int = 2) -> list[Any]:
        return self.draw.sample(list(things), self.draw.randint(least, most))

    def _maybe(self, things: Any) -> Any:
        return self.draw.choice([None, None, *things])

    def _action(self, number: int) -> Action:
        return Action.objects.create(
            agent=self.draw.choice(self.agents),
            on_behalf_of=self._maybe(self.people),
            operation_code="fake.invoice.post",
            arguments={},
            arguments_digest="0" * 64,
            label=f"action {number}",
        )

    def _approval(self, number: int) -> None:
        action = self._maybe(self.actions * 2)
        if action and Approval.objects.filter(subject_id=str(action.pk), state="pending").exists():
            Approval.objects.filter(subject_id=str(action.pk), state="pending").update(
                state="superseded", decided_at=timezone.now()
            )
        made = Approval.objects.create(
            subject_kind="actions.action" if action else "agents.changerequest",
            subject_id=str(action.pk) if action else f"change {number}",
            subject_label=f"approval {number}",
            digest="0" * 64,
            requester_kind="person",
            requester_id=str(self.draw.choice(self.people).pk),
            requester_label="somebody",
            excluded_ids=[str(one.pk) for one in self._some(self.people, 0, 1)],
            sentence="people must decide",
            expires_at=timezone.now() + timedelta(days=1),
            task=Task.objects.create(kind=Task.Kind.APPROVAL, title=f"approval {number}"),
        )
        made.approver_groups.set(self._some(self.groups, 0))
        for stage in range(1, self.draw.randint(1, 3)):
            Stage.objects.create(approval=made, number=stage).groups.set(self._some(self.groups, 0))
        self._escalate(made)
        self._vote(made)
        if action:
            action.approval = made
            action.save(update_fields=["approval"])

    def _escalate(self, approval: Approval) -> None:
        for group in approval.approver_groups.all():
            for asks in self._some(["group", "sponsor", "manager"], 0):
                whom = {"group": self.draw.choice(self.groups)} if asks == "group" else {}
                if asks != "group":
                    whom = {"person": self.draw.choice(self.people)}
                row = Escalation.objects.create(
                    approval=approval, stands_for=group, asks=asks, at=timezone.now() - timedelta(1), **whom
                )
                if self.draw.random() < 0.7:
                    Escalation.objects.filter(pk=row.pk).update(done_at=timezone.now())

    def _vote(self, approval: Approval) -> None:
        voter = self._maybe(self.people)
        barred = {approval.requester_id, *approval.excluded_ids}
        if voter and str(voter.pk) not in barred:
            Vote.objects.create(
                approval=approval,
                user=voter,
                verdict="approve",
                reason="looks right",
                digest=approval.digest,
                stage=1,
            )

    def _work(self, number: int) -> Task:
        kind = self.draw.choice(["agent_work", "human_work", "exception", "question", "incident"])
        role = {"role": self.agents[0].role} if kind == "agent_work" else {}
        holder = self._maybe(self.people)
        held = {"claimed_by": holder, "state": "claimed", "claimed_at": timezone.now()} if holder else {}
        made = Task.objects.create(kind=kind, title=f"work {number}", **role, **held)
        if kind != "agent_work":
            made.candidate_groups.set(self._some(self.groups, 0))
            made.candidate_users.set(self._some(self.people, 0, 1))
        return made

    def _run(self, number: int) -> Run:
        starter = self.draw.choice(self.people)
        made = Run.objects.create(
            workflow=self.workflow,
            version=self.workflow.current,
            key=f"run {number}",
            label=f"run {number}",
            input_digest="0" * 64,
            started_by_kind="person",
            started_by_id=str(starter.pk) if self.draw.random() < 0.3 else "nobody",
            started_by="somebody",
        )
        if number < len(self.actions):
            use = self.draw.choice(["action", "undo_action", "task", "task"])
            linked = self.works[number] if use == "task" else self.actions[number]
            Step.objects.create(run=made, node=f"node{number}", kind="agent", name="node", **{use: linked})
        return made


def plain(user: User) -> SimpleNamespace:
    """Judge every row for a person in plain words, without the selectors that are held to it."""
    groups = set(user.groups.values_list("pk", flat=True))
    seats = [seat.counts_for for seat in seats_for(user)]
    asked = {one.pk for one in Approval.objects.all() if any(_is_asked(seat, one) for seat in seats)}
    actions = {one.pk for one in Action.objects.all() if _sees_action(user, groups, one, asked, len(seats) > 1)}
    approvals = {
        one.pk
        for one in Approval.objects.all()
        if one.pk in asked
        or one.requester_id == str(user.pk)
        or one.votes.filter(user=user).exists()
        or (one.subject_kind == "actions.action" and one.subject_id in map(str, actions))
    }
    mine = {one.pk for one in Task.objects.all() if one.claimed_by_id == user.pk or _may_do(user, groups, one)}
    tasks = {one.pk for one in Task.objects.all()} if RIGHTS.get(user.username) == "view_task" else mine
    runs = {one.pk for one in Run.objects.all() if _sees_run(user, one, tasks, asked)}
    return SimpleNamespace(asked=asked, actions=actions, approvals=approvals, mine=mine, tasks=tasks, runs=runs)


def _groups_of(user_id: str) -> set[int]:
    return set(User.objects.get(pk=user_id).groups.values_list("pk", flat=True))


def _is_asked(user_id: str, approval: Approval) -> bool:
    mine, needed = _groups_of(user_id), set(approval.approver_groups.values_list("pk", flat=True))
    if needed and all(key in mine or _stands_in(user_id, mine, approval, key) for key in needed):
        return True
    of_stages = [set(stage.groups.values_list("pk", flat=True)) for stage in approval.stages.all()]
    return any(some and some <= mine for some in of_stages)


def _stands_in(user_id: str, mine: set[int], approval: Approval, group: int) -> bool:
    levels: dict[int, list[Escalation]] = {}
    for one in approval.escalations.filter(stage=approval.stage, stands_for=group):
        levels.setdefault(one.level, []).append(one)
    return any(all(_is_met(user_id, mine, one) for one in some) for some in levels.values())


def _is_met(user_id: str, mine: set[int], one: Escalation) -> bool:
    if one.done_at is None or one.passed_over:
        return False
    return one.group_id in mine if one.group_id else str(one.person_id) == user_id


def _sees_action(user: User, groups: set[int], one: Action, asked: set[Any], is_deputy: bool) -> bool:
    named_in = (one.agent.sponsor_id, one.agent.deputy_id, one.on_behalf_of_id)
    if user.username in SEES_ACTIONS or user.pk in named_in:
        return True
    if one.approval is None:
        return False
    named = set(one.approval.approver_groups.values_list("pk", flat=True))
    named |= set(one.approval.stages.values_list("groups", flat=True))
    late = one.approval.escalations.filter(done_at__isnull=False)
    meant = any(row.group_id in groups or row.person_id == user.pk for row in late)
    return bool(named & groups) or meant or (is_deputy and one.approval_id in asked)


def _may_do(user: User, groups: set[int], one: Task) -> bool:
    named = set(one.candidate_groups.values_list("pk", flat=True)) & groups
    return one.kind != "agent_work" and (bool(named) or one.candidate_users.filter(pk=user.pk).exists())


def _sees_run(user: User, one: Run, tasks: set[Any], asked: set[Any]) -> bool:
    if one.started_by_id == str(user.pk):
        return True
    for step in one.steps.all():
        done = [step.action, step.undo_action, *(step.task.actions.all() if step.task else ())]
        if step.task_id in tasks or any(action and action.approval_id in asked for action in done):
            return True
    return False


def _keys(rows: Any) -> set[Any]:
    found = list(rows.values_list("pk", flat=True))
    assert len(found) == len(set(found)), "a row is shown twice"
    return set(found)


@pytest.mark.parametrize("most", [2_000, 3, 0], ids=["listed", "partly", "row-by-row"])
@pytest.mark.parametrize("seed", range(6))
def test_what_is_seen_is_what_is_said(
    seed: int, most: int, clerk: Agent, alice: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    company = Company(seed, clerk, alice, bob)
    monkeypatch.setattr(asking, "MOST_LISTED", most)
    for user in company.people:
        right, work = plain(user), {one.pk for one in Task.objects.exclude(kind="approval")}
        assert _keys(asked_of(user)) == right.asked
        assert _keys(visible_actions(user)) == right.actions
        assert _keys(visible_approvals(user)) == right.approvals
        assert _keys(visible_tasks(user)) == right.tasks
        assert _keys(work_visible_to(user)) == right.tasks & work
        assert _keys(visible_runs(user)) == right.runs
        waiting = _keys(Task.objects.filter(state__in=Task.WAITING))
        assert _keys(waiting_for(user)) == right.mine & waiting
        assert _keys(work_waiting_for(user)) == right.mine & work & waiting
        assert _keys(pending_for(user)) == _keys(pending_for(user, kept=True)) <= right.asked
        assert _keys(asked_of(user, kept=True)) == right.asked
        assert _keys(visible_actions(user, kept=True)) == right.actions
        assert _keys(visible_runs(user, kept=True)) == right.runs


def test_what_is_made_ready_for_a_stream_finds_what_comes_later(clerk: Agent, bob: User) -> None:
    hold_above(10_000)
    sponsor = person("erin", "everybody")
    Agent.objects.filter(pk=clerk.pk).update(sponsor=sponsor)
    ask(clerk, minor=20_000, number="RE-1")
    waits, sight, seen = waits_of(bob), sight_of(sponsor), visible_actions(sponsor, kept=True)
    assert (waits.asked()[0], seen.count()) == (1, 1)
    ask(clerk, minor=20_000, number="RE-2")
    assert (waits.asked()[0], seen.count()) == (2, 2)
    assert sight == sight_of(sponsor), "what came is no other right"


def test_the_companies_show_something_and_hide_something(clerk: Agent, alice: User, bob: User) -> None:
    company = Company(1, clerk, alice, bob)
    seen = [plain(user) for user in company.people]
    for name, every in (("approvals", Approval), ("actions", Action), ("runs", Run), ("tasks", Task)):
        shares = [len(getattr(one, name)) / every.objects.count() for one in seen]
        assert max(shares) > 0.1, name
        assert min(shares) < 1, name
