"""What one socket is still to be sent. Who reads slowly misses frames, never keeps anybody waiting."""

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
    """Frames in order, or the code by which the socket is to be closed."""

    session: str
    with_rows: bool
    told_upto: int = 0
    code: int | None = None
    frames: deque[str] = field(default_factory=deque)
    chars: int = 0
    stirred: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, frame: str, upto: int = 0) -> None:
        """Add a frame. Where too much waits, all of it goes, and one frame says that there is a gap."""
        self.told_upto = max(self.told_upto, upto)
        self.frames.append(frame)
        self.chars += len(frame)
        if len(self.frames) > MOST_FRAMES or self.chars > MOST_CHARS:
            self.frames.clear()
            self.chars = 0
            gap = news(self.told_upto, self.told_upto, [])
            self.frames.append(gap)
        self.stirred.set()

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
        frame = self.frames.popleft()
        self.chars -= len(frame)
        return frame
