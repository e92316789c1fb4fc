"""Where higher rooms hang in what this room must not import: operations, grants, changes, panels."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import UUID

from django.db import transaction

from agents.decision.authority import Authority
from agents.decision.employment import Evidence
from agents.decision.facts import GrantFacts, OperationFacts
from agents.decision.said import Said
from agents.models import Agent, ChangeRequest, Role, Stop, Throttle, User
from audit.once import once
from audit.vocabulary import Actor

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AgentPanel:
    """A table on the page of an agent. Cells are text, escaped when shown; ``links`` are (label, address)."""

    title: str
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    empty: str = "Nothing yet."
    links: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True)
class StopTarget:
    """Something that can be stopped: its id as a stop carries it, its name for people, its short code."""

    id: str
    label: str
    code: str = ""


@dataclass(frozen=True, slots=True)
class StopDuty:
    """Something that a stop takes back, or waits for, after it has committed.

    ``contain(stop)`` does what can be done, in transactions of its own, without the lock of the stop, and
    returns how many it took back; it may be called again, and at the same time elsewhere. ``remaining(stop)``
    counts what is not contained yet: only zero is proof. ``label`` and ``left`` are words for people.
    """

    name: str
    label: str
    left: str
    contain: Callable[[Stop], int]
    remaining: Callable[[Stop], int]


@dataclass(frozen=True, slots=True)
class StepUpMethod:
    """A way to show again who one is. ``label``: what is shown, in words (password); ``shows(user, given)``
    says whether what somebody gave is theirs, and takes as long when it is not."""

    label: str
    shows: Callable[[User, Mapping[str, str]], bool]


FindTarget = Callable[[str], "StopTarget | None"]
ListTargets = Callable[[], Sequence[StopTarget]]
ApplyFn = Callable[[Actor, ChangeRequest], None]
CurrentFn = Callable[[ChangeRequest], str]
ProposeGrantFn = Callable[[Actor, str, "Agent | Role", str], ChangeRequest]
WaitingGrantFn = Callable[[str, "Agent | Role"], "ChangeRequest | None"]
ForeseeFn = Callable[[ChangeRequest, Authority], Authority]

RemarkFn = Callable[[ChangeRequest, Authority], Sequence[Said]]

_find_operation: list[Callable[[str], OperationFacts | None]] = []
_list_operations: list[Callable[[], Sequence[OperationFacts]]] = []
_grant_providers: list[Callable[[], Iterable[GrantFacts]]] = []
_granting: list[tuple[ProposeGrantFn, WaitingGrantFn]] = []
_change_kinds: dict[str, tuple[ApplyFn, CurrentFn | None]] = {}
_foreseen: dict[str, ForeseeFn] = {}
_remarks: dict[str, RemarkFn] = {}
_change_listeners: list[Callable[[Actor, ChangeRequest], None]] = []
PanelFn = Callable[[Agent, User], "AgentPanel | None"]
_agent_panels: dict[str, PanelFn] = {}
_contract_notes: list[Callable[[Agent], Iterable[str]]] = []
_role_permissions: dict[str, set[str]] = {}
_stop_targets: dict[str, tuple[FindTarget, ListTargets]] = {}
_stop_duties: dict[str, StopDuty] = {}
_throttle_counts: dict[str, Callable[[Throttle], int | None]] = {}
_loosened: list[Callable[[Throttle], None]] = []
_eased: list[Callable[[Stop], None]] = []
_agent_changed: list[Callable[[Agent, str], None]] = []
_stop_changed: list[Callable[[Stop], None]] = []
_run_spent: list[Callable[[str, str], None]] = []


def register_operation_catalogue(
    find: Callable[[str], OperationFacts | None], every: Callable[[], Sequence[OperationFacts]] | None = None
) -> None:
    """Say how an operation is found by code, and how all of them (with input schemas) are listed for lints."""
    _find_operation[:] = [find]
    _list_operations[:] = [every] if every else []


def find_operation(code: str) -> OperationFacts | None:
    """Return the facts of an operation, or None when nobody knows it (the decision then denies)."""
    return _find_operation[0](code) if _find_operation else None


def all_operations() -> Sequence[OperationFacts]:
    """Return every operation that is switched on."""
    return once("operations", _list_operations[0]) if _list_operations else ()


def register_grants_provider(provider: Callable[[], Iterable[GrantFacts]]) -> None:
    """Add a source of grants for the snapshot; its tables must carry the trigger ``bump_authority()``."""
    if provider not in _grant_providers:
        _grant_providers.append(provider)


def grants() -> frozenset[GrantFacts]:
    """Return every grant of every provider."""
    return frozenset(grant for provider in _grant_providers for grant in provider())


def register_granting(propose: ProposeGrantFn, waiting: WaitingGrantFn) -> None:
    """Say how a grant is proposed to a second person, and how one that waits already is found."""
    _granting[:] = [(propose, waiting)]


def propose_grant(actor: Actor, operation: str, holder: Agent | Role, reason: str) -> ChangeRequest:
    """Ask a second person to let an agent or a role use an operation, by its code; nothing is given by it.

    Raises Refusal: not allowed, ``already_granted``, ``already_proposed``, or no such operation.
    """
    return _granting[0][0](actor, operation, holder, reason)


def waiting_grant(operation: str, holder: Agent | Role) -> ChangeRequest | None:
    """Return the proposal that waits already for just this grant."""
    return _granting[0][1](operation, holder)


def register_change_kind(kind: str, apply_fn: ApplyFn, current_fn: CurrentFn | None = None) -> None:
    """Say how a kind of change is applied, and how the present version of its target is named.

    ``current_fn(change_request)`` must return the same text as was given as ``target_version`` at the proposal,
    or the change is refused as stale.
    """
    _change_kinds[kind] = (apply_fn, current_fn)


def change_kind(kind: str) -> tuple[ApplyFn, CurrentFn | None]:
    """Return (apply, current version) of a kind; raises KeyError when nobody registered it."""
    return _change_kinds[kind]


def register_foresight(kind: str, foresee_fn: ForeseeFn) -> None:
    """Say what all authority will be once a change of a kind is applied: ``foresee_fn(change, now)``.

    It writes and locks nothing. Raises LookupError or ObjectDoesNotExist when what it is about is gone.
    """
    _foreseen[kind] = foresee_fn


def foresight(kind: str) -> ForeseeFn | None:
    """Return how a kind of change is foreseen; None when it says nothing about what agents may do."""
    return _foreseen.get(kind)


def register_remark(kind: str, remark_fn: RemarkFn) -> None:
    """Say what else whoever decides on a kind of change should read: ``remark_fn(change, now)``."""
    _remarks[kind] = remark_fn


def remarks(change: ChangeRequest, now: Authority) -> tuple[Said, ...]:
    """Return what else is to be read before a change is decided."""
    remark = _remarks.get(change.kind)
    return tuple(remark(change, now)) if remark else ()


def on_change_request(
    listener: Callable[[Actor, ChangeRequest], None],
) -> Callable[[Actor, ChangeRequest], None]:
    """Call ``listener(actor, change_request)`` in the transaction of every proposal and decision about it."""
    if listener not in _change_listeners:
        _change_listeners.append(listener)
    return listener


def tell_change_listeners(actor: Actor, change_request: ChangeRequest) -> None:
    """Tell everybody who listens that a change request was made or changed state."""
    for listener in _change_listeners:
        listener(actor, change_request)


def register_agent_panel(name: str, panel: PanelFn) -> None:
    """Add a panel to the Authority tab of an agent's page.

    ``panel(agent, user)`` returns an AgentPanel, or None when this user may not see it.
    """
    _agent_panels[name] = panel


def agent_file_panels() -> dict[str, PanelFn]:
    """Return the panels of the agent's page, in the order they were registered."""
    return dict(_agent_panels)


