"""Does a change tighten or loosen? Tightening is instant; all else needs a second person."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from enum import StrEnum

from agents.decision import lines
from agents.decision.comparison import Kind, folded, values_of
from agents.decision.facts import Line, MeasureDefinition, Mode, NextLevel, RuleFacts
from agents.decision.lines import Known
from agents.decision.patterns import pattern_within


class Direction(StrEnum):
    """What a change does to the authority of agents."""

    NONE = "none"
    TIGHTENS = "tightens"
    LOOSENS = "loosens"


_SAME, _TIGHTER, _LOOSER = Direction.NONE, Direction.TIGHTENS, Direction.LOOSENS
_VERDICTS = {"none": 0, "hold": 1, "deny": 2, "pause": 3}
_MODES = {"draft": 0, "shadow": 1, "enforced": 2}
_UPWARD = {"above": 0, "at_least": 1}
_DOWNWARD = {"below": 0, "at_most": 1}
_INSIDE = frozenset({"equal", "one_of"})
_OUTSIDE = frozenset({"not_equal", "none_of"})


def direction_of_rule(old: RuleFacts | None, new: RuleFacts | None, *, currency: str = "") -> Direction:
    """Compare a rule before (None: new) and after (None: removed); when unsure it loosens.

    ``currency`` is the company's: it lets amounts that the form built be compared.
    """
    # A mode that nobody knows binds: what it holds is refused.
    if old is None or old.mode in (Mode.DRAFT, Mode.SHADOW):
        return _TIGHTER if new is not None and new.mode == Mode.ENFORCED else _SAME
    if new is None or new.mode != Mode.ENFORCED or old.mode != Mode.ENFORCED:
        return _SAME if new == old else _LOOSER
    return _all_of(
        _SAME if (old.scope_kind, old.scope_id) == (new.scope_kind, new.scope_id) else _LOOSER,
        _of_number(_VERDICTS.get(old.verdict, 9), _VERDICTS.get(new.verdict, -1)),
        _of_pattern(old.operations, new.operations),
        _of_effects(old.effects, new.effects),
        _of_condition(old, new, currency),
        _of_number(old.quorum, new.quorum),
        _of_group(old, new),
        of_stage(old, new),
        of_whoever_is_asked(old, new),
        of_step_up(old, new),
        _of_text(old.note, new.note),
        _of_set(frozenset(old.redact), frozenset(new.redact)),
        of_escalation(old, new),
    )


def direction_of_measure(
    old: MeasureDefinition | None, new: MeasureDefinition | None, *, read_by_rules: bool = False
) -> Direction:
    """Compare a limit before (None: new) and after (None: removed); when unsure it loosens.

    ``read_by_rules``: some rule reads this counter, so whatever changes its numbers may loosen that rule.
    """
    if old is None:
        return _TIGHTER if new is not None and new.mode == Mode.ENFORCED else _SAME
    if new is None or _MODES.get(new.mode, -1) < _MODES.get(old.mode, 9):
        return (
            _SAME
            if new is None and old.mode == Mode.DRAFT and not read_by_rules
            else _lowered(old, read_by_rules)
        )
    if read_by_rules and _numbers_of(old) != _numbers_of(new):
        return _LOOSER
    if old.mode != Mode.ENFORCED:
        return _TIGHTER if new.mode == Mode.ENFORCED else _SAME
    return _all_of(
        _of_ceiling(old.ceiling, new.ceiling),
        _of_number(_VERDICTS.get(old.on_exceed, 9), _VERDICTS.get(new.on_exceed, -1)),
        _of_pattern(old.operations, new.operations),
        _SAME if _counting_of(old) == _counting_of(new) else _LOOSER,
        _of_scope(old, new),
    )


def _lowered(old: MeasureDefinition, read_by_rules: bool) -> Direction:
    return _LOOSER if read_by_rules or old.mode == Mode.ENFORCED else _SAME


def _numbers_of(measure: MeasureDefinition) -> MeasureDefinition:
    return replace(measure, name="", on_exceed="", mode="", version=0)


def _counting_of(measure: MeasureDefinition) -> tuple[object, ...]:
    return measure.key, measure.amount, measure.unit, measure.window, measure.window_seconds


def _all_of(*found: Direction) -> Direction:
    if _LOOSER in found:
        return _LOOSER
    return _TIGHTER if _TIGHTER in found else _SAME


def _of_number(old: int | Decimal, new: int | Decimal) -> Direction:
    return _SAME if new == old else _TIGHTER if new > old else _LOOSER


def of_escalation(old: RuleFacts, new: RuleFacts) -> Direction:
    """Others that may approve, or sooner, loosen; to leave it to the company may let in anybody it names.

    To refuse sooner what nobody decides tightens. Another clock may be sooner on some day: it loosens.
    """
    if (old.levels, old.clock) == (new.levels, new.clock):
        return _SAME
    if old.clock != new.clock:
        return _LOOSER
    asked, ends = _split(old)
    asked_now, ends_now = _split(new)
    fewer = bool(asked_now) and len(asked_now) <= len(asked)
    later = fewer and all(
        (now.kind, now.group) == (then.kind, then.group) and now.minutes >= then.minutes
        for then, now in zip(asked, asked_now, strict=False)
    )
    return _all_of(
        _SAME if asked == asked_now else _TIGHTER if later else _LOOSER,
        _SAME if ends == ends_now else _TIGHTER if ends_now < ends else _LOOSER,
    )


def _split(rule: RuleFacts) -> tuple[tuple[NextLevel, ...], float]:
    """Return who is asked later, and after how many minutes it is refused."""
    asked = tuple(level for level in rule.levels if level.kind != "refuse")
    return asked, min((level.minutes for level in rule.levels if level.kind == "refuse"), default=float("inf"))


def of_stage(old: RuleFacts, new: RuleFacts) -> Direction:
    """Deciding at another stage loosens, also at a later one: where other rules ask there already, both count
    together, and fewer people decide than one after the other. This rule alone cannot rule that out."""
    return _SAME if old.stage == new.stage else _LOOSER


def of_whoever_is_asked(old: RuleFacts, new: RuleFacts) -> Direction:
    """How many must agree whoever is asked, at every stage, is more than how many of one group at one stage."""
    was = old.verdict == "none" and not old.approver_group and old.quorum > 1
    is_still = new.verdict == "deny" or (new.verdict == "none" and not new.approver_group)
    return _LOOSER if was and not is_still else _SAME


def of_step_up(old: RuleFacts, new: RuleFacts) -> Direction:
    """Not to ask any more whether it is really them loosens."""
    return _of_number(int(old.step_up), int(new.step_up))


def _of_group(old: RuleFacts, new: RuleFacts) -> Direction:
    """A rule that holds and names nobody asks the ordinary approvers: naming a group asks others instead."""
    asks_nobody = not old.approver_group and old.verdict == "none"
    if old.approver_group == new.approver_group:
        return _SAME
    return _TIGHTER if asks_nobody else _LOOSER


def _of_text(old: str, new: str) -> Direction:
    return _SAME if new == old else _TIGHTER if not old else _LOOSER


def _of_set(old: frozenset[str], new: frozenset[str]) -> Direction:
    return _SAME if new == old else _TIGHTER if new > old else _LOOSER


def _of_effects(old: tuple[str, ...], new: tuple[str, ...]) -> Direction:
    if set(old) == set(new):
        return _SAME
    if not new:
        return _TIGHTER
    return _LOOSER if not old else _of_set(frozenset(old), frozenset(new))


def _of_pattern(old: str, new: str) -> Direction:
    if old == new:
        return _SAME
    try:
        return _TIGHTER if pattern_within(old, new) else _LOOSER
    except ValueError:
        return _LOOSER


def _of_ceiling(old: int | None, new: int | None) -> Direction:
    if old == new:
        return _SAME
    if old is None or new is None:
        return _TIGHTER if old is None else _LOOSER
    return _of_number(-old, -new)


def _of_scope(old: MeasureDefinition, new: MeasureDefinition) -> Direction:
    if (old.scope_kind, old.scope_id) == (new.scope_kind, new.scope_id):
        return _SAME
    return _TIGHTER if new.scope_kind == "company" else _LOOSER


def _of_condition(old: RuleFacts, new: RuleFacts, currency: str) -> Direction:
    if old.condition.strip() == new.condition.strip():
        return _SAME
    if not new.condition.strip():
        return _TIGHTER
    before, after = lines.as_built(old, currency), lines.as_built(new, currency)
    if before is None or after is None:
        return _LOOSER
    old_groups, new_groups = lines.groups(before), lines.groups(after)
    if not _covered(old_groups, new_groups):
        return _LOOSER
    return _SAME if _covered(new_groups, old_groups) else _TIGHTER


def _covered(groups: list[list[Known]], by: list[list[Known]]) -> bool:
    """Tell whether what each of the groups catches is caught by one of the others: then nothing is lost."""
    return all(any(_catches(wider, narrower) for wider in by) for narrower in groups)


def _catches(wider: list[Known], narrower: list[Known]) -> bool:
    """Each line of the wider group follows from a line of the narrower one."""
    return all(any(_of_line(old, new) != _LOOSER for old in narrower) for new in wider)


def _of_line(old: Known, new: Known) -> Direction:
    if old.facts != new.facts or old.line.field != new.line.field:
        return _LOOSER
    return _of_comparison(old.line, new.line, old.facts.kind)


def _of_comparison(old: Line, new: Line, kind: Kind) -> Direction:
    """Compare what two comparisons of one field catch: catching more is tighter."""
    for ladder, sign in ((_UPWARD, -1), (_DOWNWARD, 1)):
        if old.comparison in ladder and new.comparison in ladder:
            before, after = sign * _number(old.value), sign * _number(new.value)
            if before != after:
                return _of_number(before, after)
            return _of_number(ladder[old.comparison], ladder[new.comparison])
    before_set, after_set = _values(old, kind), _values(new, kind)
    if old.comparison in _INSIDE and new.comparison in _INSIDE:
        return _of_set(before_set, after_set)
    if old.comparison in _OUTSIDE and new.comparison in _OUTSIDE:
        return _of_set(after_set, before_set) if before_set != after_set else _SAME
    return _LOOSER


def _number(value: str) -> Decimal:
    digits = "".join(char for char in value if char.isdigit() or char in ".-")
    return Decimal(digits)


def _values(rule: Line, kind: Kind) -> frozenset[str]:
    entered = values_of(rule.comparison, rule.value, kind)
    return frozenset(folded(rule.field, kind, value) for value in entered)
