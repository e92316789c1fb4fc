"""Positions: dense, complete, in the order of commits, whoever is killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psycopg
import pytest
import redis
from django.conf import settings
from django.db import connection

from audit import broadcast, registry, selectors
from audit.models import PendingEvent, Position
from audit.services.sequencer import Announcer
from audit.services.sequencing import LOCK_PROCESS, LOCK_ROOM

ROOT = Path(__file__).resolve().parents[2]
INSERT = (
    "INSERT INTO audit_event (id, verb, actor_kind, actor_id, actor_label, subject_kind, subject_id,"
    " subject_label, agent_id, action_id, run_id, system_id, department_id, correlation_id, decision, code,"
    " sentence, reason) VALUES (gen_random_uuid(), 'tests.thing_done', 'system', %s, '', 'tests.thing', %s, '',"
    " '', '', '', '', '', '', '', '', 'A thing was done.', '')"
)


def test_positions_are_dense_and_follow_insertion(live_db, record, number):
    events = [record() for _ in range(5)]
    assert [number(limit=3), number(limit=3), number()] == [3, 2, 0]
    places = dict(Position.objects.values_list("event_id", "position"))
    assert [places[event.pk] for event in events] == [1, 2, 3, 4, 5]
    assert not PendingEvent.objects.exists()


def test_an_event_that_commits_late_comes_later_and_is_not_skipped(live_db, record, number):
    with live_db.connect() as slow:
        slow.execute(INSERT, ["slow", "1"])
        fast = record()
        assert number() == 1
        assert selectors.newest_position() == 1
        slow.commit()
    assert number() == 1
    assert Position.objects.get(event_id=fast.pk).position == 1
    assert Position.objects.get(position=2).event.actor_id == "slow"


def test_an_event_that_was_queued_twice_is_numbered_once(live_db, record, number):
    event = record()
    number()
    with live_db.connect("owner") as owner:
        owner.execute("INSERT INTO audit_pendingevent (event_id) VALUES (%s)", [event.pk])
    record()
    number()
    assert list(Position.objects.order_by("position").values_list("position", flat=True)) == [1, 2]


def test_the_first_position_is_told_at_once_and_the_last_is_never_lost():
    now, told = [0.0], []
    announcer = Announcer(lambda position: told.append((now[0], position)), every=0.1, clock=lambda: now[0])
    for step in range(25):
        now[0] = step * 0.01
        announcer.offer(step)
    assert announcer.due_in() is not None
    now[0] = 0.31
    announcer.flush()
    assert told == [(0.0, 0), (0.1, 10), (0.2, 20), (0.31, 24)]
    assert announcer.due_in() is None


def test_a_listener_that_fails_stops_nobody(monkeypatch):
    heard = []

    def broken(position):
        raise OSError("no")

    monkeypatch.setattr(registry, "_listeners", [])
    registry.on_sequenced(broken)
    registry.on_sequenced(heard.append)
    registry.on_sequenced(heard.append)
    registry.tell_sequenced(5)
    assert heard == [5]


def test_a_dead_valkey_costs_a_writer_next_to_nothing(settings, monkeypatch):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    broadcast._client.cache_clear()
    monkeypatch.setattr(broadcast._rings, "next_at", 0.0)
    begin = time.monotonic()
    for _ in range(200):
        broadcast.ring_doorbell()
    assert time.monotonic() - begin < 0.5
    broadcast._client.cache_clear()


@pytest.mark.parametrize(
    ("address", "number"),
    [
        ("redis://127.0.0.1:6379/3", 3),
        ("rediss://:secret@redis.example:6380/12", 12),
        ("redis://redis.example:6379?db=5", 5),
        ("unix:///run/valkey.sock?db=4", 4),
        ("unix:///run/valkey.sock", 0),
        ("redis://redis.example:6379", 0),
        ("redis://redis.example:6379/", 0),
    ],
)
def test_a_channel_carries_the_number_of_the_database(settings, address, number):
    settings.REDIS_URL = address
    assert broadcast.channel_named("positions") == f"aos:{number}:positions"


def test_installations_with_other_numbers_on_one_server_do_not_hear_each_other(settings, monkeypatch):
    """Publish and subscribe of the server does not know the numbers: what one says, all could hear."""
    number = int(settings.REDIS_URL.rpartition("/")[2])
    with redis.Redis.from_url(settings.REDIS_URL) as client, client.pubsub() as ours:
        ours.subscribe(
            broadcast.channel_named(broadcast.POSITIONS), broadcast.channel_named(broadcast.DOORBELL)
        )
        assert [ours.get_message(timeout=1)["type"] for _ in range(2)] == ["subscribe"] * 2
        settings.REDIS_URL = f"{settings.REDIS_URL.rpartition('/')[0]}/{(number + 1) % 16}"
        broadcast._client.cache_clear()
        _announce(7, monkeypatch)
        assert ours.get_message(timeout=0.1) is None
        settings.REDIS_URL = f"{settings.REDIS_URL.rpartition('/')[0]}/{number}"
        broadcast._client.cache_clear()
        _announce(8, monkeypatch)
        assert [ours.get_message(timeout=1)["data"] for _ in range(2)] == [b"8", b"1"]


def _announce(position, monkeypatch):
    monkeypatch.setattr(broadcast._rings, "next_at", 0.0)
    broadcast.publish_position(position)
    broadcast.ring_doorbell()


class Processes:
    """Real sequencers on the test's database."""

    def __init__(self, live_db):
        self.live_db = live_db
        self.running = []

    def start(self, **environ):
        process = subprocess.Popen(
            [sys.executable, "manage.py", "run_sequencer", "--batch", "50"],
            cwd=ROOT,
            env=self.live_db.environ(DATABASE_ROLE="sequencer", **environ),
            stderr=subprocess.PIPE,
        )
        self.running.append(process)
        return process

    def kill(self, process):
        process.kill()
        process.communicate()
        self.running.remove(process)

    def close(self):
        for process in list(self.running):
            self.kill(process)