def register_contract_note(note: Callable[[Agent], Iterable[str]]) -> None:
    """Add sentences to how an agent stands right now, in its contract: what binds nobody and ends by itself."""
    if note not in _contract_notes:
        _contract_notes.append(note)


def contract_notes(agent: Agent) -> list[str]:
    """Return what other rooms say of how an agent stands right now."""
    return [said for note in _contract_notes for said in note(agent)]


def register_role_permissions(group: str, permissions: Iterable[str]) -> None:
    """Let a standard group (Managers, Approvers, Operators, Auditors) hold rights ``app_label.codename``.

    Rooms call it in ``ready``; after every ``migrate`` the groups exist and hold at least what was registered.
    """
    _role_permissions.setdefault(group, set()).update(permissions)


def role_permissions() -> dict[str, frozenset[str]]:
    """Return what each standard group holds, by the name of the group."""
    return {group: frozenset(found) for group, found in _role_permissions.items()}


def register_stop_targets(kind: str, find: FindTarget, every: ListTargets) -> None:
    """Say what of a kind can be stopped: ``find(id or code)`` returns None for what does not exist."""
    _stop_targets[kind] = (find, every)


def find_stop_target(kind: str, name: str) -> StopTarget | None:
    """Return what an id or a code means, or None when there is no such thing (or no such kind)."""
    return _stop_targets[kind][0](name) if kind in _stop_targets else None


