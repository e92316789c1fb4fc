"""A real browser on the real front door: uvicorn and the sequencer as processes on the test's own database."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.test import Client
from playwright.sync_api import Page, expect

from tests import harness
from tests.workflows.conftest import book, clerk, fake, robo

__all__ = ["book", "clerk", "fake", "robo"]

# Playwright's synchronous API keeps an event loop in this thread; the tests use the ORM from the same thread.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1440, "height": 900}
# A busy machine hashes a password for seconds; what is right arrives long before this in peace.
expect.set_options(timeout=20_000)
TOO_WIDE = """[...document.querySelectorAll('body *')]
    .filter(element => element.getBoundingClientRect().right > innerWidth + 1)
    .slice(0, 8).map(element => element.outerHTML.slice(0, 160))"""
SETTLED = "document.fonts.ready.then(() => true)"


@pytest.fixture(scope="session", autouse=True)
def chromium() -> str:
    """The browser of the distribution; nothing is downloaded."""
    if os.environ.get("BROWSER") == "0":
        pytest.skip("BROWSER=0: the browser tests are left out on purpose")
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not found:
        pytest.exit(
            "The browser tests need Chromium. Install it with: apt-get install -y chromium", returncode=4
        )
    return found


@pytest.fixture(scope="session")
def browser_type_launch_args(chromium: str) -> dict[str, Any]:
    """How Playwright starts it."""
    quiet = (
        "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
        " --disable-component-update --disable-sync"
    )
    return {"executable_path": chromium, "args": quiet.split()}


@pytest.fixture(scope="session")
def static_files() -> None:
    """The hashed files that the front door serves; also proves that every one of them can be hashed."""
    sources = (storage.path(path) for finder in get_finders() for path, storage in finder.list([]))
    manifest = harness.data_folder() / "static" / "staticfiles.json"
    if manifest.exists() and manifest.stat().st_mtime > max(Path(source).stat().st_mtime for source in sources):
        return
    environment = {**os.environ, **harness.environment(), "DJANGO_SETTINGS_MODULE": "autonomy.settings"}
    command = [sys.executable, "manage.py", "collectstatic", "--noinput", "--verbosity", "0"]
    subprocess.run(command, cwd=harness.ROOT, env=environment, check=True, capture_output=True)


@dataclass
class Portal:
    """The running product."""

    url: str
    environment: dict[str, str]


@pytest.fixture
def portal(live_db: Any, static_files: None) -> Iterator[Portal]:
    """Start the front door; stop it, whatever happens."""
    port = _free_port()
    environment = live_db.environ(ALLOWED_HOSTS="127.0.0.1")
    door = [
        *[
            "-m",
            "uvicorn",
            "autonomy.asgi:application",
            "--timeout-graceful-shutdown",
            "1",
            "--log-level",
            "warning",
        ]
    ]
    with _process([*door, "--port", str(port)], environment):
        url = f"http://127.0.0.1:{port}"
        _wait_for(f"{url}/admin/login/")
        yield Portal(url, environment)


@pytest.fixture
def sequencer(live_db: Any) -> Iterator[None]:
    """Number the ledger and tell live pages, as in production."""
    with _process(["manage.py", "run_sequencer"], live_db.environ(DATABASE_ROLE="sequencer")):
        yield


@contextlib.contextmanager
def _process(arguments: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, *arguments], cwd=harness.ROOT, env=environment) as running:
        try:
            yield running
        finally:
            running.terminate()
            try:
                running.wait(10)
            except subprocess.TimeoutExpired:
                running.kill()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(url: str) -> None:
    for _ in range(150):
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(url, trust_env=False).status_code == 200:
                return
        time.sleep(0.2)
    raise RuntimeError(f"{url} does not answer.")


@pytest.fixture(autouse=True)
def complaints(page: Page) -> Iterator[list[str]]:
    """Everything the browser complains about, policy reports included; a test ends with none."""
    found: list[str] = []
    page.on("console", lambda said: found.append(f"{said.type}: {said.text}") if said.type == "error" else None)
    page.on("pageerror", lambda error: found.append(f"page: {error}"))
    yield found
    assert found == []


def sign_in(page: Page, portal: Portal, user: Any) -> None:
    """Give the browser a session of this person."""
    client = Client()
    client.force_login(user)
    session = client.cookies[settings.SESSION_COOKIE_NAME].value
    page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": portal.url}])


def check_page(page: Page, *, both_themes: bool = True) -> None:
    """No barrier by WCAG 2.2 AA in light and dark, and no sideways scroll on a phone."""
    for theme in ("light", "dark") if both_themes else ("light",):
        page.emulate_media(color_scheme=theme)
        page.reload()
        page.evaluate(SETTLED)
        assert barriers(page) == [], f"{page.url} in {theme}"
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(PHONE)
    wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wider <= 0, f"{page.url} scrolls sideways by {wider} px on a phone: {page.evaluate(TOO_WIDE)}"
    assert barriers(page) == [], f"{page.url} on a phone"
    page.set_viewport_size(DESK)


def barriers(page: Page) -> list[str]:
    """Return what axe finds, as ``rule: element``."""
    found = Axe().run(page, options={"runOnly": WCAG}).response["violations"]
    return [f"{rule['id']}: {node['html'][:200]}" for rule in found for node in rule["nodes"]]
