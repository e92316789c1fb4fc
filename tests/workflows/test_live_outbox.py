"""What one socket is still to be sent: in order, and later what somebody missed who reads too slowly."""

from __future__ import annotations

import asyncio
import json

from workflows.live.outbox import MOST_FRAMES, Outbox, news


def frames_of(outbox):
    return [json.loads(frame) for frame, _ in outbox.frames]


def test_frames_come_in_their_order():
    outbox = Outbox("session", with_rows=True)
    for upto in (1, 2, 3):
        outbox.put(news(upto - 1, upto, ['{"position":1}']), upto)

    async def story():
        return [json.loads(await outbox.next())["upto"] for _ in range(3)]

    assert asyncio.run(story()) == [1, 2, 3]
    assert outbox.chars == 0


def test_who_reads_too_slowly_is_behind_and_told_the_rest_when_they_have_read():
    outbox = Outbox("session", with_rows=True)
    outbox.put(news(0, 1, ["{}"]), 1)
    assert "rows" in asyncio.run(outbox.next())
    outbox.put('{"kind":"counts"}')
    for upto in range(2, MOST_FRAMES + 4):
        outbox.put(news(upto - 1, upto, ["{}"]), upto)
    assert outbox.behind == 1
    assert frames_of(outbox) == [{"kind": "counts"}]
    outbox.told_late(news(1, 5, ["{}"]), 5, is_whole=False)
    outbox.put(news(5, 6, ["{}"]), 6)
    outbox.told_late(news(5, 6, ["{}"]), 6, is_whole=True)
    outbox.put(news(6, 7, ["{}"]), 7)
    assert [one["after"] for one in frames_of(outbox)[1:]] == [1, 5, 6]


def test_a_page_without_rows_is_told_the_newest_position_alone():
    outbox = Outbox("session", with_rows=False)
    for upto in range(1, MOST_FRAMES + 2):
        outbox.put(news(upto - 1, upto, [], with_rows=False), upto)
    assert outbox.behind is None
    assert [one["upto"] for one in frames_of(outbox)] == [MOST_FRAMES + 1]


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
