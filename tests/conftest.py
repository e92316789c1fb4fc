"""Real servers, a database per worker, and the one fixed cast of the tests.

``db`` rolls back after each test. ``live_db`` is a database of the test's own, for real commits, threads and
processes. Both connect as the application role, so that grants and triggers are tested with everything else.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group
from django.contrib.contenttypes.models import ContentType
from django.db import connections
from playwright.sync_api import Browser, Playwright, sync_playwright
from xdist.scheduler.loadscope import LoadScopeScheduling

from tests import harness
from tests.processes import Processes, chromium, collect_static

PASSWORD = "correct horse battery staple"
# One worker does all of a group: what it has made at a price is for all that use it. What runs the product
# itself comes one after the other, while the other workers do the many small tests.
GROUPS = {
    "erp": ("tests/demo/",),
    "processes": (
        "tests/browser/",
        "tests/chaos/",
        "tests/autonomy/test_front_door.py",
        "tests/examples/test_with_the_portal.py",
        "tests/examples/test_order_finder.py",
        "tests/test_story.py",
    ),
    "world": ("tests/test_permission_matrix", "tests/test_hostile_input.py"),
}


class ByPlace(LoadScopeScheduling):
    """Hands tests out to the workers one by one, groups whole and first: the largest takes longest.

    The mark ``xdist_group`` does nothing with pytest 9.2: xdist 3.8 changes a name that nobody reads any more.
    """

    def _split_scope(self, nodeid: str) -> str:
        return next((group for group, places in GROUPS.items() if nodeid.startswith(places)), nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByPlace:
    return ByPlace(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        marker = item.get_closest_marker("django_db")
        names = getattr(item, "fixturenames", ())
        if "transactional_db" in names or (marker and marker.kwargs.get("transaction")):
            raise pytest.UsageError(f"{item.nodeid}: an append-only ledger cannot be flushed; use live_db.")
        if "live_db" in names and (marker or "db" in names):
            raise pytest.UsageError(f"{item.nodeid}: live_db and db exclude each other.")
    # The database is being made meanwhile.
    items.sort(key=needs_database)


def needs_database(item: pytest.Item) -> bool:
    """Tell whether a test cannot begin before there is a database."""
    names = set(getattr(item, "fixturenames", ()))
    asked = {"db", "live_db", "any_db", "template_database", "erp"} & names
    return bool(asked or item.get_closest_marker("django_db"))


def pytest_collection_finish() -> None:
    """Look for garbage rarely: what was imported stays, and each full look at it takes as long as a test."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Show the figures that tests kept (``record_property("figures", ...)``), whichever worker they ran on."""
    reports = [report for outcome in ("passed", "failed") for report in terminalreporter.stats.get(outcome, [])]
    kept = [(report.nodeid, text) for report in reports if report.when == "call"
            for name, text in report.user_properties if name == "figures"]  # fmt: skip
    if kept:
        terminalreporter.section("figures")
    for test, text in kept:
        terminalreporter.write_line(f"{test.rpartition('::')[2]} {text}")


def use_database(name: str) -> None:
    """Point Django, every thread of it and every process it starts at one test database."""
    connections.close_all()
    os.environ.update(harness.environment(name))
    url = psycopg.conninfo.conninfo_to_dict(harness.url("app", name))
    current = connections["default"].settings_dict
    current.update(NAME=name, USER=url["user"], PASSWORD=url["password"], HOST=url["host"])
    current["PORT"] = str(url.get("port", ""))


@pytest.fixture(scope="session")
def template_database() -> str:
    """The migrated database that all others are copied from."""
    return harness.template()


@pytest.fixture(scope="session")
def django_db_setup(django_db_blocker: Any, template_database: str) -> Iterator[None]:
    """Give this worker its own copy of the template, with the application role's rights on it."""
    with harness.copy_of(template_database) as name, django_db_blocker.unblock():
        use_database(name)
        yield
        use_database(harness.UNNAMED)


@dataclass(frozen=True)
class LiveDatabase:
    """A database of one test's own."""

    name: str

    def url(self, role: str = "app") -> str:
        """Return its address for the role owner, app or sequencer."""
        return harness.url(role, self.name)

    def environ(self, **changes: str) -> dict[str, str]:
        """Return the environment for a process of the product on this database."""
        ours = {name: value for name, value in os.environ.items() if name != "DJANGO_ALLOW_ASYNC_UNSAFE"}
        return {
            **ours,
            **harness.environment(self.name),
            "DJANGO_SETTINGS_MODULE": "autonomy.settings",
            **changes,
        }

    def connect(self, role: str = "app") -> psycopg.Connection[Any]:
        """Open a plain connection as one role."""
        return psycopg.connect(self.url(role))


@pytest.fixture
def live_template(template_database: str) -> str:
    """What a database of a test's own is copied from; a folder of tests may name one with more in it."""
    return template_database


@pytest.fixture
def live_db(django_db_blocker: Any, live_template: str) -> Iterator[LiveDatabase]:
    """A fresh database for this test alone: commit, start threads and processes as you like."""
    previous = connections["default"].settings_dict["NAME"]
    ContentType.objects.clear_cache()
    with harness.copy_of(live_template) as name, django_db_blocker.unblock():
        use_database(name)
        try:
            yield LiveDatabase(name)
        finally:
            use_database(previous)
            ContentType.objects.clear_cache()


