"""Celery's doors to the engine. A message is a hint: losing or doubling it changes nothing but time."""

from __future__ import annotations

from celery import shared_task

from workflows.runs import dispatch, services


@shared_task(name=dispatch.TICK, ignore_result=True)
def tick() -> None:
    """Look at what is ready; what is more than one message should do is left to the next."""
    dispatch.open_gate()
    if services.tick() >= services.MOST_LOOKS:
        dispatch.hint_tick()


@shared_task(name=dispatch.SWEEP, ignore_result=True)
def sweep() -> None:
    """Fire timers, find what a crash left without a hint, and look at what is ready."""
    services.sweep_runs()


@shared_task(name=dispatch.RELEASE, ignore_result=True)
def release() -> None:
    """Let go on what was held for systems that can be called again, or by a stop that was lifted."""
    services.release_held()
    if services.release_stopped():
        dispatch.hint_tick()