@pytest.fixture
def sequencers(live_db):
    processes = Processes(live_db)
    yield processes
    processes.close()


def eventually(condition, seconds=20.0):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "It did not happen in time."
        time.sleep(0.02)


def is_complete(expected):
    time.sleep(0.2 if expected > 10_000 else 0)  # counting many rows takes the CPU that the sequencer needs
    return not PendingEvent.objects.exists() and Position.objects.count() == expected


def assert_dense(live_db, expected):
    with live_db.connect("owner") as owner:
        counts = owner.execute(
            "SELECT (SELECT count(*) FROM audit_event), count(*), count(DISTINCT event_id), min(position),"
            " max(position) FROM audit_position"
        ).fetchone()
    assert counts == (expected, expected, expected, 1, expected)


def write(live_db, writer, rounds, written, seed):
    """Commit transactions of odd sizes and lengths, some of which roll back."""
    chance = random.Random(seed)
    with live_db.connect() as session:
        for _ in range(rounds):
            size = chance.randint(1, 4)
            session.cursor().executemany(
                INSERT, [(f"w{writer}", str(written[writer] + n)) for n in range(size)]
            )
            if chance.random() < 0.2:
                time.sleep(chance.random() * 0.03)
            if chance.random() < 0.1:
                session.rollback()
            else:
                session.commit()
                written[writer] += size


def run_writers(live_db, writers, rounds, disturb):
    written = [0] * writers
    threads = [
        threading.Thread(target=write, args=(live_db, writer, rounds, written, writer))
        for writer in range(writers)
    ]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        disturb()
    for thread in threads:
        thread.join()
    return sum(written)


def follow(live_db, seen, stop):
    """Read by position as a subscriber does, and keep every position in the order it was found."""
    after = 0
    with live_db.connect() as session:
        session.autocommit = True
        while not stop.is_set():
            rows = session.execute(
                "SELECT position FROM audit_position WHERE position > %s ORDER BY position", [after]
            ).fetchall()
            seen.extend(row[0] for row in rows)
            after = seen[-1] if seen else 0
            time.sleep(0.01)


def assert_each_writer_in_order(live_db):
    with live_db.connect() as session:
        disorder = session.execute(
            "SELECT count(*) FROM (SELECT subject_id::int - lag(subject_id::int) OVER"
            " (PARTITION BY actor_id ORDER BY position) AS step FROM audit_event e"
            " JOIN audit_position p ON p.event_id = e.id) s WHERE step <> 1"
        ).fetchone()[0]
    assert disorder == 0


def chaos(live_db, sequencers, *, writers, rounds, least_kills):
    """Kill sequencers by SIGKILL under writers; return how many were killed and how many events stand."""
    kills = 0
    active = [sequencers.start(), sequencers.start()]
    seen, stop = [], threading.Event()
    reader = threading.Thread(target=follow, args=(live_db, seen, stop))
    reader.start()

    def kill_one(wait):
        nonlocal kills
        before = selectors.newest_position()
        time.sleep(wait)
        if selectors.newest_position() > before or wait == 0:
            sequencers.kill(active.pop(0))
            active.append(sequencers.start())
            kills += 1

    expected = run_writers(live_db, writers, rounds, lambda: kill_one(random.Random(kills).random() * 0.5))
    while kills < least_kills:
        kill_one(0)
    eventually(lambda: is_complete(expected), seconds=240)
    time.sleep(0.1)
    stop.set()
    reader.join()
    assert_dense(live_db, expected)
    assert_each_writer_in_order(live_db)
    assert seen == list(range(1, expected + 1))
    return kills, expected


