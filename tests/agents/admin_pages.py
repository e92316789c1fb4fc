"""How a test of the admin signs in, opens a page, and does something on it."""

from __future__ import annotations

from typing import Any

from django.test import Client
from django.urls import reverse


def signed_in(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


def page(obj: Any, verb: str = "change") -> str:
    return reverse(f"admin:agents_{obj._meta.model_name}_{verb}", args=[obj.pk])


def listing(model: Any) -> str:
    return reverse(f"admin:agents_{model._meta.model_name}_changelist")


def adding(model: Any) -> str:
    return reverse(f"admin:agents_{model._meta.model_name}_add")


def do(client: Client, obj: Any, verb: str, **data: Any) -> Any:
    """Fill in the dialog of an action and send it."""
    return client.post(
        page(obj, verb),
        {"_form_submitted": "1", "reason": "Because it is needed", **data},
        headers={"hx-request": "true"},
    )


def said(client: Client, obj: Any) -> str:
    """Return the messages that wait for this person, as the next page shows them."""
    return " ".join(str(message) for message in client.get(page(obj)).context["messages"])


def errors(answer: Any) -> str:
    return str(answer.context["adminform"].form.errors) if answer.context else ""


REGISTRATION = {
    "name": "Clerk",
    "code": "clerk",
    "purpose": "Posts invoices.",
    "reached_by": "polls",
    "autonomy": "by_contract",
    "risk_tier": "medium",
    "reason": "Help for the team",
}


RULE = {
    "name": "Large invoices",
    "operations": "erp.supplier_invoice.post",
    "field": "amount",
    "comparison": "above",
    "value": "10000.00",
    "verdict": "hold",
    "quorum": "1",
    "stage": "1",
    "mode": "enforced",
    "reason": "The board decided so",
}
