"""Northwind Pumps GmbH: its departments, jobs and people."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import date

from django.contrib.auth.models import Group
from django.utils import timezone

from agents.models import CompanySettings, Department, ExchangeRate, Role, User
from agents.services import organisation, people
from audit.vocabulary import Actor

NAME = "Northwind Pumps GmbH"
REASON = "Setting up the demo company"
# Millionths of a euro for one unit, valid from the beginning of last year. The franc has none on purpose: what
# is asked for in a currency without a rate waits for a person.
RATES = {"USD": 925_926, "GBP": 1_162_791, "SEK": 88_889, "NOK": 86_207, "DKK": 134_048}


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
    ("accounts-payable", "Accounts payable", "finance"),
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
        "job_description": "Reads documents and looks things up in the ERP for others.",
        "responsibilities": "Nothing is guessed; answers name the record or the place they come from.",
        "expected_performance": "Nine of ten questions are answered within a minute.",
    },
    {
        "code": "checker",
        "name": "Checker",
        "job_description": "Compares invoices with themselves, with orders and with what is on file.",
        "responsibilities": "Everything that is odd about an invoice is said before it is posted.",
        "expected_performance": "Every invoice is checked within ten minutes; changes nothing anywhere.",
    },
)


def set_up_company(*, actor: Actor) -> dict[str, str]:
    """Create what is missing of company, departments, roles and people; return the passwords of new people."""
    if CompanySettings.objects.get().name != NAME:
        organisation.update_company(actor=actor, name=NAME, currency="EUR", reason=REASON)
    known = set(ExchangeRate.objects.values_list("currency", flat=True))
    for currency, rate in RATES.items():
        if currency not in known:
            valid_from = date(timezone.now().year - 1, 1, 1)
            organisation.set_exchange_rate(
                actor=actor, currency=currency, rate_millionths=rate, valid_from=valid_from, reason=REASON
            )
    for code, name, parent in DEPARTMENTS:
        if not Department.objects.filter(code=code).exists():
            above = Department.objects.filter(code=parent).first()
            organisation.create_department(actor=actor, code=code, name=name, parent=above, reason=REASON)
    for fields in ROLES:
        if not Role.objects.filter(code=fields["code"]).exists():
            organisation.create_role(actor=actor, reason=REASON, **fields)
    passwords = {who.username: _hire(actor, who) for who in PEOPLE if not _works_here(who)}
    for department in Department.objects.filter(manager=None, code__in=["northwind", "finance", "purchasing"]):
        organisation.update_department(
            actor=actor, department=department, values={"manager": person("alice")}, reason=REASON
        )
    return passwords


def person(username: str) -> User:
    """Return one of the demo people."""
    return User.objects.get(username=username)


def _works_here(who: Person) -> bool:
    return User.objects.filter(username=who.username).exists()


def _hire(actor: Actor, who: Person) -> str:
    password = secrets.token_urlsafe(12)
    people.create_person(
        actor=actor,
        username=who.username,
        password=password,
        groups=Group.objects.filter(name__in=who.groups),
        first_name=who.first_name,
        last_name=who.last_name,
        email=f"{who.username}@northwind.example",
        department=Department.objects.get(code=who.department),
        reason=REASON,
    )
    return password
