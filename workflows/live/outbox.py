"""What one socket is still to be sent. Who reads slowly is told later, and keeps nobody waiting."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field

MOST_FRAMES = 40
MOST_CHARS = 4_000_000


def news(after: int, upto: int, texts: list[str] | None, *, with_rows: bool = True) -> str:
    """Return a frame: what happened after a position and up to another. None: more than is sent at a time."""
    rows = f',"rows":[{",".join(texts)}]' if with_rows and texts is not None else ""
    return f'{{"kind":"news","after":{after},"upto":{upto}{rows}}}'


@dataclass(eq=False, slots=True)
class Outbox:
    """Frames in order, or the code by which the socket is to be closed.

    ``behind``: the position after which its page has nothing, where that is less than its person was told.
    What it is then told of the ledger is read for it alone (``told_late``), until it has come as far.
    """

    session: str
    with_rows: bool
    behind: int | None = None
    told_upto: int = 0
    code: int | None = None
    frames: deque[tuple[str, int]] = field(default_factory=deque)
    chars: int = 0
    sent_upto: int = 0
    stirred: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, frame: str, upto: int = 0) -> None:
        """Add a frame; ``upto`` is how far it tells of the ledger, 0 where it tells of something else."""
        if upto and self.behind is not None:
            return
        self._add(frame, upto)
        if len(self.frames) > MOST_FRAMES or self.chars > MOST_CHARS:
            self._fall_behind()

    def told_late(self, frame: str, upto: int, *, is_whole: bool) -> None:
        """Add a frame for whoever is behind; ``is_whole``: by it they are so no longer."""
        self.behind = None if is_whole else upto
        self._add(frame, upto)

    def close(self, code: int) -> None:
        """Send nothing any more: the socket is to be closed."""
        self.code = code if self.code is None else self.code
        self.frames.clear()
        self.stirred.set()

    async def next(self) -> str | int:
        """Wait for the next frame, or for the code of the end."""
        while self.code is None and not self.frames:
            self.stirred.clear()
            await self.stirred.wait()
        if self.code is not None:
            return self.code
        frame, upto = self.frames.popleft()
        self.chars -= len(frame)
        self.sent_upto = max(self.sent_upto, upto)
        return frame

    def _add(self, frame: str, upto: int) -> None:
        self.told_upto = max(self.told_upto, upto)
        self.frames.append((frame, upto))
        self.chars += len(frame)
        self.stirred.set()

    def _fall_behind(self) -> None:
        """Forget what waits; only the newest counts, and of a page without rows the newest position, stay."""
        newest = {bool(one[1]): one for one in self.frames if not (one[1] and self.with_rows)}
        self.frames = deque(newest.values())
        self.chars = sum(len(frame) for frame, _ in self.frames)
        if self.with_rows:
            self.behind = self.sent_upto