@pytest.fixture
def processes(live_db: LiveDatabase, tmp_path: Path) -> Iterator[Processes]:
    """The product's processes on this test's own database: ``processes.start("portal", "sequencer")``."""
    collect_static()
    found = Processes(live_db, tmp_path)
    yield found
    found.stop()


@pytest.fixture
def portal(processes: Processes) -> Processes:
    """A running portal with its sequencer; its address is ``portal.url``."""
    processes.start("sequencer", "portal")
    return processes


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    """Playwright for one module of tests.

    Its event loop runs in this thread, where the tests use the ORM: Django has to allow that, and no other test
    of this worker may find the loop there, which is why it does not live as long as the plugin's own.
    """
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as running:
        yield running
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture(scope="module")
def browser_context_args() -> dict[str, Any]:
    """Every test opens a plain window (the plugin's own fixture lives too long for ours)."""
    return {}


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """The machine's own Chromium; as root it cannot have its sandbox, and nothing is downloaded."""
    quiet = (
        "--disable-dev-shm-usage --disable-gpu --no-first-run --disable-background-networking --disable-sync"
    )
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    found = playwright.chromium.launch(executable_path=chromium(), args=[*sandbox, *quiet.split()])
    yield found
    found.close()


@pytest.fixture(autouse=True)
def _empty_valkey(request: pytest.FixtureRequest) -> None:
    """Start every test that touches the database with nothing cached or queued."""
    if {"db", "live_db", "world"} & set(request.fixturenames) or request.node.get_closest_marker("django_db"):
        with redis.Redis.from_url(settings.REDIS_URL) as client:
            client.flushdb()


@pytest.fixture
def any_db(request: pytest.FixtureRequest) -> None:
    """The database the test asked for: live_db if it did, else db."""
    request.getfixturevalue("live_db" if "live_db" in request.fixturenames else "db")


_hashed = lru_cache(make_password)


def _person(username: str, *groups: str) -> Any:
    people = get_user_model()
    user = people(username=username, email=f"{username}@northwind.example", first_name=username.capitalize())
    user.password, user.is_staff = _hashed(PASSWORD), True
    user.save(force_insert=True)
    # Set up, not done by anybody: without the record of each change, which takes four statements a group.
    member = people.groups.through
    groups = [Group.objects.get_or_create(name=name)[0] for name in groups]
    member.objects.bulk_create([member(user=user, group=group) for group in groups])
    return user


@pytest.fixture
def alice(any_db: None) -> Any:
    """Alice manages."""
    return _person("alice", "Managers")


@pytest.fixture
def bob(any_db: None) -> Any:
    """Bob approves."""
    return _person("bob", "Approvers")


@pytest.fixture
def carol(any_db: None) -> Any:
    """Carol audits."""
    return _person("carol", "Auditors")


@pytest.fixture
def dave(any_db: None) -> Any:
    """Dave operates."""
    return _person("dave", "Operators")


@pytest.fixture
def mallory(any_db: None) -> Any:
    """Mallory has a sign-in and no right at all."""
    return _person("mallory")


@pytest.fixture(scope="module")
def made_world(django_db_setup: None, django_db_blocker: Any, template_database: str) -> Iterator[Any]:
    """The world of tests/world.py in a database of a module's own: to make it takes seconds."""
    from tests.fakes import FakeSystem
    from tests.world import build

    previous = connections["default"].settings_dict["NAME"]
    with FakeSystem() as fake, harness.copy_of(template_database) as name, django_db_blocker.unblock():
        use_database(name)
        ContentType.objects.clear_cache()
        found = build(fake)
        use_database(previous)
        ContentType.objects.clear_cache()
        yield name, found


@pytest.fixture
def world(django_db_blocker: Any, made_world: Any) -> Iterator[Any]:
    """Everybody, and something of everything, as the permission matrix asks; what a test does is undone."""
    from tests.world import undone

    previous = connections["default"].settings_dict["NAME"]
    name, found = made_world
    with django_db_blocker.unblock():
        use_database(name)
        ContentType.objects.clear_cache()
        try:
            with undone():
                yield found
        finally:
            use_database(previous)
            ContentType.objects.clear_cache()


@pytest.fixture
def robo(alice: Any) -> Any:
    """Robo is an agent at work: a bookkeeper in Finance, sponsored by Alice, held to its contract alone."""
    from agents.models import Agent, Department, Role
    from agents.services.lifecycle import register_agent

    department, _ = Department.objects.get_or_create(code="finance", defaults={"name": "Finance"})
    role = Role.objects.filter(code="bookkeeper").first() or Role.objects.create(
        code="bookkeeper", name="Bookkeeper", group=Group.objects.create(name="Role: bookkeeper")
    )
    agent = register_agent(
        actor=alice.as_actor(),
        name="Robo",
        code="robo",
        purpose="Posts supplier invoices.",
        sponsor=alice,
        department=department,
        role=role,
        reason="The team needs a bookkeeper",
    )
    # Being activated takes a second person; what that is worth is tested in tests/agents.
    agent.lifecycle, agent.autonomy = Agent.Lifecycle.ACTIVE, Agent.Autonomy.BY_CONTRACT
    agent.save(update_fields=["lifecycle", "autonomy"])
    return agent
