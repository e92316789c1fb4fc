"""What an agent leaves behind when it is retired: settled item by item, and its access checked once more."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from agents import policies, registry, selectors
from agents.decision import DecisionRequest
from agents.decision.gates import first_shut
from agents.models import AccessToken, Agent, ClientSecret
from agents.registry import HandoverItem
from audit.vocabulary import Actor, Refusal, RefusalKind

MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Settlement:
    """What becomes of one open item: another agent gets it (``to``), or it is left; with a reason."""

    reason: str
    to: Agent | None = None


def credentials_left(agent: Agent) -> Iterable[HandoverItem]:
    """Return the secrets and tokens of an agent; they end with it and block nothing."""
    for kind, found, one in (
        ("secret", _secrets(agent), "valid secret"),
        ("token", _tokens(agent), "access token"),
    ):
        if number := found.count():
            label = f"{number} {one}{'' if number == 1 else 's'}"
            yield HandoverItem(f"agents.{kind}s", kind, label, "Revoked at once.")


def _secrets(agent: Agent) -> QuerySet[ClientSecret]:
    return ClientSecret.objects.filter(application__agent=agent, revoked_at=None, expires_at__gt=timezone.now())


def _tokens(agent: Agent) -> QuerySet[AccessToken]:
    return AccessToken.objects.filter(user_id=agent.user_id)


def settle(*, actor: Actor, agent: Agent, settled: Mapping[str, Settlement]) -> dict[str, str]:
    """Do what was said of each open item, and return in words what was done, by its key.

    Of an item that is no longer open nothing is done. Raises Refusal ``handover_unfit``, ``reason_missing``.
    """
    if not settled:
        return {}
    done: dict[str, str] = {}
    for item in registry.handover_items(agent):
        if (said := settled.get(item.key)) is None:
            continue
        policies.require_reason(said.reason)
        if said.to is not None:
            hand_over = _way_to(item, agent, said.to)
            with transaction.atomic():
                hand_over(actor, said.to, said.reason)
            done[item.key] = f"{item.label}: given to {said.to.name}, because {said.reason.strip()}"
        else:
            if item.leave is not None:
                with transaction.atomic():
                    item.leave(actor, said.reason)
            done[item.key] = f"{item.label}: left, because {said.reason.strip()}. {item.becomes}"
    return done


def _way_to(item: HandoverItem, agent: Agent, to: Agent) -> Callable[[Actor, Agent, str], None]:
    fit = to.pk != agent.pk and to.lifecycle == Agent.Lifecycle.ACTIVE
    if item.hand_over is not None and fit:
        return item.hand_over
    why = f"{to.name} is not another active agent" if item.hand_over else "nobody else can have it"
    raise Refusal(
        "handover_unfit",
        f"{agent.name} was not retired: {item.label} cannot be handed to {to.name}: {why}.",
        kind=RefusalKind.INVALID,
        next_step="Choose another agent, or leave it with a reason.",
    )


def require_nothing_open(agent: Agent, done: Mapping[str, str]) -> None:
    """Raise Refusal ``handover_open`` while something blocks that nobody has settled. Under its lock."""
    left = [item for item in registry.handover_items(agent) if item.blocking and item.key not in done]
    if not left:
        return
    named = "; ".join(item.label for item in left[:MOST_NAMED])
    more = f" and {len(left) - MOST_NAMED} more" if len(left) > MOST_NAMED else ""
    raise Refusal(
        "handover_open",
        f"{agent.name} was not retired: it still has {named}{more}.",
        detail={"open": [{"key": item.key, "label": item.label} for item in left[:100]]},
        kind=RefusalKind.CONFLICT,
        next_step="Hand each over to another agent, or say why it is left, on the page of its life.",
    )


def confirm_revoked(agent: Agent, codes: Iterable[str], withdrawn: int) -> list[str]:
    """Check that nothing of a retired agent works any more, and return in words what was checked.

    Raises Refusal ``revocation_incomplete`` when something would: then the caller changes nothing.
    """
    agent = Agent.objects.select_related("user", "role", "sponsor").get(pk=agent.pk)
    now, wrong = timezone.now(), []
    if _secrets(agent).exists():
        wrong.append("a secret")
    if _tokens(agent).exists():
        wrong.append("a token")
    if agent.user.is_active or policies.may_authenticate(agent) is None:
        wrong.append("its identity")
    facts, snapshot = selectors.agent_facts(agent), selectors.authority_snapshot()
    if any(grant.holder_kind == "user" and grant.holder_id == facts.user_id for grant in snapshot.grants):
        wrong.append("a grant of its own")
    known = sorted(codes)
    for code in known:
        asked = DecisionRequest(
            agent=facts, operation_code=code, operation=registry.find_operation(code), arguments={}, now=now
        )
        if first_shut(asked, snapshot) is None:
            wrong.append(code)
    if wrong:
        raise Refusal(
            "revocation_incomplete",
            f"{agent.name} was not retired: {', '.join(wrong)} would still work.",
            kind=RefusalKind.CONFLICT,
            next_step="Suspend it now, and tell an administrator: its access must be closed by hand first.",
        )
    return [
        "Checked afterwards: no secret of it is valid, no token is accepted, its identity cannot sign in.",
        f"Checked afterwards: grants of its own that were taken away: {withdrawn}, left: 0; "
        f"operations it could use that are refused now: {len(known)} of {len(known)}.",
    ]