@pytest.mark.full
def test_killed_sequencers_leave_no_gap_and_no_double(live_db, sequencers):
    kills, expected = chaos(live_db, sequencers, writers=6, rounds=250, least_kills=4)
    assert kills >= 4
    assert expected > 1000


@pytest.mark.full
def test_many_killed_sequencers_leave_no_gap_and_no_double(live_db, sequencers):
    kills, expected = chaos(live_db, sequencers, writers=16, rounds=1500, least_kills=50)
    assert kills >= 50
    assert expected > 20_000


def test_one_works_the_other_stands_by_and_takes_over(live_db, record, sequencers):
    first = sequencers.start()
    record()
    eventually(lambda: is_complete(1))
    second = sequencers.start()
    # It stands by once it asked for the lock in vain; until then it is starting, which may take long.
    eventually(lambda: _asked_for_the_lock(live_db) == [False, True], seconds=60)
    assert second.poll() is None
    sequencers.kill(first)
    record()
    eventually(lambda: is_complete(2))
    assert _asked_for_the_lock(live_db) == [True]


def _asked_for_the_lock(live_db):
    """Whether each process that works as a sequencer, or tried to, holds the lock of the one that works."""
    with live_db.connect("owner") as owner:
        rows = owner.execute(
            "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 2"
            " AND pg_locks.pid = a.pid AND classid = %s AND objid = %s)"
            " FROM pg_stat_activity a JOIN pg_roles r ON r.oid = a.usesysid"
            " WHERE a.datname = current_database() AND r.rolname LIKE '%%sequencer%%'"
            " AND a.query <> '' ORDER BY 1",
            [LOCK_ROOM, LOCK_PROCESS],
        ).fetchall()
    return [row[0] for row in rows]


@pytest.mark.full
def test_a_lost_database_connection_is_made_again(live_db, record, sequencers):
    process = sequencers.start()
    for n in range(1, 4):
        record()
        eventually(lambda n=n: is_complete(n))
        with live_db.connect("sequencer") as own:
            own.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = current_user"
                " AND datname = current_database() AND pid <> pg_backend_pid()"
            )
    record()
    eventually(lambda: is_complete(4))
    assert process.poll() is None


@pytest.mark.full
def test_positions_come_without_valkey(live_db, record, sequencers):
    process = sequencers.start(REDIS_URL="redis://127.0.0.1:1/0")
    for n in range(1, 4):
        record()
        eventually(lambda n=n: is_complete(n), seconds=60)
    assert process.poll() is None


@pytest.mark.full
def test_new_positions_are_published_and_the_doorbell_makes_them_come_soon(live_db, record, sequencers):
    with redis.Redis.from_url(settings.REDIS_URL) as client, client.pubsub() as listener:
        listener.subscribe(broadcast.channel_named(broadcast.POSITIONS))
        listener.get_message(timeout=1)
        sequencers.start()
        record()
        eventually(lambda: is_complete(1))
        assert next_position(listener) == 1
        time.sleep(3)
        took = []
        for n in range(2, 7):
            time.sleep(0.3)
            begin = time.monotonic()
            record()
            while (position := next_position(listener)) == n - 1:
                pass  # a hint may come twice: from the start of the sequencer, and from the event
            assert position == n
            took.append(time.monotonic() - begin)
    assert sorted(took)[2] < 0.25


def next_position(listener):
    message = listener.get_message(ignore_subscribe_messages=True, timeout=5)
    return int(message["data"]) if message else None


def test_a_sequencer_told_to_stop_stops_at_once_and_cleanly(live_db, record, sequencers):
    process = sequencers.start()
    record()
    eventually(lambda: is_complete(1))
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 0
    sequencers.running.remove(process)


@pytest.mark.full
def test_an_idle_sequencer_costs_little(live_db, record, sequencers):
    process = sequencers.start()
    record()
    eventually(lambda: is_complete(1))
    time.sleep(3)
    ticks = os.sysconf("SC_CLK_TCK")

    def cpu_seconds():
        fields = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / ticks

    before = cpu_seconds()
    time.sleep(2)
    assert cpu_seconds() - before < 0.1


def test_sequencing_needs_the_role_for_it(live_db, record):
    from audit.services import sequence_pending

    record()
    with pytest.raises(Exception, match="permission denied") as refused:
        sequence_pending()
    assert isinstance(refused.value.__cause__, psycopg.errors.InsufficientPrivilege)
    connection.close()
