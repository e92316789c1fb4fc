"""Real servers, a database per worker, and the one fixed cast of the tests.

``db`` rolls back after each test. ``live_db`` is a database of the test's own, for real commits, threads and
processes. Both connect as the application role, so that grants and triggers are tested with everything else.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.contrib.contenttypes.models import ContentType
from django.db import connections
from playwright.sync_api import Browser, Playwright, sync_playwright
from xdist.scheduler.loadscope import LoadScopeScheduling

from autonomy.ui import LISTS
from tests import harness
from tests.company import SEEDS, person
from tests.processes import Processes, chromium, collect_static
from tests.watching import everything_watched, silently_changed, watch_entries

watch_entries()

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
        "tests/workflows/test_live_burst.py",
    ),
    "evidence": ("tests/test_evidence_pack.py",),
    "world": ("tests/test_permission_matrix", "tests/test_hostile_", "tests/test_german_pages.py"),
}


# What takes longest begins first. The other workers have what needs no database until there is one.
LONGEST = ("erp", "processes")


def group_of(nodeid: str) -> str:
    """Return which group a test belongs to, '' for none."""
    return next((group for group, places in GROUPS.items() if nodeid.startswith(places)), "")


class ByPlace(LoadScopeScheduling):
    """Hands tests out to the workers in their order: one by one, groups whole.

    The mark ``xdist_group`` does nothing with pytest 9.2: xdist 3.8 changes a name that nobody reads any more.
    """

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid) or nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByPlace:
    config.option.loadscopereorder = False
    return ByPlace(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        marker = item.get_closest_marker("django_db")
        names = getattr(item, "fixturenames", ())
        if "transactional_db" in names or (marker and marker.kwargs.get("transaction")):
            raise pytest.UsageError(f"{item.nodeid}: an append-only ledger cannot be flushed; use live_db.")
        if "live_db" in names and (marker or "db" in names):
            raise pytest.UsageError(f"{item.nodeid}: live_db and db exclude each other.")
    # The database is being made meanwhile.
    items.sort(key=turn_among_workers if hasattr(config, "workerinput") else needs_database)


def turn_among_workers(item: pytest.Item) -> int:
    """Return when a test is handed out: the longest groups, what needs no database, other groups, the rest."""
    group = group_of(item.nodeid)
    if group in LONGEST:
        return LONGEST.index(group)
    if not group and not needs_database(item):
        return len(LONGEST)
    return len(LONGEST) + (1 if group else 2)


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


@contextmanager
def on_database(name: str) -> Iterator[None]:
    """Use another database for a while."""
    previous = connections["default"].settings_dict["NAME"]
    use_database(name)
    ContentType.objects.clear_cache()
    try:
        yield
    finally:
        use_database(previous)
        ContentType.objects.clear_cache()


@pytest.fixture(scope="session")
def template_database() -> str:
    """The migrated database that all others are copied from."""
    return harness.template()


class Seeds:
    """This worker's databases: one for each seed of tests/company.py, made when a test first asks for it."""

    def __init__(self, template: str, stack: ExitStack) -> None:
        self._stack = stack
        self._pristine, self._own = {"": template}, dict[str, str]()

    def pristine(self, seed: str) -> str:
        """Return the database that nothing but the seed is in, to be copied and never connected to."""
        if seed not in self._pristine:
            make, before = SEEDS[seed]
            name = self._stack.enter_context(harness.copy_of(self.pristine(before)))
            with on_database(name):
                make()
            self._pristine[seed] = name
        return self._pristine[seed]

    def own(self, seed: str) -> str:
        """Return the copy of it in which this worker's tests are rolled back."""
        if seed not in self._own:
            self._own[seed] = self._stack.enter_context(harness.copy_of(self.pristine(seed)))
        return self._own[seed]


def seed_of(names: Collection[str]) -> str:
    """Return the seed that a test with these fixtures begins with, or '': the one made last is the richest."""
    return next((seed for seed in reversed(SEEDS) if f"seeded_{seed}" in names), "")


@pytest.fixture(scope="session")
def seeds(django_db_blocker: Any, template_database: str) -> Iterator[Seeds]:
    """This worker's copies of the template, with the application role's rights on them."""
    with ExitStack() as stack, django_db_blocker.unblock():
        yield Seeds(template_database, stack)
        use_database(harness.UNNAMED)


