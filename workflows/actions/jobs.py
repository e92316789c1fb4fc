"""Background jobs: thin doors to the services. Losing or doubling any of them changes nothing but time."""

from __future__ import annotations

from celery import shared_task

from workflows.actions import dispatch, services


@shared_task(name=dispatch.RUN_ACTION)
def run_action(action_id: str) -> None:
    """Execute an authorized action, if it still is."""
    services.do_action(action_id=action_id)


@shared_task(name=dispatch.RUN_EACH)
def run_each(action_ids: list[str]) -> None:
    """Ask for each of these authorized actions to be executed, by whichever worker is free."""
    for action_id in action_ids:
        dispatch.hint_run(action_id)


@shared_task(name=dispatch.RUN_TOGETHER)
def run_together(action_ids: list[str]) -> None:
    """Execute authorized actions that are quickly done, those that still are."""
    services.do_actions(action_ids=action_ids)


@shared_task(name=dispatch.LOOK_UP)
def look_up(action_id: str) -> None:
    """Look at once what became of a call without an answer."""
    services.look_up_early(action_id=action_id)


@shared_task(name=dispatch.RECONCILE)
def reconcile(action_id: str) -> None:
    """Find out what became of an action whose lease is over."""
    services.reconcile_action(action_id=action_id)


@shared_task(name=dispatch.GIVE_TURNS)
def give_turns(throttle_id: str) -> None:
    """Let go on who waits for a throttle, as many as there is room for."""
    services.give_turns(throttle_id=throttle_id)


@shared_task(name=dispatch.SWEEP, ignore_result=True)
def sweep() -> None:
    """Expire what is due and take up what was left lying."""
    services.sweep_due()
