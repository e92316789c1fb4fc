"""Each job that changes something is done once with something to do, and fails here if that leaves no event."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import get_commands
from django.db.models.functions import Now

from tests.watching import EXEMPT, everything_watched, jobs, silently_changed
from tests.workflows.conftest import ask
from tests.workflows.test_runs import publish, start
from workflows.actions import dispatch as actions
from workflows.actions import jobs as action_jobs
from workflows.actions.models import Action, Lease
from workflows.actions.services import reconciling, run_action
from workflows.backtests import dispatch as backtests
from workflows.runs import dispatch as runs
from workflows.runs import jobs as run_jobs
from workflows.triggers import dispatch as triggers

# What a job is for is arranged and called there, under the same watch (tests/watching.py wraps its service).
THERE: dict[str, tuple[str, str]] = {
    actions.GIVE_TURNS: ("test_turns.py", "give_turns"),
    runs.SWEEP: ("test_runs.py", "sweep_runs"),
    triggers.SCAN: ("triggers/test_folders.py", "take_in_all"),
    triggers.FIRE: ("triggers/test_schedules.py", "fire_due"),
    triggers.REACT: ("triggers/test_events.py", "react"),
    triggers.FORGET: ("triggers/test_events.py", "forget_old"),
    backtests.COME_ON: ("backtests/test_backtests.py", "come_on"),
    "workflows.backtests.jobs.sweep": ("backtests/test_backtests.py", "sweep"),
    "workflows.approvals.jobs.look": ("test_load.py", "look_for_quick_decisions"),
    "workflows.appeals.jobs.sweep": ("appeals/test_appeals.py", "sweep_appeals"),
    "workflows.notices.jobs.tell": ("notices/test_mail.py", "tell"),
    "workflows.staffing.jobs.sweep": ("test_staffing.py", "sweep_employment"),
    "audit.jobs.erase_expired": ("../agents/test_retention.py", "erase_expired_and_tell"),
}
# Commands, and what they change; what is watched in a test where it is called has its place.
COMMANDS = {
    "stop": "agents/test_stop_commands.py",
    "lift": "agents/test_stop_commands.py",
    "rotate_secrets": "connectors/test_secrets.py",
    "createsuperuser": "agents/test_sign_in_recorded.py",
    "changepassword": "agents/test_sign_in_recorded.py",
    "stops": "reads only",
    "check_invariants": "reads only",
    "write_workflow_schema": "writes a file of the documentation, nothing of the company",
    "ledger_key": "audit/test_ledger_keys.py",
    "erase_expired": "agents/test_retention.py",
    "export_ledger": "audit/test_exporting.py",
    "evidence_pack": "test_evidence_pack.py",
    "list_events": "audit/test_downloads.py",
    "ledger_status": "reads only",
    "verify_ledger": "reads only",
    "run_exporter": "sends out what is recorded, and notes how far it got",
    "run_sequencer": "numbers and seals what is recorded, and changes nothing else",
    "install_portal": "calls the services of systems and operations, which record",
    "seed_demo": "calls the services of every room, which record",
    "seed_volume": "makes up what never happened, for measuring, in a demo company only",
}


def _lost(clerk: Any, fake: Any) -> str:
    """Return an action whose call had no answer, and had its effect."""
    fake.fail_next("effect_then_reset")
    return str(run_action(action_id=ask(clerk).pk).pk)


def _reconcile(clerk: Any, fake: Any) -> None:
    lost = _lost(clerk, fake)
    Lease.objects.filter(pk=lost).update(until=Now())
    action_jobs.reconcile(lost)


def _sweep(clerk: Any, fake: Any) -> None:
    Action.objects.filter(pk=ask(clerk).pk).update(expires_at=Now())
    action_jobs.sweep()


def test_every_job_and_command_is_done_here_or_there() -> None:
    done = {actions.RUN_ACTION, actions.RUN_TOGETHER, actions.LOOK_UP, actions.RECONCILE, actions.SWEEP}
    elsewhere = {actions.RUN_EACH, runs.TICK, runs.RELEASE}  # below
    assert {job.name for job in jobs()} == done | elsewhere | set(THERE)
    for name, (place, service) in THERE.items():
        assert service in (Path(__file__).parent / place).read_text(), (name, place)
    ours = ("audit", "agents", "connectors", "workflows", "autonomy")
    mine = {name for name, room in get_commands().items() if room.split(".")[0] in ours}
    assert mine == set(COMMANDS)
    for name, place in COMMANDS.items():
        if place.endswith(".py"):
            assert name in (Path(__file__).parents[1] / place).read_text(), (name, place)


@pytest.mark.django_db
@pytest.mark.usefixtures("hints")
@pytest.mark.parametrize(
    ("name", "drive"),
    [
        (actions.RUN_ACTION, lambda clerk, _: action_jobs.run_action(str(ask(clerk).pk))),
        (actions.RUN_TOGETHER, lambda clerk, _: action_jobs.run_together([str(ask(clerk).pk)])),
        (actions.LOOK_UP, lambda clerk, fake: action_jobs.look_up(_lost(clerk, fake))),
        (actions.RECONCILE, _reconcile),
        (actions.SWEEP, _sweep),
    ],
)
def test_a_job_with_something_to_do_records_it(
    clerk: Any, fake: Any, monkeypatch: Any, name: str, drive: Callable[[Any, Any], None]
) -> None:
    monkeypatch.setattr(reconciling, "LATE_ANSWER_SECONDS", -3600)
    found: list[Any] = []
    with everything_watched(lambda told, watch: found.append((told, watch))):
        drive(clerk, fake)
    (watch,) = [watch for told, watch in found if told == f"job {name}"]
    assert watch.changed(EXEMPT)
    assert silently_changed(f"job {name}", watch) == set()


@pytest.mark.django_db
@pytest.mark.usefixtures("hints")
def test_a_look_of_the_engine_records_what_it_begins(clerk: Any, alice: Any, bob: Any) -> None:
    publish(alice, bob)
    start(alice)
    found: list[Any] = []
    with everything_watched(lambda told, watch: found.append(watch)):
        run_jobs.tick()
        run_jobs.release()
        action_jobs.run_each(["an-id"])
    assert any(watch.changed(EXEMPT) and watch.recorded() for watch in found)
    assert not any(silently_changed("job of the engine", watch) for watch in found)
