from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple

from agents.decision import cel, gates, wording
from agents.decision.binding import binding_of
from agents.decision.context import NotDecidable
from agents.decision.facts import (
    ORDINARY_APPROVERS,
    ApprovalFacts,
    Decision,
    DecisionRequest,
    Escalation,
    Obligations,
    Snapshot,
    Verdict,
)
from agents.decision.findings import STRENGTH, Case, Finding
from agents.decision.stages import stages_of
from agents.decision.standing import why_never


def decide(request: DecisionRequest, snapshot: Snapshot) -> Decision:
    """Answer whether this may be done now; pure, never raises, denies by default, and rules only tighten.

    deny > hold > allow. Only a grant permits; adding a rule never allows more; the order of rules, grants and
    measures means nothing; a draft or shadow rule is recorded and decides nothing; an enforced rule that cannot
    be checked denies. ``request.approved`` turns a hold into allow only when its binding is this decision's.
    """
    try:
        return _decide(request, snapshot)
    except Exception as error:  # noqa: BLE001 - whatever breaks inside, the answer is no
        return _broken(error, snapshot)


# Where even the words cannot be found any more. No approval has this binding.
_NO = Decision(
    verdict=Verdict.DENY,
    code="internal_error",
    sentence="Denied: the decision could not be made.",
    next_step="Try again later; tell an operator if it stays.",
    policy_version=0,
    binding="",
)


def _broken(error: Exception, snapshot: Snapshot) -> Decision:
    try:
        return _denial("internal_error", f"the decision could not be made ({type(error).__name__})", snapshot)
    except Exception:  # noqa: BLE001 - as above
        return _NO


def _denial(code: str, why: str, snapshot: Snapshot) -> Decision:
    version = getattr(snapshot, "version", 0)
    return Decision(
        verdict=Verdict.DENY,
        code=code,
        sentence=wording.sentence("Denied", why),
        next_step=wording.next_after_denial(code),
        policy_version=version if isinstance(version, int) else 0,
        binding=binding_of(operation="", grants=(), rules=(), gates=(code,), obligations=Obligations()),
    )


def _decide(request: DecisionRequest, snapshot: Snapshot) -> Decision:
    if refusal := gates.first_shut(request, snapshot):
        return _denial(*refusal, snapshot)
    case = Case(request, snapshot)
    try:
        case.context  # noqa: B018 - built once, before any rule is asked
    except (NotDecidable, cel.ConditionError) as error:
        return _denial("arguments_not_decidable", f"a value cannot be judged exactly: {error}", snapshot)
    findings = [*case.gate_findings(), *case.rule_findings(), *case.measure_findings()]
    return _conclude(case, sorted(findings, key=Finding.order))


def _conclude(case: Case, findings: list[Finding]) -> Decision:
    deciding = [finding for finding in findings if finding.decides]
    grants = tuple(grant.grant_id for grant in gates.grants_used(case.request, case.snapshot)[:1])
    duties = _add_up(deciding)
    binding = binding_of(
        operation=case.operation.code,
        grants=grants,
        rules=[(found.result.rule_id, found.version) for found in deciding if found.result],
        gates=[finding.code for finding in deciding if not finding.result],
        obligations=duties,
    )
    verdict = min((finding.verdict for finding in deciding), key=STRENGTH.__getitem__, default=Verdict.ALLOW)
    strongest = [finding for finding in deciding if finding.verdict == verdict]
    say = _SAY[verdict]
    code, words, next_step = say(case, strongest, duties)
    if verdict == Verdict.HOLD and case.request.approved is not None:
        if _is_answered(case.request.approved, case, deciding, duties, binding):
            verdict, code, next_step = Verdict.ALLOW, "approved", ""
            words = "Allowed: approved by the people who had to."
            if in_advance := case.request.approved.standing:
                code, words = "approved_in_advance", wording.sentence("Allowed", in_advance)
        else:
            next_step = "What decides has changed since the approval, so it needs a new one. " + next_step
    return Decision(
        verdict=verdict,
        code=code,
        sentence=words,
        next_step=next_step,
        policy_version=case.snapshot.version,
        binding=binding,
        rules=tuple(sorted((f.result for f in findings if f.result), key=lambda result: result.rule_id)),
        deciding=tuple(finding.result.rule_id for finding in deciding if finding.result),
        obligations=duties,
        grants=grants,
    )


