"""What a change of one limit lets whom do, in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

from agents.decision import wording
from agents.decision.counting import FAILURES, RUNNING
from agents.decision.direction import Direction, direction_of_measure
from agents.decision.facts import AgentFacts, MeasureDefinition, Mode, RuleFacts
from agents.decision.said import NOTHING, Said, looser, shown, tighter, who
from agents.decision.speech import series, span

_SAID = frozenset({"measure_id", "code", "name", "version", "mode", "ceiling", "on_exceed"})
_COUNTING = (
    "key", "amount", "unit", "window", "window_seconds", "operations", "scope_kind", "scope_id", "ceiling",
)  # fmt: skip
_STRICT = {"hold": 1, "deny": 2, "pause": 3}
_LABELS = {
    "key": "counted apart for each",
    "amount": "what each call adds",
    "unit": "the unit",
    "window": "the window",
    "window_seconds": "the seconds of the window",
    "operations": "the operations",
}


@dataclass(frozen=True, slots=True)
class LimitCase:
    """One limit before (None: new) and after (None: removed), whom it reaches, and which rules read it."""

    old: MeasureDefinition | None
    new: MeasureDefinition | None
    before: Sequence[AgentFacts]
    after: Sequence[AgentFacts]
    currency: str
    scope_words: tuple[str, str] = ("", "")
    read_by: Sequence[RuleFacts] = ()


def limit_difference(case: LimitCase) -> Iterator[Said]:
    """Yield what is different for whom; nothing when both are the same."""
    old, new = case.old, case.new
    if old == new:
        return
    if not _binds(old) and not _binds(new):
        measure = new or old
        if measure is not None and not case.read_by:
            yield tighter(f"{NOTHING}: the limit “{measure.name}” stops nothing, before and after.")
    elif not _binds(old) and new is not None:
        yield _whom(case, "Limits", new)
    elif not _binds(new) and old is not None:
        yield _whom(case, "Removes the limit of", old, is_looser=True)
    elif old is not None and new is not None:
        yield from _changes(case, old, new)
    yield from _readers(case)


def _binds(measure: MeasureDefinition | None) -> bool:
    return measure is not None and measure.mode not in (Mode.DRAFT, Mode.SHADOW) and measure.ceiling is not None


def _whom(case: LimitCase, verb: str, measure: MeasureDefinition, *, is_looser: bool = False) -> Said:
    agents = case.before if is_looser else case.after
    if not agents:
        return _nobody(measure, is_looser=is_looser)
    return (looser if is_looser else tighter)(f"{verb} {who(agents)}: {limit_words(measure, case.currency)}")


def _nobody(measure: MeasureDefinition, *, is_looser: bool) -> Said:
    return Said(f"{NOTHING}: no agent at work is bound by the limit “{measure.name}”.", is_looser)


def limit_words(measure: MeasureDefinition, currency: str) -> str:
    """Return a limit with a ceiling in words: ``Invoices, at most 20 a day; what is more is refused``."""
    more = wording.beyond_words(measure.on_exceed)
    return f"{measure.name}, at most {_ceiling(measure, currency)}; what is more {more}"


def _ceiling(measure: MeasureDefinition, currency: str) -> str:
    ceiling = measure.ceiling or 0
    number = wording.number_words(measure.unit, ceiling, currency)
    if measure.unit == RUNNING or (measure.unit == FAILURES and measure.window == "ever"):
        return number
    window = {
        "call": "a call",
        "minute": "a minute",
        "hour": "an hour",
        "day": "a day",
        "month": "a month",
        "ever": "in all",
        "rolling": f"in any {span(measure.window_seconds or 0)}",
    }.get(measure.window, measure.window)
    return f"{number} {window}"


def _changes(case: LimitCase, old: MeasureDefinition, new: MeasureDefinition) -> Iterator[Said]:
    kept = {agent.agent_id for agent in case.before} & {agent.agent_id for agent in case.after}
    both = [agent for agent in case.after if agent.agent_id in kept]
    lost = [agent for agent in case.before if agent.agent_id not in kept]
    gained = [agent for agent in case.after if agent.agent_id not in kept]
    if lost:
        yield looser(f"Removes the limit of {who(lost)}: {limit_words(old, case.currency)}")
    if gained:
        yield tighter(f"Limits {who(gained)}: {limit_words(new, case.currency)}")
    if not (both or lost or gained):
        yield _nobody(new, is_looser=direction_of_measure(old, new) is Direction.LOOSENS)
    if both:
        yield from _how_much(case, old, new, both)
        yield from _otherwise_counted(case, old, new, both, moved=bool(lost or gained))


def _how_much(
    case: LimitCase, old: MeasureDefinition, new: MeasureDefinition, both: Sequence[AgentFacts]
) -> Iterator[Said]:
    together = "" if len(both) == 1 else " together"
    if old.ceiling != new.ceiling:
        more = (new.ceiling or 0) > (old.ceiling or 0)
        only = "" if more else "only "
        text = (
            f"Lets {who(both)}{together} reach {only}{_ceiling(new, case.currency)} "
            f"instead of {_ceiling(old, case.currency)}: {new.name}"
        )
        yield (looser if more else tighter)(text)
    if old.on_exceed != new.on_exceed:
        is_looser = _STRICT.get(new.on_exceed, -1) < _STRICT.get(old.on_exceed, 9)
        now, until_now = (wording.beyond_words(it.on_exceed) for it in (new, old))
        text = f"What {who(both)} would do above the limit {now}; until now it {until_now}: {new.name}"
        yield (looser if is_looser else tighter)(text)


def _otherwise_counted(
    case: LimitCase, old: MeasureDefinition, new: MeasureDefinition, both: Sequence[AgentFacts], *, moved: bool
) -> Iterator[Said]:
    """Another count may let more pass; every field that is not said above is said by its name."""
    scoped = {"scope_kind", "scope_id"}
    if (old.scope_kind, old.scope_id) != (new.scope_kind, new.scope_id) and not moved:
        before, after = case.scope_words
        text = f"Counts {after} instead of {before}: {new.name}. For agents at work today that is the same"
        yield Said(f"{text}.", is_looser=new.scope_kind != "company")
    for each in fields(MeasureDefinition):
        before, after = getattr(old, each.name), getattr(new, each.name)
        if before == after or each.name in _SAID or each.name in scoped:
            continue
        label = _LABELS.get(each.name, each.name.replace("_", " "))
        text = (
            f"Counts otherwise for {who(both)}, {label}: {shown(after)} instead of {shown(before)}. {new.name}"
        )
        yield looser(text)


def _readers(case: LimitCase) -> Iterator[Said]:
    old, new = case.old, case.new
    if not case.read_by or old is None:
        return
    same = new is not None and all(getattr(old, name) == getattr(new, name) for name in _COUNTING)
    if not same or (new is not None and old.mode != new.mode):
        rules = series(f"“{rule.name}”" for rule in case.read_by[:3])
        yield looser(f"Other numbers reach {rules}, which read this limit: what they decide may change")
