"""The live socket: who may listen, for how long, what it brings, and that nothing can be said over it."""

from __future__ import annotations

import asyncio
import json
import random
import threading
from contextlib import contextmanager
from importlib import import_module
from urllib.parse import unquote, urlsplit

import pytest
from asgiref.testing import ApplicationCommunicator
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import Permission
from django.db import connections, transaction

from agents.models import User
from audit import broadcast
from audit.selectors import newest_position
from audit.vocabulary import Actor
from workflows.consumers import LiveConsumer
from workflows.live import hub, person
from workflows.live.looks import rights_in

ENGLISH = "The task 7 was not taken: a person paused the work it belongs to."
GERMAN = "Die Aufgabe 7 wurde nicht übernommen: Eine Person hat die Arbeit angehalten, zu der sie gehört."


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(hub, "WATCH_SECONDS", 0.2)
    monkeypatch.setattr(person, "RIGHTS_SECONDS", (0.2, 0.2))
    monkeypatch.setattr(person, "POSITION_EVERY_SECONDS", 0.2)
    monkeypatch.setattr(hub, "LINGER_SECONDS", 0)


@contextmanager
def sequencer(live_db):
    """Work as the sequencer's role in this thread alone: the portal's threads open connections meanwhile."""
    url, before = urlsplit(live_db.url("sequencer")), connections["default"]
    own = connections.create_connection("default")
    names = {"USER": unquote(url.username), "PASSWORD": unquote(url.password or "")}
    own.settings_dict = {**own.settings_dict, **names}
    connections["default"] = own
    try:
        yield
    finally:
        own.close()
        connections["default"] = before


def happen(live_db, robo, count, sentence="Robo did number {} <b>of</b> many"):
    """Let things happen to an agent, number them as the sequencer does, and return the newest position."""
    from audit.services import record_event, sequence_pending

    try:
        with transaction.atomic():
            for number in range(count):
                record_event(
                    actor=Actor.system("tests"),
                    verb="agents.agent_paused",
                    subject=robo.as_ref(),
                    sentence=sentence.format(number),
                )
        with sequencer(live_db):
            while sequence_pending(limit=1000):
                pass
        broadcast.publish_position(newest := newest_position())
        return newest
    finally:
        connections.close_all()


def permit(user):
    """Let somebody see everything from now on."""
    user.user_permissions.add(Permission.objects.get(codename="view_every_event"))
    connections.close_all()


