"""The company most tests begin in, made once for each worker by the services and then only copied and read.

Its people are the cast, robo is an agent at work, and an invoice book is installed whose ``find`` and ``post``
are published. To make it takes a third of a second, to read what a test needs of it a few milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group

from agents.models import Agent, Department, Role, User
from agents.services.lifecycle import register_agent
from audit.vocabulary import Actor
from connectors.models import Account, Operation, System
from connectors.services import grant_operation
from tests.fakes import KEY, install

PASSWORD = "correct horse battery staple"
TESTS = Actor.system("tests")
CAST = {
    "alice": ["Managers"],
    "bob": ["Approvers"],
    "carol": ["Auditors"],
    "dave": ["Operators"],
    "mallory": [],
}
# Nobody answers there: a test that calls the book says where its own is (``move``).
NOWHERE = "http://127.0.0.1:9"
_hashed = lru_cache(make_password)


def person(username: str, *groups: str) -> User:
    """Make a person, of the cast or in these groups, without the record of each change of their groups."""
    people = get_user_model()
    user = people(username=username, email=f"{username}@northwind.example", first_name=username.capitalize())
    user.password, user.is_staff = _hashed(PASSWORD), True
    user.save(force_insert=True)
    member = people.groups.through
    joined = [Group.objects.get_or_create(name=name)[0] for name in groups or CAST[username]]
    member.objects.bulk_create([member(user=user, group=group) for group in joined])
    return user


def new_agent(sponsor: User, code: str = "robo") -> Agent:
    """Take on an active agent that works within its contract."""
    department = Department.objects.filter(code="finance").first() or Department.objects.create(
        code="finance", name="Finance"
    )
    role = Role.objects.filter(code="bookkeeper").first()
    if role is None:
        group = Group.objects.create(name="role: bookkeeper")
        role = Role.objects.create(code="bookkeeper", name="Bookkeeper", group=group)
    user = User(username=code, kind=User.Kind.AGENT, first_name=code.capitalize())
    user.set_unusable_password()
    user.save()
    user.groups.add(role.group)
    return Agent.objects.create(
        user=user,
        name=code.capitalize(),
        code=code,
        purpose="Posts invoices.",
        sponsor=sponsor,
        department=department,
        role=role,
        lifecycle=Agent.Lifecycle.ACTIVE,
        autonomy=Agent.Autonomy.BY_CONTRACT,
    )


class _Nowhere:
    url, key = NOWHERE, KEY


def _people() -> None:
    for username in CAST:
        person(username)


def _a_draft() -> None:
    alice = User.objects.get(username="alice")
    group = Group.objects.create(name="Role: bookkeeper")
    register_agent(
        actor=alice.as_actor(),
        name="Robo",
        code="robo",
        purpose="Posts supplier invoices.",
        sponsor=alice,
        department=Department.objects.create(code="finance", name="Finance"),
        role=Role.objects.create(code="bookkeeper", name="Bookkeeper", group=group),
        reason="The team needs a bookkeeper",
    )


def _robo_and_its_book() -> None:
    new_agent(User.objects.get(username="alice"))
    install(_Nowhere())


def _leave_to_post() -> None:
    agent, operation = Agent.objects.get(code="robo"), Operation.objects.get(code="fake.invoice.post")
    grant_operation(actor=TESTS, operation=operation, agent=agent, reason="set up for a test")


# What a database holds before a test begins: how it is made, and out of which other.
SEEDS: dict[str, tuple[Callable[[], None], str]] = {
    "cast": (_people, ""),
    "draft": (_a_draft, "cast"),
    "company": (_robo_and_its_book, "cast"),
    "granted": (_leave_to_post, "company"),
}


def robo() -> Agent:
    """Read the agent of the company, or the draft of it."""
    return Agent.objects.select_related("user", "sponsor", "department", "role__group").get(code="robo")


def book(url: str) -> dict[str, Any]:
    """Move the invoice book of the company to an address; return it as ``tests.fakes.install`` does."""
    System.objects.filter(code="fake").update(base_url=url, allowed_hosts=[url])
    account = Account.objects.select_related("system", "secret").get(system__code="fake")
    found = Operation.objects.select_related("current_revision", "lookup_operation")
    operations = {one.code.rpartition(".")[2]: one for one in found.filter(system=account.system)}
    for operation in operations.values():
        operation.system = account.system
    return {"system": account.system, "account": account, **operations}
