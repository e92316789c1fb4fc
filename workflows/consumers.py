"""The live socket. It only says "there is something new, up to this position"; nothing can be done over it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Coroutine
from importlib import import_module
from typing import Any

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.conf import settings
from django.contrib.auth import get_user
from django.http import HttpRequest

from agents.models import User
from audit import visibility
from audit.selectors import newest_position
from workflows.approvals.selectors import handed_to
from workflows.broadcast import EVENTS, INBOX, group_name
from workflows.layers import end_all

SIGNED_OUT = 4401
ONLY_LISTENS = 4400
TRY_AGAIN = 1013
CHECK_SECONDS = 5.0
LEAST_GAP_SECONDS = 0.1
# The page may go away at any moment; there is nobody left to tell then.
GONE = (RuntimeError, OSError)


def rights_in(session_key: str | None) -> frozenset[str] | None:
    """Return what the owner of a session may follow, fresh from the database; None when nobody is signed in."""
    if not session_key:
        return None
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    user: Any = get_user(request)
    if not user.is_authenticated or not user.is_active or user.kind != User.Kind.PERSON:
        return None
    rights = set()
    if visibility.visible_to(user) != visibility.NOTHING:
        rights.add(EVENTS)
    if user.has_perm("approvals.view_approval") or user.groups.exists() or handed_to(user):
        rights.add(INBOX)
    return frozenset(rights)


class LiveConsumer(AsyncJsonWebsocketConsumer):
    """One page of one signed-in person. Rights are asked again every few seconds, both ways."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.following: frozenset[str] = frozenset()
        self.sent = 0
        self.sent_at = 0.0
        self.newest: dict[str, Any] | None = None
        self.jobs: set[asyncio.Task[None]] = set()

    async def connect(self) -> None:
        # Accepted first: a page can read the code of a closed socket, not the reason of a refused one.
        await self.accept()
        self.start(self.watch())

    async def disconnect(self, code: int) -> None:
        await end_all(self.jobs)
        await self.follow(frozenset())

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None, **more: Any) -> None:
        """Nothing is ever said to the portal over this socket."""
        await self.close(code=ONLY_LISTENS)

    async def hint(self, message: dict[str, Any]) -> None:
        """Pass a hint on: the first at once, then the newest at most every tenth of a second."""
        waiting = self.newest is not None
        self.newest = {"kind": message["kind"], "position": message["position"]}
        if not waiting:
            self.start(self.send_newest(self.sent_at + LEAST_GAP_SECONDS - time.monotonic()))

    async def send_newest(self, delay: float) -> None:
        await asyncio.sleep(max(0.0, delay))
        frame, self.newest = self.newest, None
        if frame and frame["position"] > self.sent:
            self.sent, self.sent_at = frame["position"], time.monotonic()
            with contextlib.suppress(*GONE):
                await self.send_json(frame)

    async def watch(self) -> None:
        """Ask for the rights again and again; also heals a hint that was lost on its way.

        A socket whose rights cannot be asked any more is closed: the page comes back and is asked anew.
        """
        try:
            while await self.check_rights():
                if self.following:
                    position = await database_sync_to_async(newest_position)()
                    await self.hint({"kind": EVENTS, "position": position})
                await asyncio.sleep(CHECK_SECONDS)
        except Exception:
            with contextlib.suppress(*GONE):
                await self.close(code=TRY_AGAIN)
            raise

    async def check_rights(self) -> bool:
        """Follow exactly what the person may follow now; close when nobody is signed in any more."""
        rights = await database_sync_to_async(rights_in)(self.scope["session"].session_key)
        if rights is None:
            await self.follow(frozenset())
            await self.close(code=SIGNED_OUT)
            return False
        await self.follow(rights)
        return True

    async def follow(self, rights: frozenset[str]) -> None:
        before, self.following = self.following, rights
        for kind in before - rights:
            await self.channel_layer.group_discard(group_name(kind), self.channel_name)
        for kind in rights - before:
            await self.channel_layer.group_add(group_name(kind), self.channel_name)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        job = asyncio.get_running_loop().create_task(work)
        self.jobs.add(job)
        job.add_done_callback(self.jobs.discard)
