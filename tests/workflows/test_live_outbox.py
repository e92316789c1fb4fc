"""What one socket is still to be sent: in order, and a gap said aloud where somebody reads too slowly."""

from __future__ import annotations

import asyncio
import json

from workflows.live.outbox import MOST_FRAMES, Outbox, news


def frames_of(outbox):
    return [json.loads(frame) for frame in outbox.frames]


def test_frames_come_in_their_order():
    outbox = Outbox("session", with_rows=True)
    for upto in (1, 2, 3):
        outbox.put(news(upto - 1, upto, ['{"position":1}']), upto)

    async def story():
        return [json.loads(await outbox.next())["upto"] for _ in range(3)]

    assert asyncio.run(story()) == [1, 2, 3]
    assert outbox.chars == 0


def test_who_reads_too_slowly_is_told_of_a_gap_and_of_what_comes_after_it():
    outbox = Outbox("session", with_rows=True)
    for upto in range(1, MOST_FRAMES + 3):
        outbox.put(news(upto - 1, upto, ["{}"]), upto)
    gap, after = frames_of(outbox)
    assert gap == {"kind": "news", "after": MOST_FRAMES + 1, "upto": MOST_FRAMES + 1, "rows": []}
    assert after["after"] == gap["upto"]


def test_the_end_comes_before_everything_that_waits():
    outbox = Outbox("session", with_rows=False)
    outbox.put(news(0, 1, []), 1)
    outbox.close(4403)
    outbox.close(4401)
    assert asyncio.run(outbox.next()) == 4403
    assert asyncio.run(outbox.next()) == 4403


def test_a_page_without_a_feed_is_told_no_rows():
    assert json.loads(news(1, 2, ["{}"], with_rows=False)) == {"kind": "news", "after": 1, "upto": 2}
    assert json.loads(news(1, 2, None)) == {"kind": "news", "after": 1, "upto": 2}
