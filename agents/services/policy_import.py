"""A file of policies becomes policy: by the same services as a form, so that what loosens waits for two people.

A file says how each rule in it is to be, in full: a field that is not named has its default. Everything that
counts at once is applied together or not at all; everything looser is proposed, one change request each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from copy import copy
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from agents import policies as questions
from agents import registry, selectors
from agents.decision import levels
from agents.decision.authority import Authority, authority_difference
from agents.decision.policy_file import (
    Entry,
    FieldSpec,
    Place,
    PolicyEntry,
    PolicyFile,
    PolicyFileError,
    Problem,
    read_policy_file,
)
from agents.decision.said import Said
from agents.models import ChangeRequest, Measure, Policy, PolicyScope, Rule
from agents.services import policies
from agents.services.policies import RuleChange
from agents.services.policy_files import OLD_RULE_FIELDS, SCOPED, find_named, limit_fields, rule_fields
from audit.vocabulary import Actor, Refusal, RefusalKind

PREVIEW = "Looking at what a file would change"
MOST_PROBLEMS = 50
# A refusal of these is about who asks, not about what is asked.
ABOUT_WHO = frozenset({"permission_missing", "agents_refused", "not_signed_in", "not_a_person"})


@dataclass(frozen=True, slots=True)
class Line:
    """What becomes of one thing in a file. ``state``: added, changed, removed, waits, or waits_already."""

    what: str
    state: str
    words: str = ""
    authority: tuple[str, ...] = ()
    change_request: ChangeRequest | None = None


@dataclass(slots=True)
class Outcome:
    """What a file changes: line by line, and what that lets whom do, at once and once it is agreed."""

    lines: list[Line] = field(default_factory=list)
    at_once: tuple[Said, ...] = ()
    once_agreed: tuple[Said, ...] = ()
    same: int = 0

    @property
    def waiting(self) -> list[Line]:
        """The lines for which a second person is asked."""
        return [line for line in self.lines if line.state in ("waits", "waits_already")]

    def add(self, what: str, state: str, words: str = "", change_request: ChangeRequest | None = None) -> None:
        """Say what becomes of one thing more."""
        lets = tuple(change_request.authority) if change_request else ()
        self.lines.append(Line(what, state, words, lets, change_request))


def import_policies(*, actor: Actor, text: str, reason: str, remove_missing: bool = False) -> Outcome:
    """Make policies and limits what a file says; what is looser waits for a second person.

    ``remove_missing``: also take away rules of these policies, and put limits out of force, that the file does
    not hold. Raises Refusal ``policy_file_invalid`` with every problem, its line and its path in ``detail``.
    """
    with transaction.atomic():
        questions.require(questions.may_publish_rule(actor))
        questions.require_reason(reason)
        return _Import(actor, reason).run(_read(text), remove_missing=remove_missing)


def import_read(*, actor: Actor, file: PolicyFile, reason: str) -> Outcome:
    """Do what ``import_policies`` does with a file that was read already, in the caller's transaction.

    What it lets whom do is not compared: the caller imports in several parts.
    """
    questions.require(questions.may_publish_rule(actor))
    questions.require_reason(reason)
    return _Import(actor, reason).run(file, remove_missing=False, compare=False)


def preview_import(*, actor: Actor, text: str, remove_missing: bool = False) -> Outcome:
    """Return what ``import_policies`` would do, by doing it and taking all of it back. Raises the same."""
    with transaction.atomic():
        outcome = import_policies(actor=actor, text=text, reason=PREVIEW, remove_missing=remove_missing)
        transaction.set_rollback(True)
    return outcome


class _Import:
    def __init__(self, actor: Actor, reason: str) -> None:
        self.actor, self.reason = actor, reason
        self.outcome, self.problems = Outcome(), list[Problem]()

    def run(self, file: PolicyFile, *, remove_missing: bool, compare: bool = True) -> Outcome:
        before = selectors.present_authority() if compare else None
        # Limits first: a rule may read one that is new.
        for entry in file.limits or ():
            self._attempt(entry.place, self._limit, entry)
        for policy in file.policies:
            self._attempt(policy.place, self._policy, policy, remove_missing)
        if remove_missing and file.limits is not None:
            self._drop_limits({str(entry.values.get("code")) for entry in file.limits})
        if self.problems:
            raise refused_file(self.problems)
        if before is not None:
            compare_authority(self.outcome, before)
        return self.outcome

    def _attempt(self, place: Place, step: Callable[..., None], *arguments: Any) -> None:
        """Do one step; what is wrong with it is kept with its line, and the next one is tried all the same."""
        try:
            with transaction.atomic():
                step(*arguments)
        except ValidationError as error:
            found = error.message_dict if hasattr(error, "error_dict") else {"": error.messages}
            for name, messages in found.items():
                path = f"{place.path}.{name}".strip(".") if name and name != "__all__" else place.path
                self.problems += [Problem(place.line, path, message) for message in messages]
        except Refusal as refusal:
            if refusal.code in ABOUT_WHO:
                raise
            self.problems.append(place.problem(refusal.in_full()))

    # --- Policies and their rules.

    def _policy(self, entry: PolicyEntry, remove_missing: bool) -> None:
        policy = Policy.objects.filter(code=entry.code).first()
        kind, scope_id = _scope(entry.binds, policy)
        if policy is None:
            policy = policies.create_policy(
                actor=self.actor,
                code=entry.code,
                name=entry.name,
                purpose=entry.purpose,
                scope_kind=kind,
                scope_id=scope_id,
                reason=self.reason,
            )
            self.outcome.add(f"Policy {policy.name}", "added")
        else:
            self._described(policy, entry)
            if (kind, scope_id) != (policy.scope_kind, policy.scope_id):
                self._changed(
                    f"Policy {policy.name}",
                    {"scope_kind": kind, "scope_id": scope_id},
                    policies.MOVE_POLICY,
                    policy,
                    lambda: policies.propose_policy_move(
                        actor=self.actor, policy=policy, scope_kind=kind, scope_id=scope_id, reason=self.reason
                    ),
                    "whom it binds",
                )
        known = {rule.name: rule for rule in policy.rules.select_related("policy", "approver_group")}
        for rule in entry.rules:
            self._attempt(rule.place, self._rule, policy, known.get(rule.values["name"]), rule)
        named = {rule.values["name"] for rule in entry.rules}
        for name, stored in known.items():
            if remove_missing and name not in named:
                self._attempt(entry.place, self._drop_rule, stored)

    def _described(self, policy: Policy, entry: PolicyEntry) -> None:
        if (policy.name, policy.purpose) == (entry.name, entry.purpose):
            return
        policies.describe_policy(
            actor=self.actor, policy=policy, name=entry.name, purpose=entry.purpose, reason=self.reason
        )
        self.outcome.add(f"Policy {entry.name}", "changed", "its name or what it is for")

    def _rule(self, policy: Policy, rule: Rule | None, entry: Entry) -> None:
        what = f"Rule {entry.values['name']} of {policy.name}"
        if rule is None:
            content = resolved(Rule, rule_fields(), entry.values)
            made = policies.create_rule(actor=self.actor, policy=policy, content=content, reason=self.reason)
            self.outcome.add(what, "added", f"{made.sentence} ({made.mode})")
            return
        wanted = rule_edits(rule, entry)
        if not wanted:
            self.outcome.same += 1
            return
        _, words = policies.preview_rule_change(rule, wanted)
        self._changed(
            what,
            wanted,
            policies.CHANGE_RULE,
            rule,
            lambda: policies.propose_rule_change(
                actor=self.actor, rule=rule, changes=wanted, reason=self.reason
            ),
            words,
        )

    def _drop_rule(self, rule: Rule) -> None:
        what = f"Rule {rule.name} of {rule.policy.name}"
        self._changed(
            what,
            {},
            policies.REMOVE_RULE,
            rule,
            lambda: policies.remove_rule(actor=self.actor, rule=rule, reason=self.reason),
            rule.sentence,
            done="removed",
        )

    # --- Limits.

    def _limit(self, entry: Entry) -> None:
        code = entry.values["code"]
        measure = Measure.objects.filter(code=code).first()
        kind, scope_id = _scope(entry.binds, measure)
        given = resolved(Measure, limit_fields(), entry.values)
        scoped = {"scope_kind": kind, "scope_id": scope_id}
        if measure is None:
            made = policies.create_measure(actor=self.actor, content={**given, **scoped}, reason=self.reason)
            self.outcome.add(f"Limit {made.name}", "added", made.get_mode_display())
            return
        full = {**_defaults(limit_fields()), **given, **scoped}
        wanted = {name: value for name, value in full.items() if value != getattr(measure, name)}
        if not wanted:
            self.outcome.same += 1
            return
        self._change_limit(measure, wanted)

    def _drop_limits(self, named: Iterable[str]) -> None:
        """A limit is not deleted, since what it counted is kept: it is put out of force."""
        for measure in Measure.objects.exclude(code__in=list(named)).exclude(mode=Rule.Mode.DRAFT):
            place = Place(0, f"limits.{measure.code}")
            self._attempt(place, self._change_limit, measure, {"mode": Rule.Mode.DRAFT.value}, "removed")

    def _change_limit(self, measure: Measure, wanted: Mapping[str, Any], done: str = "changed") -> None:
        words = ", ".join(sorted(name.replace("_", " ") for name in wanted))
        self._changed(
            f"Limit {measure.name}",
            wanted,
            policies.CHANGE_MEASURE,
            measure,
            lambda: policies.propose_measure_change(
                actor=self.actor, measure=measure, changes=wanted, reason=self.reason
            ),
            "put out of force" if done == "removed" else words,
            done=done,
        )

    # --- What becomes of it.

    def _changed(
        self,
        what: str,
        wanted: Mapping[str, Any],
        kind: str,
        target: Policy | Rule | Measure,
        propose: Callable[[], RuleChange],
        words: str,
        *,
        done: str = "changed",
    ) -> None:
        if waiting := _same_proposal(kind, target, wanted):
            self.outcome.add(what, "waits_already", words, waiting)
            return
        found = propose().change_request
        self.outcome.add(what, "waits" if found else done, words, found)


def compare_authority(outcome: Outcome, before: Authority, now: Authority | None = None) -> None:
    """Say what it all lets whom do: what is done, and what the proposals would add together.

    ``now`` is authority as it stands by now, with the same agents as ``before``; it is read for want of it.
    """
    if not outcome.lines:
        return
    now = now or selectors.present_authority()
    if any(line.state not in ("waits", "waits_already") for line in outcome.lines):
        outcome.at_once = authority_difference(before, now)
    agreed = now
    for line in outcome.waiting:
        foresee = registry.foresight(line.change_request.kind) if line.change_request else None
        if foresee and line.change_request:
            agreed = foresee(line.change_request, agreed)
    if agreed is not now:
        outcome.once_agreed = authority_difference(now, agreed)


def _read(text: str) -> PolicyFile:
    try:
        return read_policy_file(text, (*rule_fields(), *OLD_RULE_FIELDS), limit_fields())
    except PolicyFileError as error:
        raise refused_file(error.problems) from None


def rule_edits(rule: Rule, entry: Entry) -> dict[str, Any]:
    """Return what of a stored rule is not as the file says; a condition that the form builds is left to it."""
    given = resolved(Rule, rule_fields(), entry.values)
    wanted = {**_defaults(rule_fields()), **given}
    built = bool(wanted["field"] and wanted["comparison"])
    if built:
        del wanted["condition"]
    if not wanted["sentence"]:
        if built and not policies.has_own_sentence(rule):
            del wanted["sentence"]
        elif not built:
            wanted["sentence"] = wanted["name"]
    lists = {spec.name for spec in rule_fields() if spec.kind == "list"}
    return {
        name: value for name, value in wanted.items() if _differs(getattr(rule, name), value, name in lists)
    }


def _differs(stored: Any, value: Any, is_set: bool) -> bool:
    return sorted(stored) != sorted(value) if is_set else bool(stored != value)


def _defaults(specs: Iterable[FieldSpec]) -> dict[str, Any]:
    return {spec.name: None if spec.kind == "name" else copy(spec.default) for spec in specs}


def resolved(
    model: type[Rule | Measure], specs: Iterable[FieldSpec], values: Mapping[str, Any]
) -> dict[str, Any]:
    """Return values as the services take them: what is named is looked up. Raises Refusal ``name_unknown`` and
    ``levels_invalid``."""
    found = policies.in_the_new_form(values)
    if found.get("levels"):
        found["levels"] = _levels(found["levels"])
    for spec in specs:
        if spec.kind != "name" or spec.name not in found:
            continue
        column: Any = model._meta.get_field(spec.name)
        try:
            found[spec.name] = find_named(column, found[spec.name])
        except LookupError:
            kind = column.related_model._meta.verbose_name
            raise _not_there(
                f"{spec.name.replace('_', ' ')}: There is no {kind} {found[spec.name]!r}."
            ) from None
    return found


def _levels(rows: Any) -> Any:
    """Return next levels in the one spelling, so that a file imported again changes nothing."""
    try:
        return levels.as_data(levels.read_levels(rows))
    except ValueError as error:
        message = f"levels: {error}."
        raise Refusal("levels_invalid", message, kind=RefusalKind.INVALID) from None


def _scope(binds: tuple[str, str], stored: Policy | Measure | None) -> tuple[str, str]:
    kind, code = binds
    if kind == PolicyScope.COMPANY:
        return kind, ""
    if found := SCOPED[kind]._default_manager.filter(code=code).first():
        return kind, str(found.pk)
    if stored is not None and (stored.scope_kind, stored.scope_id) == binds:
        return binds  # whom it bound is gone; it is left as it is
    raise _not_there(f"There is no {kind} with the code {code!r}.")


def _not_there(message: str) -> Refusal:
    return Refusal(
        "name_unknown", message, kind=RefusalKind.INVALID, next_step="Write that of one that exists."
    )


def _same_proposal(
    kind: str, target: Policy | Rule | Measure, wanted: Mapping[str, Any]
) -> ChangeRequest | None:
    """Return the proposal that waits already for just this: a file may be imported again meanwhile."""
    waiting = ChangeRequest.objects.filter(
        kind=kind,
        target_kind=target.as_ref().kind,
        target_id=str(target.pk),
        state=ChangeRequest.State.PENDING,
    ).first()
    if waiting is None:
        return None
    plain = {name: getattr(value, "pk", value) for name, value in wanted.items()}
    # The form writes these two itself. A proposal of more than this is another one.
    written = {"sentence", "condition"}
    same = (waiting.payload.keys() | written) == (plain.keys() | written)
    shared = waiting.payload.keys() & plain.keys() - {"sentence"}
    same = same and all(waiting.payload[name] == plain[name] for name in shared)
    return waiting if same else None


def refused_file(problems: Iterable[Problem], code: str = "policy_file_invalid") -> Refusal:
    """Return the refusal of a file, with every problem, its line and its path."""
    found = list(problems)
    more = f" and {len(found) - 1:,} more" if len(found) > 1 else ""
    return Refusal(
        code,
        f"Nothing was changed: {found[0]}{more}",
        detail={
            "errors": [
                {"line": it.line, "path": it.path, "message": it.message} for it in found[:MOST_PROBLEMS]
            ]
        },
        kind=RefusalKind.INVALID,
        next_step="Correct the file and send all of it again.",
    )
