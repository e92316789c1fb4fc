"""One person who looks, at however many pages: asked for once, told to each."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.conf import settings

from audit.following import Sight
from workflows.live import looks
from workflows.live.outbox import Outbox, news

if TYPE_CHECKING:
    from workflows.live.hub import Hub

logger = logging.getLogger(__name__)

SIGNED_OUT = 4401
RIGHTS_CHANGED = 4403
TRY_AGAIN = 1013

# Rights are asked anew when what they come from has changed (``Hub._watch``), and from time to time for what
# else they depend on. What takes long is asked seldom: a person takes one part in SHARE of a processor at most.
RIGHTS_SECONDS = (20.0, 60.0)
SHARE = 300
# How far the ledger has come is told to those who see nothing of it, and to pages without a feed, this often.
POSITION_EVERY_SECONDS = 1.0
COUNTS_SECONDS = (1.0, 8.0)
# Time alone changes a little of what waits, and leaves its events elsewhere: then it is counted this often.
COUNTS_ANYWAY_SECONDS = 30.0
LONG_AGO = -3600.0
MOST_AT_ONCE = 250
MOST_AT_ONCE_LATE = 500


class Pace:
    """How often something is asked: seldom if it takes long, at once when it matters."""

    def __init__(self, least: float, most: float) -> None:
        self.least, self.most = least, most
        self.at = LONG_AGO
        self.every = least

    def begin(self) -> None:
        """Note that it is asked now."""
        self.at = time.monotonic()

    def took(self, seconds: float) -> None:
        """Note how long that took: more where the processor is wanted by others, too."""
        self.every = min(self.most, max(self.least, SHARE * seconds))

    def hurry(self) -> None:
        """Let it be asked at once."""
        self.at = LONG_AGO

    def age(self) -> float:
        """Return the seconds since it was asked."""
        return time.monotonic() - self.at

    def due_at(self) -> float:
        """Return when it is to be asked again."""
        return self.at + self.every

    def is_due(self) -> bool:
        """Say whether that is now."""
        return time.monotonic() >= self.due_at()


@dataclass(frozen=True, slots=True)
class Question:
    """Which of the positions after one and up to another somebody may see."""

    sight: Sight
    after: int
    upto: int


class Person:
    """Reads for one person what is new, with their rights of that moment, and tells it to their sockets."""

    def __init__(self, hub: Hub, user_id: Any) -> None:
        self.hub, self.user_id = hub, user_id
        self.outboxes: set[Outbox] = set()
        # That of the newest page; what is told in none of the others is told in English.
        self.language = settings.LANGUAGE_CODE
        self.standing: looks.Standing | None = None
        self.woken = asyncio.Event()
        # Up to where it is read; since where by rights that may have grown meanwhile; what was told since then.
        self.position = self.since = hub.position
        self.told: set[int] = set()
        self.told_upto = self.position
        self.counts = ""
        self.stirred_at = -1
        self.is_waited_for = True
        # Their rights have changed, or may have: nothing is read before they were asked anew.
        self.is_in_doubt = False
        self.placed_at = LONG_AGO
        self.rights, self.counting = Pace(*RIGHTS_SECONDS), Pace(*COUNTS_SECONDS)

    def add(self, outbox: Outbox) -> None:
        """Tell a new page from where on it is told, and what waits; one that says where it is, is read for."""
        self.outboxes.add(outbox)
        outbox.put(news(self.told_upto, self.told_upto, []), self.told_upto)
        if self.counts:
            outbox.put(self.counts)
        self.woken.set()

    def close(self, code: int, sessions: frozenset[str] | None = None) -> None:
        """End the streams, or those of some sessions."""
        for outbox in list(self.outboxes):
            if sessions is None or outbox.session in sessions:
                outbox.close(code)
                self.outboxes.discard(outbox)

    def sessions(self) -> frozenset[str]:
        """Return the sessions of their pages."""
        return frozenset(outbox.session for outbox in self.outboxes)

    def marked(self, asked: frozenset[str], mark: str, kept: set[str]) -> None:
        """Note how their rights are marked ('' : no account any more); end the streams of ended sessions."""
        self.close(SIGNED_OUT, asked if not mark else asked - kept)
        if self.standing is not None and mark != self.standing.mark:
            self.is_in_doubt = True
            self.woken.set()

    async def tend(self) -> None:
        """Go on as long as there are pages. Whose rights cannot be asked any more is told to come again."""
        try:
            while self.outboxes:
                self.woken.clear()
                await self._turn()
                if self.outboxes:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self.woken.wait(), self._patience())
        except Exception:
            logger.exception("The live stream of one person ended.")
            self.close(TRY_AGAIN)

    def question(self) -> Question | None:
        """Return what is to be read for them next; None: nothing, or their rights are to be asked first."""
        if self.standing is None or self.is_in_doubt or self.position >= self.hub.position:
            return None
        if self.standing.sight is None:
            self.position = self.hub.position
            return None
        if self.position < self.hub.oldest:
            self.position = self.hub.position
            self._tell(self.position, None)
            return None
        upto = min(self.hub.position, self.position + MOST_AT_ONCE)
        return Question(self.standing.sight, self.position, upto)

    def take(self, question: Question, seen: list[int]) -> None:
        """Tell what was read; if their rights or their place changed meanwhile, it is read again."""
        if (
            self.standing is None
            or self.standing.sight is not question.sight
            or self.position != question.after
        ):
            return
        fresh = [position for position in seen if position not in self.told]
        self.told.update(fresh)
        self.position = question.upto
        texts = [text for position in fresh if (text := self._text(position))]
        if texts:
            self._tell(question.upto, texts, after=min(question.after, self.told_upto))

    def late_questions(self) -> list[tuple[Outbox, Question]]:
        """Return what is to be read for pages that are behind, once those have taken what they were told."""
        found = []
        for outbox in self.outboxes:
            if outbox.behind is None or self.standing is None or self.is_in_doubt:
                continue
            if self.standing.sight is None or outbox.behind < self.hub.oldest:
                # Nothing is theirs, or it is not at hand any more and the page reads it by itself.
                after = self.position if self.standing.sight else min(outbox.behind, self.position)
                outbox.told_late(news(after, self.position, []), self.position, is_whole=True)
            elif not outbox.frames:
                upto = max(outbox.behind, min(self.position, outbox.behind + MOST_AT_ONCE_LATE))
                found.append((outbox, Question(self.standing.sight, outbox.behind, upto)))
        return found

    def take_late(self, outbox: Outbox, question: Question, seen: list[int]) -> None:
        """Tell a page what was read for it alone."""
        if self.standing is None or self.standing.sight is not question.sight or outbox.code is not None:
            return
        texts = [text for position in seen if (text := self._text(position))]
        frame = news(question.after, question.upto, texts)
        outbox.told_late(frame, question.upto, is_whole=question.upto >= self.position)

    def _text(self, position: int) -> str:
        texts = self.hub.texts.get(position, {})
        return texts.get(self.language) or texts.get(settings.LANGUAGE_CODE, "")

    async def _turn(self) -> None:
        if self.is_in_doubt or self.rights.is_due():
            await self._ask_rights()
        if self.outboxes and self._counts_are_due():
            await self._count()

    def _patience(self) -> float:
        """Return how long nothing has to be done unless something happens."""
        dues = [self.rights.due_at()]
        if self.hub.stirred_at > self.stirred_at:
            dues.append(self.counting.due_at())
        return max(0.01, min(dues) - time.monotonic())

    async def _ask_rights(self) -> None:
        before, asked_upto, sessions = self.standing, self.position, self.sessions()
        self.is_in_doubt = False
        self.rights.begin()
        now, seconds = await self.hub.slow.timed(looks.standing_of, self.user_id, sessions)
        self.rights.took(seconds)
        if now is None:
            self.close(SIGNED_OUT, sessions)
            self.is_in_doubt = True  # of who came meanwhile it is asked at once
            return
        self.close(SIGNED_OUT, sessions - now.sessions)
        if before is not None and before.granted - now.granted:
            self.close(RIGHTS_CHANGED)
            return
        self.standing = now
        if before is None or before.rights != now.rights:
            self.counting.hurry()
            self.stirred_at = -1
        if before is not None and before.sight != now.sight:
            # What they may see since a moment ago was perhaps read past: it is read again, and told once.
            self.position = max(self.since, self.hub.oldest)
        else:
            self.told = {position for position in self.told if position > asked_upto}
        self.since = asked_upto
        self.hub.rung.set()

    def _tell(self, upto: int, texts: list[str] | None, *, after: int | None = None) -> None:
        """Tell rows to the pages that show them."""
        frame = news(self.told_upto if after is None else after, upto, texts)
        self.told_upto = max(self.told_upto, upto)
        for outbox in self.outboxes:
            if outbox.with_rows:
                outbox.put(frame, self.told_upto)

    def tell_position(self) -> None:
        """Tell how far the ledger has come to whoever was not told rows up to there."""
        now = time.monotonic()
        if now - self.placed_at < POSITION_EVERY_SECONDS:
            return
        self.placed_at = now
        for outbox in self.outboxes:
            if outbox.told_upto < self.position:
                outbox.put(news(outbox.told_upto, self.position, [], with_rows=outbox.with_rows), self.position)
        self.told_upto = max(self.told_upto, self.position)

    def _counts_are_due(self) -> bool:
        if not self.counts or self.hub.stirred_at > self.stirred_at:
            return self.counting.is_due()
        return self.counting.age() >= COUNTS_ANYWAY_SECONDS

    async def _count(self) -> None:
        if self.standing is None:
            return
        self.stirred_at = self.hub.stirred_at
        self.counting.begin()
        asked = self.hub.counting.timed(looks.counts_frame, self.standing.waits)
        (counts, is_waited_for), seconds = await asked
        self.counting.took(seconds)
        if is_waited_for and not self.is_waited_for:
            self.rights.hurry()  # the first work of somebody may let them see more
        self.is_waited_for = is_waited_for
        if counts != self.counts:
            self.counts = counts
            for outbox in self.outboxes:
                outbox.put(counts)
