"""What each kind of system has to be told, and what it offers: asked of its driver, never guessed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.db.models import Q

from audit.vocabulary import Actor, Refusal, RefusalKind
from connectors.choices import driver_kinds
from connectors.models import Operation, System
from connectors.policies.schemas import schema_problems
from connectors.services.drivers import load_driver
from connectors.services.operations import publish_operation
from connectors.vocabulary import Needs, Offer

LONGEST_DESCRIPTION = 2_000_000  # characters
MOST_OFFERS = 200


def addable_kinds() -> list[tuple[str, Needs]]:
    """Return the kinds of system that people connect, each with what its driver needs to be told."""
    found = [(kind, needs_of(kind)) for kind, _ in driver_kinds()]
    return [(kind, needs) for kind, needs in found if needs.addable]


def needs_of(kind: str) -> Needs:
    """Return what the driver of a kind needs to be told; of one that does not say: what every system needs."""
    needs: Needs = getattr(load_driver(kind), "needs", None) or Needs()
    return needs if needs.title else replace(needs, title=kind.replace("_", " ").capitalize())


def catalogue_of(system: System) -> list[Offer]:
    """Return the operations that the driver of a system knows by itself and that are not published yet."""
    published = published_keys(system)
    known: Sequence[Offer] = getattr(load_driver(system.kind), "catalogue", ())
    return [offer for offer in known if offer.key not in published]


def described_offers(system: System, text: str) -> list[Offer]:
    """Return the operations that a description of the system names, those that cannot be taken with the reason.

    Raises Refusal ``description_invalid``.
    """
    if len(text) > LONGEST_DESCRIPTION:
        raise _unreadable("it is larger than two million characters. Keep only the paths you need.")
    if not needs_of(system.kind).descriptions:
        raise _unreadable("a system of this kind is not described by a text.")
    driver: Any = load_driver(system.kind)
    try:
        found: list[Offer] = driver.offers(text)
    except ValueError as error:
        raise _unreadable(f"{error}") from error
    published = published_keys(system)
    return [_judged(offer) for offer in found if offer.key not in published][:MOST_OFFERS]


def offer_by_hand(system: System, given: Mapping[str, Any]) -> Offer:
    """Return the operation that somebody described in a form; raises Refusal ``description_invalid``."""
    if not needs_of(system.kind).by_hand:
        raise _unreadable("an operation of this kind of system is not described by hand here.")
    driver: Any = load_driver(system.kind)
    try:
        offer: Offer = driver.offer_by_hand(given)
    except ValueError as error:
        raise _unreadable(f"{error}") from error
    return offer


def publish_offer(*, actor: Actor, system: System, offer: Offer, reason: str) -> Any:
    """Publish an offered operation at a system, as ``publish_operation`` publishes any; its code names both."""
    code = code_of(system, offer.key)
    lookup = Operation.objects.filter(system=system, code=code_of(system, offer.lookup)).first()
    return publish_operation(
        actor=actor,
        system=system,
        code=code,
        name=offer.name[:120],
        description=offer.description[:2000],
        effect=offer.effect,
        idempotent=offer.idempotent,
        money_path=offer.money_path,
        reference_field=offer.reference_field,
        label_template=offer.label_template[:200],
        lookup_operation=lookup if offer.lookup else None,
        input_schema=offer.input_schema,
        mapping=offer.mapping,
        reason=reason,
    )


def code_of(system: System, key: str) -> str:
    """Return the code of an operation at a system: ``crm.contact.find``."""
    return f"{prefix_of(system)}.{key}"[:120]


def prefix_of(system: System) -> str:
    """Return the first word of the codes of a system's operations."""
    word = system.code.replace("-", "_").lower().strip("_")
    return word if word[:1].isalpha() else f"s_{word}"


def published_keys(system: System) -> set[str]:
    """Return the keys of the operations that a system has already."""
    prefix = f"{prefix_of(system)}."
    codes = Operation.objects.filter(Q(system=system) | Q(code__startswith=prefix)).values_list(
        "code", flat=True
    )
    return {code.removeprefix(prefix) for code in codes}


def _judged(offer: Offer) -> Offer:
    """Return an offer with the first thing that the house does not take in its arguments, if there is one."""
    if offer.why_not or not (problems := schema_problems(offer.input_schema)):
        return offer
    return replace(offer, why_not=problems[0])


def _unreadable(why: str) -> Refusal:
    return Refusal(
        "description_invalid",
        f"Nothing could be read from it: {why}",
        kind=RefusalKind.INVALID,
        next_step="Correct it, or describe one operation by hand.",
    )