@pytest.fixture
def django_db_setup(request: pytest.FixtureRequest, seeds: Seeds, django_db_blocker: Any) -> None:
    """Before each test that is rolled back: its database is the one with the seed it asks for."""
    with django_db_blocker.unblock():
        name = seeds.own(seed_of(request.fixturenames))
        if connections["default"].settings_dict["NAME"] != name:
            use_database(name)


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
def live_template(request: pytest.FixtureRequest, seeds: Seeds, django_db_blocker: Any) -> str:
    """What a database of a test's own is copied from; a folder of tests may name one with more in it."""
    with django_db_blocker.unblock():
        return seeds.pristine(seed_of(request.fixturenames))


@pytest.fixture
def live_db(django_db_blocker: Any, live_template: str) -> Iterator[LiveDatabase]:
    """A fresh database for this test alone: commit, start threads and processes as you like."""
    with harness.copy_of(live_template) as name, django_db_blocker.unblock(), on_database(name):
        yield LiveDatabase(name)


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
    """Start every test that touches the database with nothing cached, remembered or queued."""
    if "world" in request.fixturenames or needs_database(request.node):
        _valkey().flushdb()
        LISTS.forget()


@pytest.fixture(autouse=True)
def _every_change_is_recorded(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail where a request, a job or a command of this test changed something and left no event."""
    if not ("world" in request.fixturenames or needs_database(request.node)):
        yield
        return
    found: set[str] = set()
    with everything_watched(
        lambda name, watch: found.update(f"{name}: {what}" for what in silently_changed(name, watch))
    ):
        yield
    assert not found, "changed without an event in the ledger:\n" + "\n".join(sorted(found))


@cache
def _valkey() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL)


@pytest.fixture
def any_db(request: pytest.FixtureRequest) -> None:
    """The database the test asked for: live_db if it did, else db."""
    request.getfixturevalue("live_db" if "live_db" in request.fixturenames else "db")


def _person(request: pytest.FixtureRequest, username: str) -> Any:
    if seed_of(request.fixturenames):
        return get_user_model().objects.get(username=username)
    return person(username)


@pytest.fixture
def seeded_draft(any_db: None) -> None:
    """The cast is in the database already, and robo, who was taken on by alice and has not started work."""


@pytest.fixture
def seeded_company(any_db: None) -> None:
    """The company of tests/company.py is in the database already."""


@pytest.fixture
def seeded_granted(any_db: None) -> None:
    """It is, and robo may post invoices."""


@pytest.fixture
def alice(request: pytest.FixtureRequest, any_db: None) -> Any:
    """Alice manages."""
    return _person(request, "alice")


@pytest.fixture
def bob(request: pytest.FixtureRequest, any_db: None) -> Any:
    """Bob approves."""
    return _person(request, "bob")


@pytest.fixture
def carol(request: pytest.FixtureRequest, any_db: None) -> Any:
    """Carol audits."""
    return _person(request, "carol")


@pytest.fixture
def dave(request: pytest.FixtureRequest, any_db: None) -> Any:
    """Dave operates."""
    return _person(request, "dave")


@pytest.fixture
def mallory(request: pytest.FixtureRequest, any_db: None) -> Any:
    """Mallory has a sign-in and no right at all."""
    return _person(request, "mallory")


@pytest.fixture(scope="module")
def made_world(django_db_blocker: Any, template_database: str) -> Iterator[Any]:
    """The world of tests/world.py in a database of a module's own: to make it takes seconds."""
    from tests.fakes import FakeSystem
    from tests.world import build

    with FakeSystem() as fake, harness.copy_of(template_database) as name, django_db_blocker.unblock():
        with on_database(name):
            found = build(fake)
        yield name, found


@pytest.fixture
def world(django_db_blocker: Any, made_world: Any) -> Iterator[Any]:
    """Everybody, and something of everything, as the permission matrix asks; what a test does is undone."""
    from tests.world import undone

    name, found = made_world
    with django_db_blocker.unblock(), on_database(name), undone():
        yield found


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
