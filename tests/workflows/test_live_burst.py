"""Many pages of people with different rights through a burst and lost connections, on the real front door."""

from __future__ import annotations

import asyncio
import json
import os

import pytest

from tests.benchmarks.live import Site, crowd, measured
from tests.company import new_agent

pytestmark = pytest.mark.full


def test_a_burst_and_lost_connections_leave_no_gap_and_no_row_twice(portal, carol):
    for number in range(3):
        new_agent(carol, f"robo{number}")
    site = Site(portal.url, portal.environ, dict(portal.running))
    sizes = {"seconds": float(os.environ.get("SECONDS_OF_PACE", "5")), "rate": 20.0}
    sockets, burst = int(os.environ.get("SOCKETS", "40")), int(os.environ.get("BURST", "5000"))
    found = asyncio.run(measured(site, crowd(), sockets=sockets, burst=burst, **sizes))
    print(json.dumps(found))
    assert (found["lost"], found["doubled"], found["unseen"]) == (0, 0, 0)
    assert found["burst_drops"] == sockets
