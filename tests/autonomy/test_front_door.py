"""The one port: pages, API, static files and sockets through the real server."""

from __future__ import annotations

import contextlib
import re
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psutil
import pytest
import websockets.sync.client
from websockets.exceptions import InvalidStatus, WebSocketException


def test_one_port_serves_everything_and_ends_soon_even_with_a_socket_open(portal: Any) -> None:
    serves_pages_api_and_static_files(portal)
    address = portal.url.replace("http", "ws") + "/ws/live/"
    with pytest.raises(InvalidStatus) as refused:
        websockets.sync.client.connect(address, origin="https://evil.example")  # type: ignore[arg-type]
    assert refused.value.response.status_code == 403, "a page of another site opens the socket"
    with contextlib.suppress(WebSocketException), websockets.sync.client.connect(address):
        pass
    process = portal.running["portal"]
    process.terminate()
    assert process.wait(15) is not None


def serves_pages_api_and_static_files(portal: Any) -> None:
    with httpx.Client(base_url=portal.url, trust_env=False, timeout=30) as client:
        page = client.get("/admin/login/")
        assert page.status_code == 200
        assert "script-src 'self'" in page.headers["content-security-policy"]
        assert "server" not in page.headers
        style = re.search(r'href="(/static/[^"]+\.css)"', page.text)
        assert style is not None
        served = client.get(style.group(1))
        assert served.status_code == 200
        assert "immutable" in served.headers["cache-control"]
        refused = client.get("/api/v1/events")
        assert refused.status_code == 401
        assert refused.headers["content-type"] == "application/problem+json"
        assert client.get("/nothing-here").status_code == 404
        # Three ways to break a request: none of them may break the server.
        assert client.get("/api/v1/events", headers={"Host": "evil.example"}).status_code == 400
        with ThreadPoolExecutor(8) as pool:
            codes = set(pool.map(lambda _: client.get("/api/v1/events").status_code, range(40)))
        assert codes == {401}


def test_the_processes_start_and_the_worker_ends_gracefully(processes: Any) -> None:
    processes.start("worker", "beat", "sequencer")
    deadline = time.monotonic() + 60
    while "ready." not in processes.log("worker") and time.monotonic() < deadline:
        time.sleep(0.1)
    assert "ready." in processes.log("worker")
    assert all(process.poll() is None for process in processes.running.values())
    worker = processes.running["worker"]
    worker.terminate()
    assert worker.wait(25) == 0, processes.log("worker")[-2000:]


@pytest.mark.full
def test_a_killed_worker_takes_its_pool_along(processes: Any) -> None:
    processes.start("worker")
    worker = processes.running["worker"]
    deadline = time.monotonic() + 60
    while "ready." not in processes.log("worker") and time.monotonic() < deadline:
        time.sleep(0.1)
    pool = psutil.Process(worker.pid).children()
    assert pool
    worker.kill()
    assert psutil.wait_procs(pool, timeout=10)[1] == []