def stop_targets(kind: str) -> Sequence[StopTarget]:
    """Return everything of a kind that can be stopped, as people would look for it."""
    return _stop_targets[kind][1]() if kind in _stop_targets else ()


def register_stop_duty(duty: StopDuty) -> None:
    """Add what has to be taken back before a stop counts as contained."""
    _stop_duties[duty.name] = duty


def stop_duties() -> list[StopDuty]:
    """Return every duty, in the order they were registered."""
    return list(_stop_duties.values())


def register_throttle_count(label: str, count: Callable[[Throttle], int | None]) -> None:
    """Let the page of a throttle say how many there are now; None where the label means nothing."""
    _throttle_counts[label] = count


def throttle_counts(throttle: Throttle) -> dict[str, int]:
    """Return what is counted for a throttle now, by label."""
    counted = {label: count(throttle) for label, count in _throttle_counts.items()}
    return {label: number for label, number in counted.items() if number is not None}


def on_throttle_loosened(listener: Callable[[Throttle], None]) -> None:
    """Call ``listener(throttle)`` when more may begin under it. It is a hint, given after the commit."""
    if listener not in _loosened:
        _loosened.append(listener)


def tell_throttle_loosened(throttle: Throttle) -> None:
    """Tell that a throttle lets more begin, once the transaction has committed."""
    for listener in _loosened:
        transaction.on_commit(partial(listener, throttle), robust=True)


def on_stop_eased(listener: Callable[[Stop], None]) -> None:
    """Call ``listener(stop)`` when a stop was lifted or taken a stage back. A hint, given after the commit."""
    if listener not in _eased:
        _eased.append(listener)


def tell_stop_eased(stop: Stop) -> None:
    """Tell that a stop keeps back less, or nothing more, once the transaction has committed."""
    for listener in _eased:
        transaction.on_commit(partial(listener, stop), robust=True)


def on_agent_changed(listener: Callable[[Agent, str], None]) -> None:
    """Call ``listener(agent, verb)`` in the transaction of every change of an agent's file or brake."""
    if listener not in _agent_changed:
        _agent_changed.append(listener)


def tell_agent_changed(agent: Agent, verb: str) -> None:
    """Tell everybody who listens; ``verb`` is that of the event."""
    for listener in _agent_changed:
        _keep_going(partial(listener, agent, verb))


def on_stop_changed(listener: Callable[[Stop], None]) -> None:
    """Call ``listener(stop)`` in the transaction that raises, eases, tightens or lifts a stop."""
    if listener not in _stop_changed:
        _stop_changed.append(listener)


def tell_stop_changed(stop: Stop) -> None:
    """Tell everybody who listens, in this transaction."""
    for listener in _stop_changed:
        _keep_going(partial(listener, stop))


def _keep_going(tell: Callable[[], None]) -> None:
    """A brake and a stop take hold, whatever becomes of telling of them."""
    try:
        with transaction.atomic():
            tell()
    except Exception:
        logger.exception("Somebody could not be told of a brake or a stop.")


def on_run_spent(listener: Callable[[str, str], None]) -> Callable[[str, str], None]:
    """Call ``listener(run_id, limit)`` after the commit in which a run has spent its budget."""
    if listener not in _run_spent:
        _run_spent.append(listener)
    return listener


def tell_run_spent(run_id: str, limit: str) -> None:
    """Tell whoever keeps runs that one has spent its budget."""
    for listener in _run_spent:
        listener(run_id, limit)


_step_up: dict[str, StepUpMethod] = {}


