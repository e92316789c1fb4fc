"""The mail room of the demo company outlives the agents it serves, and drops whole files only."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.harness import ROOT
from workflows.demo.crew import CREW


class Refuses(BaseHTTPRequestHandler):
    """A portal that knows no credential any more."""

    asked = 0

    def do_POST(self) -> None:
        type(self).asked += 1
        self.send_response(401)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def refusing() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Refuses)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_a_revoked_credential_ends_the_agent_and_not_the_mail_room(refusing: str, tmp_path: Path) -> None:
    (tmp_path / "agents").mkdir()
    held = {"client_id": "revoked", "client_secret": "aos_cs_revoked"}
    for code in CREW:
        (tmp_path / "agents" / f"{code}.json").write_text(json.dumps(held))
    room = subprocess.Popen(
        [sys.executable, "-m", "workflows.demo.at_work"],
        cwd=ROOT,
        env={"AUTONOMY_URL": refusing, "AUTONOMY_DATA_DIR": str(tmp_path), "DEMO_PACE_SECONDS": "0.3"},
        stderr=subprocess.DEVNULL,
    )
    incoming = tmp_path / "incoming" / "invoices"
    try:
        deadline = time.monotonic() + 60
        while Refuses.asked <= 2 * len(CREW) or len(list(incoming.glob("*.xml"))) < 3:
            assert room.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
    finally:
        room.terminate()
        room.wait(30)
    assert all(path.read_bytes().rstrip() for path in incoming.glob("*.xml"))
