"""Northwind Pumps GmbH: its departments, jobs and people."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.contrib.auth.models import Group
from django.db import models
from django.utils import timezone

from agents.models import CompanySettings, Department, ExchangeRate, Role, User
from agents.services.history import stamp
from audit.vocabulary import Actor

REASON = "Setting up the demo company"
# From the beginning of last year, so that every invoice date has a rate.
USD_IN_MILLIONTHS = 925_926


@dataclass(frozen=True)
class Person:
    """Somebody who works here and may sign in."""

    username: str
    first_name: str
    last_name: str
    department: str
    groups: tuple[str, ...]
    does: str


PEOPLE = (
    Person("alice", "Alice", "Ahrens", "finance", ("Managers",), "manages: registers agents, sets their rules"),
    Person("bob", "Bob", "Brandt", "finance", ("Approvers",), "approves: decides what is held"),
    Person("carol", "Carol", "Conti", "northwind", ("Auditors",), "audits: reads everything, changes nothing"),
    Person("dave", "Dave", "Dietz", "it", ("Operators",), "operates: watches, pauses, stops"),
    Person("mallory", "Mallory", "Moss", "purchasing", (), "may sign in and nothing else"),
)
DEPARTMENTS = (
    ("northwind", "Northwind Pumps", ""),
    ("finance", "Finance", "northwind"),
    ("purchasing", "Purchasing", "northwind"),
    ("it", "IT", "northwind"),
)
ROLES = (
    {
        "code": "bookkeeper",
        "name": "Bookkeeper",
        "job_description": "Enters supplier invoices into the ERP and keeps the supplier list in order.",
        "responsibilities": "Every invoice is posted once, to the right supplier, with number and date.",
        "expected_performance": "Posted on the day it arrives; fewer than 1 in 200 corrected afterwards.",
    },
    {
        "code": "buyer",
        "name": "Buyer",
        "job_description": "Finds suppliers and keeps their records.",
        "responsibilities": "No supplier is entered twice; every one has an address.",
        "expected_performance": "A new supplier is ready to order from within one working day.",
    },
    {
        "code": "reader",
        "name": "Reader",
        "job_description": "Looks things up in the ERP for others.",
        "responsibilities": "Answers name the record they come from.",
        "expected_performance": "Nine of ten questions are answered within a minute.",
    },
)


def set_up_company(*, actor: Actor) -> dict[str, str]:
    """Create what is missing of company, departments, roles and people; return the passwords of new people."""
    settings = CompanySettings.objects.get()
    if settings.name != "Northwind Pumps GmbH":
        settings.name, settings.currency = "Northwind Pumps GmbH", "EUR"
        _save(settings, actor)
    _set_up_rate(actor)
    for code, name, parent in DEPARTMENTS:
        _ensure(Department, actor, code, name=name, parent=Department.objects.filter(code=parent).first())
    for fields in ROLES:
        _ensure_role(actor, dict(fields))
    passwords = {person.username: _hire(person, actor) for person in PEOPLE if not _known(person)}
    _name_managers(actor)
    return passwords


def person(username: str) -> User:
    """Return one of the demo people."""
    return User.objects.get(username=username)


def _set_up_rate(actor: Actor) -> None:
    first_day = date(timezone.now().year - 1, 1, 1)
    if not ExchangeRate.objects.filter(currency="USD").exists():
        _save(ExchangeRate(currency="USD", rate=USD_IN_MILLIONTHS, valid_from=first_day), actor)


def _ensure(model: type[models.Model], actor: Actor, code: str, **fields: Any) -> None:
    if not model._default_manager.filter(code=code).exists():
        _save(model(code=code, **fields), actor)


def _ensure_role(actor: Actor, fields: dict[str, str]) -> None:
    if Role.objects.filter(code=fields["code"]).exists():
        return
    group, _ = Group.objects.get_or_create(name=f"Agents: {fields['name']}")
    _save(Role(group=group, **fields), actor)


def _known(person: Person) -> bool:
    return User.objects.filter(username=person.username).exists()


def _hire(person: Person, actor: Actor) -> str:
    password = secrets.token_urlsafe(12)
    user = User(
        username=person.username,
        email=f"{person.username}@northwind.example",
        first_name=person.first_name,
        last_name=person.last_name,
        kind=User.Kind.PERSON,
        is_staff=True,
        department=Department.objects.get(code=person.department),
    )
    user.set_password(password)
    _save(user, actor)
    user.groups.set(Group.objects.filter(name__in=person.groups))
    return password


def _name_managers(actor: Actor) -> None:
    for department in Department.objects.filter(manager=None, code__in=["northwind", "finance", "purchasing"]):
        department.manager = person("alice")
        _save(department, actor)


def _save(row: models.Model, actor: Actor) -> None:
    row.full_clean()
    stamp(row, actor=actor, reason=REASON).save()
