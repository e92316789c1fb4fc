"""Which agent gets a piece of work, and why no other: by standing, contract, department, label and load."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agents.models import Department
from agents.services import lifecycle, stops
from tests.workflows.conftest import TESTS, new_agent, signed_in
from tests.workflows.test_runs import begun, claim, complete, letters, publish, step
from workflows.pages.steps import lines_of_steps
from workflows.runs import services
from workflows.runs.policies import Candidate, Sticky, choose
from workflows.runs.services.routing import Roster
from workflows.tasks import services as tasks
from workflows.tasks.models import Task

WHY = "set up for a test"
ROBO = Candidate("1", "robo", "Robo", load=2, labels=frozenset({"german"}))
BEA = Candidate("2", "bea", "Bea", load=1)


class TestTheChoice:
    """Pure: who of some candidates."""

    def test_the_one_with_the_least_to_do_and_then_by_code(self) -> None:
        choice = choose([ROBO, BEA])
        assert choice.agent == BEA
        assert choice.because == "Bea has the role and the least to do: 1 open (Robo has 2)."
        assert choose([Candidate("3", "zoe", "Zoe"), Candidate("4", "ada", "Ada")]).agent.code == "ada"  # type: ignore[union-attr]

    def test_who_lacks_a_label_is_paused_or_works_elsewhere_is_named_with_the_reason(self) -> None:
        paused = Candidate("3", "zoe", "Zoe", shut=("agent_paused", "Zoe is paused"))
        away = Candidate("4", "ada", "Ada", is_placed=False)
        choice = choose([ROBO, BEA, paused, away], needs=["german"])
        assert choice.agent == ROBO
        assert {one["agent"]: one["code"] for one in choice.others} == {
            "bea": "label_missing",
            "zoe": "agent_paused",
            "ada": "elsewhere",
        }
        assert "Bea lacks the label german" in choice.because

    def test_it_sticks_to_who_did_the_other_step_however_busy(self) -> None:
        choice = choose([ROBO, BEA], sticky=Sticky("Read it", "robo"))
        assert (choice.agent, choice.kept) == (ROBO, True)
        assert choice.because == "Robo did Read it in this run and may work."
        assert choice.others[0]["code"] == "not_the_same"

    def test_it_sticks_no_longer_to_who_may_not_work_and_says_so(self) -> None:
        shut = Candidate("1", "robo", "Robo", shut=("agent_paused", "Robo is paused"))
        choice = choose([shut, BEA], sticky=Sticky("Read it", "robo"))
        assert (choice.agent, choice.kept) == (BEA, False)
        assert choice.because.startswith("It should have gone to robo, which did Read it: Robo is paused. Bea")

    def test_nobody_is_told_with_every_reason(self) -> None:
        assert choose([]).because == "Nobody can take this: no agent has the role."
        choice = choose([BEA], needs=["sap", "german"])
        assert choice.agent is None
        assert choice.because == "Nobody can take this: Bea lacks the label german, sap."

    def test_what_policy_denies_to_all_is_asked_by_the_least_busy_so_that_the_gate_refuses(self) -> None:
        denied = Candidate("1", "robo", "Robo", load=3, refused=("no_grant", "Robo has no grant"))
        also = Candidate("2", "bea", "Bea", refused=("no_grant", "Bea has no grant"))
        choice = choose([denied, also])
        assert choice.agent == also
        assert "Policy would deny it to everybody" in choice.because
        assert choose([denied, BEA]).agent == BEA


@pytest.fixture
def bea(clerk: Any, alice: Any) -> Any:
    """A second bookkeeper, with nothing granted."""
    return new_agent(alice, "bea")


@pytest.mark.django_db
@pytest.mark.usefixtures("hints")
class TestOperations:
    """The agent of a role that asks for an operation."""

    def test_who_has_no_grant_is_passed_over_and_the_step_says_why(
        self, clerk: Any, bea: Any, alice: Any, bob: Any
    ) -> None:
        publish(alice, bob)
        run = begun(alice)
        complete(clerk, claim(clerk), kind="order")
        entered = step(run, "enter")
        assert entered.agent == clerk
        assert [one["code"] for one in entered.routing["others"]] == ["no_grant"]
        assert "Bea has no grant" in entered.chosen_because
        shown = signed_in(alice).get(f"/api/v1/runs/{run.pk}").json()["steps"]
        assert next(one for one in shown if one["node"] == "enter")["routing"]["others"][0]["agent"] == "bea"

    def test_the_department_counts_with_those_below_it(self, clerk: Any, bea: Any) -> None:
        legal = Department.objects.create(code="legal", name="Legal")
        bea.department = Department.objects.create(code="contracts", name="Contracts", parent=legal)
        bea.save(update_fields=["department"])
        agent, choice = Roster().look_at(role="bookkeeper", department="legal", workflow_id="")
        assert agent == bea
        assert choice.others[0]["why"] == "Robo works in another department"

    def test_whom_a_stop_hits_is_passed_over(self, clerk: Any, bea: Any, alice: Any) -> None:
        stops.raise_stop(actor=TESTS, scope_kind="agent", scope_id=str(bea.pk), reason="it goes wrong")
        agent, choice = Roster().look_at(role="bookkeeper", department="", workflow_id="")
        assert (agent, choice.others[0]["code"]) == (clerk, "stopped")

    def test_it_is_read_with_a_few_queries_however_many_agents_there_are(
        self, clerk: Any, bea: Any, alice: Any
    ) -> None:
        def reading() -> int:
            with CaptureQueriesContext(
                connection,
            ) as seen:
                Roster().look_at(role="bookkeeper", department="finance", workflow_id="")
            return len(seen)

        reading()  # the snapshot of authority is kept by the process
        few = reading()
        for code in ("c1", "c2", "c3"):
            new_agent(alice, code)
        reading()
        assert reading() == few
        assert few <= 8


@pytest.mark.django_db
@pytest.mark.usefixtures("hints")
class TestTasks:
    """Agents come for their work: what is offered to whom."""

    def test_only_an_agent_with_every_label_is_offered_it(
        self, clerk: Any, bea: Any, alice: Any, bob: Any
    ) -> None:
        lifecycle.label_agent(actor=alice.as_actor(), agent=bea, labels=["scans", "german"], reason=WHY)
        bea.refresh_from_db()
        publish(alice, bob, letters(read={"needs": ["german"]}))
        run = begun(alice)
        assert tasks.claim_next(actor=clerk.user.as_actor()) == []
        with pytest.raises(Exception, match="not a candidate"):
            tasks.claim_task(actor=clerk.user.as_actor(), task_id=step(run, "read").task_id)
        complete(bea, claim(bea), kind="chat", pages=1)
        assert step(run, "read").chosen_because == "Bea has the role and german and took it first."
        assert bea.history.first().history_change_reason == WHY

    def test_a_label_nobody_has_is_not_published(self, clerk: Any, alice: Any, bob: Any) -> None:
        with pytest.raises(Exception) as refused:
            publish(alice, bob, letters(read={"needs": ["klingon"]}))
        assert "There is no agent with the label klingon" in str(refused.value.detail)

    def test_who_did_a_step_is_kept_the_next_while_it_may_work(
        self, clerk: Any, bea: Any, alice: Any, bob: Any
    ) -> None:
        run = twice(alice, bob, clerk)
        assert tasks.claim_next(actor=bea.user.as_actor()) == []
        assert step(run, "again").chosen_because == "Kept for Robo did Read it in this run and may work."
        lifecycle.pause_agent(actor=alice.as_actor(), agent=clerk, reason="it goes wrong")
        services.sweep_runs()
        complete(bea, claim(bea), kind="chat", pages=1)
        done = step(run, "again")
        assert done.agent == bea
        assert done.chosen_because.startswith("It should have gone to robo: Robo is paused.")

    def test_it_is_taken_by_the_one_it_is_kept_for(self, clerk: Any, bea: Any, alice: Any, bob: Any) -> None:
        run = twice(alice, bob, clerk)
        complete(clerk, claim(clerk), kind="chat", pages=1)
        assert step(run, "again").agent == clerk

    def test_who_may_not_work_when_it_begins_is_not_waited_for(
        self, clerk: Any, bea: Any, alice: Any, bob: Any
    ) -> None:
        publish(alice, bob, again())
        run = begun(alice)
        task = claim(clerk)
        tasks.complete_task(
            actor=clerk.user.as_actor(), task_id=task.pk, epoch=task.epoch, answer={"kind": "chat", "pages": 1}
        )
        lifecycle.pause_agent(actor=alice.as_actor(), agent=clerk, reason="it goes wrong")
        services.tick()
        assert step(run, "again").task.preferred_agent is None
        complete(bea, claim(bea), kind="chat", pages=1)
        assert "Robo is paused. Bea has the role" in step(run, "again").chosen_because

    def test_overdue_it_is_offered_to_all(self, clerk: Any, bea: Any, alice: Any, bob: Any) -> None:
        run = twice(alice, bob, clerk)
        tasks.hurry_task(task_id=step(run, "again").task_id)
        assert claim(bea).step.run == run

    def test_what_nobody_can_take_is_shown_and_told_to_operators_once(
        self, clerk: Any, alice: Any, bob: Any, dave: Any
    ) -> None:
        publish(alice, bob)
        run, other = begun(alice), begun(alice, key="letter-2")
        lifecycle.pause_agent(actor=alice.as_actor(), agent=clerk, reason="it goes wrong")
        services.sweep_runs()
        assert not Task.objects.filter(kind="incident").exists()
        (line,) = lines_of_steps(run, alice, {})
        assert line.notes == ["Nobody can take this: Robo is paused."]
        Task.objects.filter(kind="agent_work").update(available_at="2026-01-01T00:00:00Z")
        services.sweep_runs()
        services.sweep_runs()
        incident = Task.objects.get(kind="incident")
        assert incident.title == "Nobody can take the work of Bookkeeper"
        assert "2 tasks wait. Nobody can take this: Robo is paused." in incident.body
        lifecycle.lift_brake(actor=alice.as_actor(), agent=clerk, reason="all is well again")
        services.sweep_runs()
        incident.refresh_from_db()
        assert incident.state == "done"
        assert other.steps.count() == 1


def again() -> dict[str, Any]:
    content = letters()
    content["nodes"]["read"]["next"] = "again"
    content["nodes"]["again"] = {
        **content["nodes"]["read"],
        "name": "Read it again",
        "same_agent_as": "read",
        "next": "done",
    }
    content["nodes"] = {key: content["nodes"][key] for key in ("read", "again", "done")}
    for node in ("read", "again"):
        content["nodes"][node].pop("failed")
    return content


def twice(alice: Any, bob: Any, clerk: Any) -> Any:
    """Return a run in which Robo has read a letter that is to be read again by the same agent."""
    publish(alice, bob, again())
    run = begun(alice)
    complete(clerk, claim(clerk), kind="chat", pages=1)
    return run
