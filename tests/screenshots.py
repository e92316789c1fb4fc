"""The pictures of the README, taken from a portal at work: ``make screenshots``.

A demo company is started beside whatever else runs, on folders and ports of its own. When its agents have
worked for a while, and something waits for people, a browser signs in as each of the cast and looks.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from autonomy.launch.valkey import free_port

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
DESK, PHONE = {"width": 1280, "height": 860}, {"width": 390, "height": 844}
READY_SECONDS, WORK_SECONDS = 600, 420
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]


@dataclass(frozen=True)
class Shot:
    """One picture: whose screen, where, what is opened first, and how it is shown."""

    name: str
    person: str
    address: str
    then: str = ""  # a link or a row that is clicked there
    dark: bool = False
    phone: bool = False
    tall: int = 0


SHOTS = (
    Shot("home", "alice", "/"),
    Shot("inbox", "bob", "/inbox/", then=".portal-inbox-list a:visible >> nth=-1", tall=1040),
    Shot("inbox-phone", "bob", "/inbox/", phone=True),
    Shot("console", "dave", "/console/", dark=True),
    Shot("run", "alice", "/runs/", then="main table a:visible >> nth=0", tall=1040),
    Shot("agent", "alice", "/admin/agents/agent/", then="#result_list >> text=Invoice bookkeeper", tall=1040),
    Shot("ledger", "carol", "/admin/audit/event/"),
)


def main() -> int:
    """Start, wait until there is something to see, take every picture, stop."""
    with (
        tempfile.TemporaryDirectory(prefix="aos-shots-") as folder,
        _portal(Path(folder)) as address,
        sync_playwright() as playwright,
    ):
        sign_ins = json.loads((Path(folder) / "sign-ins.json").read_text())
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM") or shutil.which("chromium"), args=FLAGS
        )
        _until(lambda: _held(browser, address, sign_ins) >= 3, WORK_SECONDS, "three requests that wait")
        for shot in SHOTS:
            _take(browser, address, sign_ins, shot)
            print(f"  {shot.name}.png", flush=True)
    print(json.dumps({"pictures": len(SHOTS), "folder": str(IMAGES.relative_to(ROOT))}), flush=True)
    return 0


@contextmanager
def _portal(folder: Path) -> Iterator[str]:
    port = free_port()
    env = {**os.environ, "AUTONOMY_DATA_DIR": str(folder), "AUTONOMY_PORT": str(port)}
    env |= {"ERP_PORT": str(free_port()), "DEMO_COMPANY": "1"}
    log = (folder / "up.log").open("wb")
    running = subprocess.Popen(
        [sys.executable, "-m", "autonomy.launch", "up"], cwd=ROOT, env=env, stdout=log, stderr=log
    )
    address = f"http://127.0.0.1:{port}"
    try:
        _until(lambda: _answers(address, running), READY_SECONDS, "the portal")
        yield address
    finally:
        running.terminate()
        running.wait(60)


def _answers(address: str, running: subprocess.Popen[bytes]) -> bool:
    if running.poll() is not None:
        raise RuntimeError("the portal ended by itself")
    try:
        return urllib.request.urlopen(f"{address}/admin/login/", timeout=5).status == 200
    except OSError:
        return False


def _until(is_so: Callable[[], bool], seconds: float, what: str) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > end:
            raise RuntimeError(f"{what} did not come within {seconds:.0f} s")
        time.sleep(3)


def _signed_in(
    browser: Browser, address: str, sign_ins: dict[str, str], person: str, shot: Shot | None
) -> Page:
    view = PHONE if shot and shot.phone else {**DESK, **({"height": shot.tall} if shot and shot.tall else {})}
    dark = "dark" if shot and shot.dark else "light"
    page = browser.new_context(viewport=view, color_scheme=dark, locale="en-GB").new_page()
    page.goto(f"{address}/admin/login/?next=/inbox/")
    page.fill("[name=username]", person)
    page.fill("[name=password]", sign_ins[person])
    page.press("[name=password]", "Enter")
    page.wait_for_url(f"{address}/inbox/")
    return page


def _held(browser: Browser, address: str, sign_ins: dict[str, str]) -> int:
    page = _signed_in(browser, address, sign_ins, "bob", None)
    try:
        return page.locator(".portal-inbox-list a").count()
    finally:
        page.context.close()


def _take(browser: Browser, address: str, sign_ins: dict[str, str], shot: Shot) -> None:
    page = _signed_in(browser, address, sign_ins, shot.person, shot)
    page.goto(f"{address}{shot.address}")
    if shot.then:
        page.locator(shot.then).first.click()
        page.wait_for_load_state("networkidle")
    page.evaluate("document.fonts.ready.then(() => true)")
    page.wait_for_timeout(1500)
    page.screenshot(path=IMAGES / f"{shot.name}.png")
    page.context.close()


if __name__ == "__main__":
    sys.exit(main())
