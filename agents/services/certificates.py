"""Write down what was decided about an agent, for good. For services that have asked whether it may be."""

from __future__ import annotations

from collections.abc import Iterable

from django.utils import timezone

from agents import policies
from agents.decision.employment import Evidence, digest_of_certificate, evidence_words, text_of_certificate
from agents.models import Agent, Certificate, User
from audit.services import record_event
from audit.vocabulary import Actor

_TITLES = {
    Certificate.Kind.ACTIVATION: "Activation of {}",
    Certificate.Kind.PROMOTION: "Promotion of {}: its probation has ended",
    Certificate.Kind.DEMOTION: "{} was put back",
    Certificate.Kind.ATTESTATION: "{} is still needed",
    Certificate.Kind.RETIREMENT: "{} has been retired",
}


def issue_certificate(
    *,
    actor: Actor,
    agent: Agent,
    kind: str,
    sentence: str,
    reason: str,
    lines: Iterable[str] = (),
    proposer: User | None = None,
    evidence: Evidence | None = None,
    contract_digest: str = "",
) -> Certificate:
    """Keep a certificate and its event in the caller's transaction; it says how the agent stands by then."""
    by = f"Asked for by {proposer.as_actor().label}, approved by" if proposer else "Decided by"
    content = {
        "title": _TITLES[Certificate.Kind(kind)].format(agent.name),
        "kind": str(kind),
        "agent": {"id": str(agent.pk), "code": agent.code, "name": agent.name},
        "sentence": sentence,
        "reason": reason.strip(),
        "signer": actor.label,
        "proposer": proposer.as_actor().label if proposer else "",
        "at": timezone.now().isoformat(timespec="seconds"),
        "standing": {
            "lifecycle": str(agent.lifecycle),
            "autonomy": str(agent.autonomy),
            "on_probation": agent.on_probation,
            "attest_by": agent.attest_by.isoformat() if agent.attest_by else "",
        },
        "evidence": evidence.as_data() if evidence else {},
        "contract": contract_digest,
        "lines": [
            sentence,
            f"{by} {actor.label}: {reason.strip()}",
            *lines,
            *(evidence_words(evidence) if evidence else ()),
            *([f"The contract in force: version {contract_digest}."] if contract_digest else ()),
        ],
    }
    certificate = Certificate(
        agent=agent,
        kind=kind,
        signer=policies.user_of(actor),
        signer_label=actor.label[:200],
        proposer=proposer,
        proposer_label=str(content["proposer"])[:200],
        reason=reason.strip(),
        content=content,
        text=text_of_certificate(content),
        digest=digest_of_certificate(content),
        evidence_digest=evidence.digest if evidence else "",
        contract_digest=contract_digest,
    )
    certificate.full_clean(exclude=["issued_at"])
    certificate.save(force_insert=True)
    record_event(
        actor=actor,
        verb="agents.certificate_issued",
        subject=agent.as_ref(),
        sentence=f"A certificate was issued: {content['title']}.",
        reason=reason,
        code=str(kind),
        payload={"certificate": str(certificate.pk), "digest": certificate.digest, "text": certificate.text},
        **agent.event_refs(),
    )
    return certificate
