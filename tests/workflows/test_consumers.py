"""The live socket: who may listen, for how long, and that it only ever gives hints."""

from __future__ import annotations

import asyncio
import json
import random
from importlib import import_module

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from channels.layers import get_channel_layer
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY

from workflows import consumers
from workflows.broadcast import announce
from workflows.consumers import LiveConsumer, rights_in


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(consumers, "CHECK_SECONDS", 0.2)


def session_of(user):
    store = import_module(settings.SESSION_ENGINE).SessionStore()
    store[SESSION_KEY] = str(user.pk)
    store[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    store[HASH_SESSION_KEY] = user.get_session_auth_hash()
    store.create()
    return store


class Line(ApplicationCommunicator):
    """One page's end of the socket (channels' own needs a server that this project does not use)."""

    def __init__(self, session):
        scope = {"type": "websocket", "path": "/ws/live/", "session": session, "subprotocols": []}
        super().__init__(LiveConsumer.as_asgi(), scope)

    async def open(self):
        await self.send_input({"type": "websocket.connect"})
        assert (await self.receive_output(timeout=5))["type"] == "websocket.accept"

    async def frame(self):
        return json.loads((await self.receive_output(timeout=5))["text"])

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

    def __init__(self, sent):
        scope = {"type": "websocket", "path": "/ws/live/", "session": NoSession, "subprotocols": []}
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


def test_a_hint_names_a_position_and_nothing_else(live_db, carol):
    session = session_of(carol)

    async def story():
        line = Line(session)
        await line.open()
        await asyncio.sleep(0.5)
        await sync_to_async(announce)(7_000)
        frame = await line.frame()
        assert frame["position"] == 7_000
        assert set(frame) == {"kind", "position"}
        await line.leave()

    asyncio.run(story())


def test_whoever_signs_out_hears_no_more(live_db, carol):
    session = session_of(carol)

    async def story():
        line = Line(session)
        await line.open()
        await asyncio.sleep(0.3)
        await sync_to_async(session.delete)()
        assert await line.close_code() == 4401

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


def test_pages_that_leave_within_milliseconds_leave_nothing_behind(monkeypatch):
    """Cancelled while a command is on its way to Valkey, a reader or a watcher once stayed for ever."""
    monkeypatch.setattr(consumers, "rights_in", lambda session_key: frozenset({consumers.EVENTS}))
    monkeypatch.setattr(consumers, "newest_position", lambda: 0)
    chance = random.Random(4711)

    async def nothing(message):
        pass

    async def story():
        before = asyncio.all_tasks()
        for _ in range(30):
            await asyncio.gather(*(Page(nothing).open_and_leave(chance.random() * 0.012) for _ in range(5)))
        for _ in range(100):  # what was cancelled with the sockets ends in its own time
            if asyncio.all_tasks() == before:
                break
            await asyncio.sleep(0.05)
        layer = get_channel_layer()
        assert asyncio.all_tasks() == before
        assert (layer.receive_count, len(layer.receive_buffer)) == (0, 0)
        await layer.close_pools()

    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(story())
    finally:
        loop.close()