def session_of(user):
    store = import_module(settings.SESSION_ENGINE).SessionStore()
    store[SESSION_KEY] = str(user.pk)
    store[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    store[HASH_SESSION_KEY] = user.get_session_auth_hash()
    store.create()
    return store


class Line(ApplicationCommunicator):
    """One page's end of the socket (channels' own needs a server that this project does not use)."""

    def __init__(self, session, query=b"", language=b"en"):
        scope = {"type": "websocket", "path": "/ws/live/", "query_string": query, "session": session}
        scope["headers"] = [(b"accept-language", language)]
        super().__init__(LiveConsumer.as_asgi(), scope)

    async def open(self):
        await self.send_input({"type": "websocket.connect"})
        assert (await self.receive_output(timeout=5))["type"] == "websocket.accept"

    async def frame(self, kind):
        """Return the next frame of a kind."""
        while True:
            found = json.loads((await self.receive_output(timeout=5))["text"])
            if found["kind"] == kind:
                return found

    async def rows_until(self, last, rows=1):
        """Return the rows of all frames up to a position, in the order they came; at least so many."""
        found, upto = [], 0
        while upto < last or len(found) < rows:
            frame = await self.frame("news")
            assert not upto or frame["after"] <= upto, "a gap that no frame told of"
            found, upto = found + frame["rows"], max(upto, frame["upto"])
        return found

    async def close_code(self):
        """Wait for the end, and let the portal hear of it as a server does: no socket is simply forgotten."""
        while (message := await self.receive_output(timeout=5))["type"] != "websocket.close":
            pass
        await self.leave()
        return message["code"]

    async def leave(self):
        await self.send_input({"type": "websocket.disconnect", "code": 1000})
        await self.wait(timeout=3)


class Page:
    """One page's end of a socket that may be gone before it has heard anything."""

    def __init__(self, sent, session):
        scope = {"type": "websocket", "path": "/ws/live/", "session": session, "subprotocols": []}
        self.told = asyncio.Queue()
        self.socket = asyncio.ensure_future(LiveConsumer.as_asgi()(scope, self.told.get, sent))

    async def open_and_leave(self, after):
        await self.told.put({"type": "websocket.connect"})
        await asyncio.sleep(after)
        await self.told.put({"type": "websocket.disconnect", "code": 1001})
        await asyncio.wait([self.socket], timeout=20)
        assert self.socket.done(), f"A socket that was closed after {after * 1000:.1f} ms never ended."


class NoSession:
    session_key = None


def test_who_is_not_signed_in_is_told_so(live_db):
    async def story():
        line = Line(NoSession())
        await line.open()
        assert await line.close_code() == 4401

    asyncio.run(story())


def test_an_agent_never_listens(live_db, robo):
    session = session_of(robo.user)
    assert rights_in(session.session_key) is None

    async def story():
        line = Line(session)
        await line.open()
        assert await line.close_code() == 4401

    asyncio.run(story())


def test_what_happens_is_brought_to_whoever_may_see_it_and_to_nobody_else(live_db, robo, carol, mallory, dave):
    """Carol sees everything, Dave is told at a page without a feed, Mallory is told nothing of it."""

    async def story():
        carols, daves = Line(sessions[carol.pk], b"rows=1"), Line(sessions[dave.pk])
        mallorys = Line(sessions[mallory.pk], b"rows=1")
        lines = [carols, daves, mallorys]
        for line in lines:
            await line.open()
        first = (await carols.frame("news"))["upto"]
        assert (await mallorys.frame("news"))["rows"] == []
        last = await asyncio.to_thread(happen, live_db, robo, 3)
        found = await carols.rows_until(last)
        assert [row["position"] for row in found] == list(range(first + 1, last + 1))
        assert found[0]["sentence"] == "Robo did number 0 <b>of</b> many"
        told = await daves.frame("news")
        while told["upto"] < last:
            told = await daves.frame("news")
        assert set(told) == {"kind", "after", "upto"}
        assert await mallorys.rows_until(last, rows=0) == []
        for line in lines:
            await line.leave()

    happen(live_db, robo, 0)
    sessions = {user.pk: session_of(user) for user in (carol, mallory, dave)}
    asyncio.run(story())


def test_a_burst_comes_whole_and_once_to_every_page_of_a_person(live_db, robo, carol):
    happen(live_db, robo, 0)
    session = session_of(carol)

    async def story():
        lines = [Line(session, b"rows=1") for _ in range(3)]
        for line in lines:
            await line.open()
        first = (await lines[0].frame("news"))["upto"]
        last = await asyncio.to_thread(happen, live_db, robo, 400)
        for line in lines:
            found = [row["position"] for row in await line.rows_until(last)]
            assert found == list(range(first + 1, last + 1))
            await line.leave()

    asyncio.run(story())


def test_a_page_that_comes_back_is_brought_what_it_missed(live_db, robo, carol, mallory):
    """It says up to where it is whole; who may see nothing of what it missed is told that it is whole."""
    first = happen(live_db, robo, 1)
    sessions = [session_of(user) for user in (carol, mallory)]

    async def story():
        stays = Line(sessions[0], b"rows=1")
        await stays.open()
        await stays.frame("news")
        last = await asyncio.to_thread(happen, live_db, robo, 700)
        await stays.rows_until(last)
        carols, mallorys = (Line(session, b"rows=1&after=%d" % (first + 2)) for session in sessions)
        for line in (carols, mallorys):
            await line.open()
        frame = await carols.frame("news")
        assert frame["after"] == first + 2
        rows = [row["position"] for row in frame["rows"] + await carols.rows_until(last)]
        assert rows == list(range(first + 3, last + 1))
        assert (await mallorys.frame("news")) == {"kind": "news", "after": first + 2, "upto": last, "rows": []}
        for line in (stays, carols, mallorys):
            await line.leave()

    asyncio.run(story())


def test_rows_come_in_the_language_of_whoever_reads(live_db, robo, carol, dave):
    """Carol chose German, Dave chose nothing and his browser asks for it; what agents wrote stays as it is."""
    erin = User.objects.create_user("erin", "erin@company.example")
    User.objects.filter(pk=carol.pk).update(language="de")
    for user in (dave, erin):
        permit(user)
    happen(live_db, robo, 0)
    carols, erins = (Line(session_of(user), b"rows=1") for user in (carol, erin))
    daves = Line(session_of(dave), b"rows=1", b"de-DE,de;q=0.9")
    lines = {carols: GERMAN, daves: GERMAN, erins: ENGLISH}

    async def story():
        for line in lines:
            await line.open()
            await line.frame("news")
        last = await asyncio.to_thread(happen, live_db, robo, 1, ENGLISH)
        for line, sentence in lines.items():
            assert [row["sentence"] for row in await line.rows_until(last)] == [sentence]
            await line.leave()

    asyncio.run(story())


def test_what_somebody_was_just_allowed_to_see_is_read_again(live_db, robo, mallory):
    """Rights are at most a second old: what happened in it is not lost to whoever may see it since."""
    happen(live_db, robo, 0)
    session = session_of(mallory)

    async def story():
        line = Line(session, b"rows=1")
        await line.open()
        await line.frame("news")
        last = await asyncio.to_thread(happen, live_db, robo, 2)
        await asyncio.to_thread(permit, mallory)
        assert [row["position"] for row in await line.rows_until(last, rows=2)] == [last - 1, last]
        await line.leave()

    asyncio.run(story())


@pytest.mark.parametrize("taken", ["session", "account", "group", "permission"])
def test_a_right_that_is_taken_away_ends_the_stream(live_db, dave, taken):
    dave.user_permissions.add(Permission.objects.get(codename="view_every_event"))
    session = session_of(dave)

    def take():
        if taken == "session":
            session.delete()
        elif taken == "account":
            User.objects.filter(pk=dave.pk).update(is_active=False)
        elif taken == "group":
            dave.groups.clear()
        else:
            dave.user_permissions.clear()
        connections.close_all()

    async def story():
        line = Line(session)
        await line.open()
        await line.frame("counts")
        await asyncio.to_thread(take)
        assert await line.close_code() == (4401 if taken in ("session", "account") else 4403)

    asyncio.run(story())


def test_another_session_of_the_same_person_goes_on(live_db, carol):
    kept, ended = session_of(carol), session_of(carol)

    async def story():
        one, other = Line(kept), Line(ended)
        await one.open()
        await other.open()
        await asyncio.to_thread(ended.delete)
        assert await other.close_code() == 4401
        await asyncio.sleep(0.3)
        assert await one.receive_nothing(timeout=0.01) or (await one.frame("counts"))
        await one.leave()

    asyncio.run(story())


def test_what_somebody_may_follow_is_asked_afresh(live_db, carol):
    session = session_of(carol)
    assert "inbox" in rights_in(session.session_key)
    carol.groups.clear()
    assert "inbox" not in rights_in(session.session_key)
    carol.is_active = False
    carol.save(update_fields=["is_active"])
    assert rights_in(session.session_key) is None


def test_nothing_is_ever_said_to_the_portal_over_it(live_db, carol):
    session = session_of(carol)

    async def story():
        line = Line(session)
        await line.open()
        await line.send_input({"type": "websocket.receive", "text": '{"approve": "everything"}'})
        assert await line.close_code() == 4400

    asyncio.run(story())


def test_pages_that_leave_within_milliseconds_leave_nothing_behind(live_db, carol):
    """Cancelled while a command is on its way to Valkey, a reader once stayed for ever."""
    session = session_of(carol)
    chance = random.Random(4711)

    async def nothing(message):
        pass

    async def story():
        before = asyncio.all_tasks()
        for _ in range(20):
            leaving = (Page(nothing, session).open_and_leave(chance.random() * 0.02) for _ in range(5))
            await asyncio.gather(*leaving)
        for _ in range(100):  # what was cancelled with the sockets ends in its own time
            if asyncio.all_tasks() == before:
                break
            await asyncio.sleep(0.05)
        assert asyncio.all_tasks() == before
        assert hub._hubs == {}

    threads = threading.active_count()
    asyncio.run(story())
    assert not [one for one in threading.enumerate() if one.name.startswith("live")], threads