def register_step_up(name: str, method: StepUpMethod) -> None:
    """Let people show again who they are in this way, e.g. a passkey."""
    _step_up[name] = method


def step_up_methods() -> dict[str, StepUpMethod]:
    """Return every way, by its name."""
    return dict(_step_up)


@dataclass(frozen=True, slots=True)
class HandoverItem:
    """Something open when an agent is retired, and what becomes of it. ``blocking``: it must be settled.

    ``hand_over(actor, to, reason)`` gives it to another agent where that is possible; ``leave(actor, reason)``
    does what ``becomes`` says. Both are called in the transaction that retires it, before its lock is taken.
    """

    key: str
    kind: str
    label: str
    becomes: str
    blocking: bool = False
    hand_over: Callable[[Actor, Agent, str], None] | None = None
    leave: Callable[[Actor, str], None] | None = None


@dataclass(frozen=True, slots=True)
class InHand:
    """What an agent has in hand now: what it works on, what waits for people, what is in doubt."""

    working: int = 0
    waiting: int = 0
    doubts: int = 0


InHandFn = Callable[[Collection[UUID]], Mapping[UUID, InHand]]
HandoverFn = Callable[[Agent], Iterable[HandoverItem]]
EvidenceFn = Callable[[Agent, datetime, datetime], Evidence]
CountsFn = Callable[[Agent, datetime], Mapping[str, int]]
WithdrawFn = Callable[[Actor, Agent, "Iterable[str] | None", str], int]
NewsFn = Callable[[Actor, Agent, str, str], None]
_handover: dict[str, HandoverFn] = {}
_evidence: list[EvidenceFn] = []
_counts: list[CountsFn] = []
_withdraw: list[WithdrawFn] = []
_news: list[NewsFn] = []
_in_hand: list[InHandFn] = []


def register_handover(name: str, items: HandoverFn) -> None:
    """Add what of a kind an agent has open; it is asked again under the lock of the agent."""
    _handover[name] = items


def handover_items(agent: Agent) -> list[HandoverItem]:
    """Return everything an agent has open, what blocks first."""
    found = [item for items in _handover.values() for item in items(agent)]
    return sorted(found, key=lambda item: not item.blocking)


def register_in_hand(in_hand_fn: InHandFn) -> None:
    """Say how it is counted what agents have in hand, by their keys, at once for all on a page."""
    _in_hand[:] = [in_hand_fn]


def in_hand(keys: Collection[UUID]) -> Mapping[UUID, InHand]:
    """Return what each of some agents has in hand; one that has nothing may be missing."""
    return _in_hand[0](keys) if _in_hand and keys else {}


def register_evidence(evidence_fn: EvidenceFn, counts_fn: CountsFn) -> None:
    """Say how an agent's records are counted: its evidence in a time, and what may put it back since one."""
    _evidence[:], _counts[:] = [evidence_fn], [counts_fn]


def evidence(agent: Agent, since: datetime, until: datetime) -> Evidence:
    """Return the numbers of an agent's record; zeros where nobody keeps any."""
    if _evidence:
        return _evidence[0](agent, since, until)
    return Evidence(since=since.isoformat(timespec="seconds"), days=max((until - since).days, 0))


def breach_counts(agent: Agent, since: datetime) -> Mapping[str, int]:
    """Return how much of what may put an agent back is on record since a moment, by the name of the term."""
    return _counts[0](agent, since) if _counts else {}


def register_withdrawal(withdraw: WithdrawFn) -> None:
    """Say how grants of one agent are taken away: those of some operations, or all (None); returns how many."""
    _withdraw[:] = [withdraw]


def withdraw_grants(actor: Actor, agent: Agent, operations: Iterable[str] | None, reason: str) -> int:
    """Take grants of an agent itself away, in the caller's transaction, which has asked whether it may."""
    return _withdraw[0](actor, agent, operations, reason) if _withdraw else 0


def on_employment_news(listener: NewsFn) -> None:
    """Call ``listener(actor, agent, news, sentence)`` in the transaction that changes an agent's standing."""
    if listener not in _news:
        _news.append(listener)


def tell_employment(actor: Actor, agent: Agent, news: str, sentence: str) -> None:
    """Tell that an agent was promoted, put back, confirmed or retired, or got or lost who answers for it."""
    for listener in _news:
        listener(actor, agent, news, sentence)
