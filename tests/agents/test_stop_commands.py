"""Stopping from a console: the database is enough, and what is wrong is said in one sentence."""

from __future__ import annotations

import subprocess
import uuid
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from agents.models import Agent, Stop
from agents.selectors import agent_facts
from agents.services import stops
from audit.models import Event
from audit.vocabulary import Refusal
from autonomy.launch.programs import manage
from tests import harness

WHY = ("--reason", "Something is wrong")
STOP = (*WHY, "--wait", "0")


def run(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


class TestInProcess:
    pytestmark = pytest.mark.django_db

    def test_an_agent_is_stopped_by_its_code_and_lifted_by_a_manager(self, alice: Any, working: Agent) -> None:
        said = run("stop", "agent", "robo", *STOP)
        stop = Stop.objects.get()
        assert "Stopped: Robo." in said
        assert "NOT confirmed yet" in said
        assert "no process of the portal has reported in" in said
        assert str(stop.pk) in said
        assert stop.raised_by.startswith("console (")
        with pytest.raises(Refusal, match="console"):
            stops.lock_and_check(stops.agent_scopes(agent_facts(working)))
        assert "Robo" in run("stops")
        assert "Lifted: Robo." in run("lift", str(stop.pk), "--as", "alice", "--reason", "All is well")
        stop.refresh_from_db()
        assert stop.lifted_by == "Alice"
        assert stop.lift_reason.startswith("All is well [console (")
        assert run("stops").strip() == "Nothing is stopped."
        assert "lifted" in run("stops", "--all")

    def test_a_drill_stops_like_any_other_and_says_that_it_is_one(self, working: Agent) -> None:
        run("stop", "agent", "robo", "--exercise", *STOP)
        assert Stop.objects.get().is_exercise
        with pytest.raises(Refusal, match="console"):
            stops.lock_and_check(stops.agent_scopes(agent_facts(working)))
        event = Event.objects.select_related("payload").get(verb="agents.stop_raised")
        assert event.sentence.endswith("stopped Robo as an exercise.")
        assert event.payload.data["is_exercise"] is True

    def test_a_person_may_be_named_and_is_asked_for_the_right(self, dave: Any, mallory: Any) -> None:
        run("stop", "everything", "--as", "dave", *STOP)
        assert Stop.objects.get().raised_by == "Dave"
        with pytest.raises(CommandError, match="your groups do not include this right"):
            run("stop", "everything", "--as", "mallory", *WHY)
        refused = Event.objects.get(verb="audit.change_refused")
        assert (refused.actor_label, refused.code) == ("Mallory", "permission_missing")

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["galaxy", "x", *WHY], "invalid choice"),
            (["agent", "nobody", *WHY], "there is no agent nobody"),
            (["agent", *WHY], "there is no agent"),
            (["everything", "x", *WHY], "there is no everything x"),
            (["everything"], "--reason"),
            (["everything", "--reason", "no"], "say why"),
            (["everything", "--as", "ghost", *WHY], "no person who may sign in"),
            (["everything", "--as", "agent.robo", *WHY], "no person who may sign in"),
        ],
    )
    def test_what_cannot_be_meant_stops_nothing(self, working: Agent, arguments: list[str], said: str) -> None:
        with pytest.raises(CommandError, match=said):
            run("stop", *arguments)
        assert not Stop.objects.exists()

    def test_the_way_back_has_stages(self, alice: Any, working: Agent) -> None:
        run("stop", "agent", "robo", *STOP)
        key = str(Stop.objects.get().pk)
        said = run("lift", key, "--as", "alice", "--stage", "look", "--reason", "It looks better")
        assert said.strip() == "Robo: agents may read."
        assert "(agents may read)" in run("stops")
        run("lift", key, "--as", "alice", "--reason", "All is well")
        assert not Stop.objects.get().is_active

    def test_lifting_takes_a_manager_and_an_id_that_exists(self, dave: Any) -> None:
        run("stop", "everything", *STOP)
        key = str(Stop.objects.get().pk)
        for arguments, said in (
            ((key, "--as", "dave"), "groups do not include"),
            ((str(uuid.uuid4()), "--as", "dave"), "there is no stop"),
            (("everything", "--as", "dave"), "invalid UUID"),
            ((key,), "--as"),
        ):
            with pytest.raises(CommandError, match=said):
                run("lift", *arguments, *WHY)
        assert Stop.objects.get().is_active

    def test_what_could_be_stopped_is_listed(self, working: Agent) -> None:
        assert f"agent robo  Robo  {working.pk}" in run("stops", "--choose", "agent")
        assert run("stops", "--choose", "workflow").strip() == "There is no workflow."


def test_it_needs_only_the_database(live_db: Any, working: Agent) -> None:
    """No Valkey, no portal, no worker: a process of its own, under the database role of the portal."""
    environ = live_db.environ(REDIS_URL="redis://127.0.0.1:1/0")
    done = subprocess.run(
        manage("stop", "agent", "robo", *STOP),
        env=environ,
        cwd=harness.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert Stop.objects.get().scope_id == str(working.pk)


def test_a_database_that_is_away_is_said_in_one_sentence(live_db: Any) -> None:
    environ = live_db.environ(DATABASE_URL="postgres://nobody@127.0.0.1:1/none")
    done = subprocess.run(
        manage("stop", "everything", *WHY),
        env=environ,
        cwd=harness.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "CommandError: Nothing is known to have changed" in done.stderr
    assert "Traceback" not in done.stderr
