"""A worker that takes nothing of what waits for it is noticed; one that is idle or busy is left alone."""

from __future__ import annotations

import redis

from autonomy.celery import app, waiting_messages
from autonomy.watchdog import Watchdog


class Clock:
    """Time that passes when it is told to."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_messages_that_nobody_takes_are_noticed_and_nothing_else_is() -> None:
    clock, waits = Clock(), [1]
    watchdog = Watchdog(lambda: waits[0], patience=90, clock=clock)
    clock.now += 80
    assert not watchdog.is_stuck()
    watchdog.taken()
    clock.now += 80
    assert not watchdog.is_stuck()
    clock.now += 20
    assert watchdog.is_stuck()
    waits[0] = 0
    assert not watchdog.is_stuck()


def test_a_broker_that_is_away_is_not_the_fault_of_the_worker() -> None:
    clock = Clock()

    def away() -> int:
        raise redis.ConnectionError("Error 111 connecting")

    watchdog = Watchdog(away, patience=90, clock=clock)
    clock.now += 1000
    assert not watchdog.is_stuck()


def test_what_waits_is_counted_where_workers_take_it() -> None:
    before = waiting_messages()
    app.send_task("nobody.knows.it", retry=False)
    assert waiting_messages() == before + 1
