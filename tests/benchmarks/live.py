"""``make bench-live``: from a commit to the row on the page of everybody who may see it.

    python -m tests.benchmarks.live [SECONDS [RATE [SOCKETS]]]

The portal and the sequencer run as in ``make up``. Twenty people with different rights have ten pages each
open. While events of every room are written at a pace, each is timed from the clock just before its commit to
the moment at which its row is at each page that may see it. Then 5,000 events are written as fast as it goes,
while every page loses its connection once. In the end each page is compared with what the ledger says its
person may see: ``lost`` is what never came, ``doubled`` what came twice over one socket, ``unseen`` what came
and should not have. The last line is one JSON object.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
import time
from dataclasses import dataclass
from statistics import quantiles
from typing import Any

import httpx
import psutil

from tests.benchmarks.house import House, open_house

SECONDS, RATE, SOCKETS = 60.0, 20.0, 200
BURST = 5_000
PATIENCE = 120.0
# Who there is: how many, and what they may; some follow one agent that is theirs.
PEOPLE: tuple[tuple[int, tuple[str, ...]], ...] = (
    (4, ("audit.view_every_event",)),
    (3, ("agents.view_agent",)),
    (3, ("actions.view_action", "approvals.view_approval")),
    (3, ("runs.view_run",)),
    (2, ("connectors.view_system",)),
    (2, ("actions.view_action", "runs.view_run", "agents.view_agent", "connectors.view_system")),
    (2, ("sponsor",)),
    (1, ()),
)


@dataclass
class Crowd:
    """The people, by name, and the cookies of their two sessions each."""

    users: dict[str, Any]
    cookies: dict[str, list[str]]


@dataclass
class Site:
    """A portal that runs: its address, the environment of its processes, and these by name."""

    address: str
    env: dict[str, str]
    processes: dict[str, Any]


def main() -> int:
    """Measure, print what is found, and the result as JSON."""
    given = [float(word) for word in sys.argv[1:]]
    seconds, rate, sockets = [*given, *(SECONDS, RATE, SOCKETS)[len(given) :]]
    with open_house() as house:
        from tests.benchmarks import company

        company.settle(agents=8)
        people = crowd()
        house.start("portal", "sequencer")
        _await(house)
        servers = {"postgresql": house.postgres.process, "valkey": house.valkey.process}
        site = Site(house.options.address, house.env, {**house.running, **servers})
        result = asyncio.run(measured(site, people, seconds=seconds, rate=rate, sockets=int(sockets)))
    print(json.dumps(result), flush=True)
    return 0


def crowd() -> Crowd:
    """Hire the people, some of them as sponsors of one agent, and sign them in twice each."""
    from django.conf import settings
    from django.contrib.auth.models import Permission
    from django.test import Client

    from agents.models import Agent, User

    agents = list(Agent.objects.order_by("code"))
    found = Crowd({}, {})
    for count, rights in PEOPLE:
        for _ in range(count):
            name = f"person{len(found.users)}"
            user = User.objects.create_user(name, f"{name}@company.example", first_name=name)
            for right in rights:
                if right == "sponsor":
                    Agent.objects.filter(pk=agents.pop().pk).update(sponsor=user)
                    continue
                label, _dot, codename = right.partition(".")
                asked = {"content_type__app_label": label, "codename": codename}
                user.user_permissions.add(Permission.objects.get(**asked))
            found.users[name], found.cookies[name] = user, []
            for _session in range(2):
                client = Client()
                client.force_login(user)
                cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
                found.cookies[name].append(f"{settings.SESSION_COOKIE_NAME}={cookie}")
    return found


def _await(house: House) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        try:
            httpx.get(f"{house.options.address}/healthz", trust_env=False)
        except httpx.TransportError:
            time.sleep(0.2)
        else:
            return
    raise RuntimeError(f"the portal did not answer:\n{house.log('portal')}")


async def measured(
    site: Site, people: Crowd, *, seconds: float, rate: float, sockets: int, burst: int = BURST
) -> dict[str, Any]:
    """Let the pages follow a pace of events, then a burst; return what came, and what it cost."""
    from tests.benchmarks.live_pages import Page, opened, settled

    begin = await asyncio.to_thread(_newest, 0)
    names = list(people.users)
    pages = [
        Page(name := names[number % len(names)], people.cookies[name][(number // len(names)) % 2], begin)
        for number in range(sockets)
    ]
    limits = httpx.Limits(max_connections=16)
    async with httpx.AsyncClient(base_url=site.address, timeout=120, trust_env=False, limits=limits) as http:
        jobs = await opened(pages, site.address, http)
        _say(f"{len(pages)} sockets of {len(names)} people are open")
        # What a process has to make ready for each person once is not what a page waits for all day.
        warm = await _written(site, "pace", str(rate), "1")
        begin = await asyncio.to_thread(_newest, begin + len(warm))
        ready = await settled(pages, begin, PATIENCE)
        _say(f"everybody was told within {ready:.1f} s")
        spent, load = _spent(site), os.getloadavg()[0]
        written = await _written(site, "pace", str(rate), str(seconds))
        busy = {name: (_spent(site)[name] - spent[name]) / seconds * 100 for name in spent}
        upto = await asyncio.to_thread(_newest, begin + len(written))
        await settled(pages, upto, PATIENCE)
        paced = await asyncio.to_thread(_compared, people, pages, begin, upto, written)
        _say(f"paced: {paced}")
        began = time.monotonic()
        dropping = asyncio.create_task(_drop(pages))
        written = await _written(site, "burst", str(burst))
        wrote = time.monotonic() - began
        last = await asyncio.to_thread(_newest, upto + len(written))
        await dropping
        await settled(pages, last, PATIENCE)
        took = time.monotonic() - began
        rushed = await asyncio.to_thread(_compared, people, pages, upto, last, written)
        memory = psutil.Process(site.processes["portal"].pid).memory_info().rss / 2**20
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)
    return {
        "p95_ms": paced["p95_ms"],
        "lost": paced["lost"] + rushed["lost"],
        "doubled": paced["doubled"] + rushed["doubled"],
        "unseen": paced["unseen"] + rushed["unseen"],
        "p50_ms": paced["p50_ms"],
        "p99_ms": paced["p99_ms"],
        "most_ms": paced["most_ms"],
        "rows": paced["rows"],
        "sockets": sockets,
        "people": len(names),
        "events_per_s": rate,
        "burst_events": burst,
        "burst_drops": sum(page.drops for page in pages),
        "burst_rows": rushed["rows"],
        "burst_written_s": round(wrote, 1),
        "burst_whole_s": round(took, 1),
        "gaps_read": sum(page.asked for page in pages),
        "portal_mib": round(memory, 1),
        "ready_s": round(ready, 1),
        "load_before": round(load, 2),
        **{f"{name}_cpu_percent": round(value, 1) for name, value in busy.items()},
    }


async def _written(site: Site, *asked: str) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.benchmarks.live_writer", *asked]
    work = await asyncio.create_subprocess_exec(*command, env=site.env, stdout=subprocess.PIPE)
    out, _ = await work.communicate()
    if work.returncode:
        raise RuntimeError("the writer failed")
    found: dict[str, float] = json.loads(out)
    return found


async def _drop(pages: list[Any]) -> None:
    """Take the connection away from each page once, at some moment of the burst."""
    for page in random.Random(4711).sample(pages, len(pages)):
        await asyncio.sleep(0.02)
        page.drop.set()


def _newest(least: int) -> int:
    """Return the newest position, once the sequencer has come as far."""
    from audit.selectors import anything_pending, newest_position

    deadline = time.monotonic() + PATIENCE
    while anything_pending() or newest_position() < least:
        if time.monotonic() > deadline:
            raise RuntimeError("the sequencer does not number")
        time.sleep(0.05)
    return newest_position()


def _compared(
    people: Crowd, pages: list[Any], after: int, upto: int, written: dict[str, float]
) -> dict[str, Any]:
    """Compare each page with what the ledger says its person may see, and time what came."""
    from audit.following import sight_of
    from audit.models import Event
    from workflows.pages.feed import row_of

    placed = {"placement__position__gt": after, "placement__position__lte": upto}
    rows = [row_of(event) for event in Event.objects.with_position().filter(**placed)]
    shown = {row.position: written.get(row.key) for row in rows if row.shows}
    lost = unseen = doubled = 0
    took: list[float] = []
    for name, user in people.users.items():
        sight = sight_of(type(user).objects.get(pk=user.pk))
        may = set(sight.positions(after, upto)) & set(shown) if sight else set()
        for page in (page for page in pages if page.user == name):
            has = {position for position in page.seen if after < position <= upto}
            lost, unseen = lost + len(may - has), unseen + len(has - may)
            took += [page.seen[position] - at for position in may & has if (at := shown[position]) is not None]
            doubled, page.doubled = doubled + page.doubled, 0
    cut = quantiles(took, n=100)
    return {
        "p50_ms": round(cut[49] * 1000, 1),
        "p95_ms": round(cut[94] * 1000, 1),
        "p99_ms": round(cut[98] * 1000, 1),
        "most_ms": round(max(took) * 1000, 1),
        "rows": len(took),
        "lost": lost,
        "doubled": doubled,
        "unseen": unseen,
    }


def _spent(site: Site) -> dict[str, float]:
    """Return the CPU seconds of each part of the site."""
    found = {}
    for name, process in site.processes.items():
        root = psutil.Process(process.pid) if process else None
        found[name] = 0.0
        for one in [root, *root.children(recursive=True)] if root else ():
            try:
                times = one.cpu_times()
            except psutil.NoSuchProcess:
                continue
            found[name] += times.user + times.system + times.children_user + times.children_system
    return found


def _say(text: str) -> None:
    print(f"  {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