def _is_answered(
    approved: ApprovalFacts, case: Case, deciding: list[Finding], duties: Obligations, binding: str
) -> bool:
    """Tell whether what people approved answers this hold; in advance only what rules alone hold."""
    if approved.binding != binding:
        return False
    if not approved.standing:
        return True
    by_rules = all(finding.code == "held_by_rule" for finding in deciding if finding.verdict == Verdict.HOLD)
    return by_rules and not why_never(case.request, duties, len(set(approved.approvers)))


def _add_up(findings: list[Finding]) -> Obligations:
    duties = [finding.duties for finding in findings]
    stages = stages_of(findings)
    named = {group for stage in stages for group in stage.groups or (ORDINARY_APPROVERS,)}
    # The sooner one; of two that are alike that by the wall clock, which never stands.
    reminders = ((it.remind_minutes, it.remind_clock) for it in duties if it.remind_minutes)
    reminder = min(reminders, default=(0, "wall"))
    return Obligations(
        quorum=sum(stage.quorum for stage in stages) or max((duty.quorum for duty in duties), default=1),
        approver_groups=tuple(sorted(named)) if named != {ORDINARY_APPROVERS} else (),
        notes=tuple(sorted({note for duty in duties for note in duty.notes})),
        redact=tuple(sorted({path for duty in duties for path in duty.redact})),
        remind_minutes=reminder[0],
        remind_clock=reminder[1],
        escalations=_escalations(findings),
        stages=stages,
        step_up=any(duty.step_up for duty in duties),
    )


def _escalations(findings: list[Finding]) -> tuple[Escalation, ...]:
    """Return what is said of each group that is asked; who asks without a rule says as in the company."""
    said = {one for finding in findings for one in finding.duties.escalations}
    if any(f.verdict == Verdict.HOLD and not f.duties.escalations for f in findings):
        said.add(Escalation(ORDINARY_APPROVERS))
    return tuple(sorted(said, key=lambda one: (one.stage, one.group, astuple(one))))


def _why(case: Case, finding: Finding, redact: tuple[str, ...]) -> list[str]:
    if finding.rule is None or finding.code == "rule_error":
        return [finding.why]
    return [finding.why, wording.case_words(finding.rule, case.request, case.snapshot.company_currency, redact)]


def _say_denied(case: Case, strongest: list[Finding], duties: Obligations) -> tuple[str, str, str]:
    first = strongest[0]
    return (
        first.code,
        wording.sentence("Denied", *_why(case, first, duties.redact)),
        wording.next_after_denial(first.code),
    )


def _say_held(case: Case, strongest: list[Finding], duties: Obligations) -> tuple[str, str, str]:
    first, *others = strongest
    words = _why(case, first, duties.redact)
    also = [f"Also: {finding.why}" for finding in others if finding.why]
    return first.code, wording.sentence("Held", *words, *also), wording.WAIT


def _say_allowed(case: Case, strongest: list[Finding], duties: Obligations) -> tuple[str, str, str]:
    words = f"{case.request.agent.name} is granted {case.operation.name} and no rule stands against it"
    return "allowed", wording.sentence("Allowed", words), ""


_SAY: dict[Verdict, Callable[[Case, list[Finding], Obligations], tuple[str, str, str]]] = {
    Verdict.DENY: _say_denied,
    Verdict.HOLD: _say_held,
    Verdict.ALLOW: _say_allowed,
}
