"""Whether the records of a period can be relied on: every entry is worked out again, up to what was signed for.

It asks the database of the operator. Who does not want to trust that takes an export to the offline verifier.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Max, Min

from audit import evidence
from audit.evidence import Check, Column, Kind, Scope, Table
from audit.merkle import Growth
from audit.models import Checkpoint, Event, Position, SigningKey
from audit.services.sealed_rows import sealed_rows
from audit.services.stored_tree import grown
from audit.standalone.verify_ledger import Checkpoint as SignedCheckpoint
from audit.standalone.verify_ledger import NotANote, VerifierKey

_MARKS = (
    ("start", "In force at the start"),
    ("end", "In force at the end"),
    ("whole", "First that covers all of it"),
)


@dataclass(frozen=True, slots=True)
class Seals:
    """The signed seals of a period. ``whole`` is the first that covers every entry of it, if there is one."""

    start: Checkpoint | None
    end: Checkpoint | None
    whole: Checkpoint | None
    first: int
    last: int
    entries: int
    pending: int


def seals_of(scope: Scope) -> Seals:
    """Return which seals were in force, and which positions the entries of the period have."""
    found = Event.objects.filter(scope.within("occurred_at")).aggregate(
        entries=Count("pk"),
        numbered=Count("placement__position"),
        first=Min("placement__position"),
        last=Max("placement__position"),
    )
    signed = Checkpoint.objects.order_by("-tree_size")
    last = found["last"] or 0
    return Seals(
        start=signed.filter(signed_at__lt=scope.since).first(),
        end=signed.filter(signed_at__lt=scope.until).first(),
        whole=Checkpoint.objects.filter(tree_size__gte=last).order_by("tree_size").first() if last else None,
        first=found["first"] or 0,
        last=last,
        entries=found["entries"],
        pending=found["entries"] - found["numbered"],
    )


def check_period(scope: Scope) -> Iterator[Check]:
    """Yield what was found about the records of a period; the whole company's, whatever it is narrowed to."""
    seals = seals_of(scope)
    if not seals.entries:
        yield Check("Entries", None, "The period has no entries: there is nothing to check.")
        return
    yield Check(
        "Every entry has its number",
        seals.pending == 0,
        f"{seals.pending:,} of {seals.entries:,} entries wait for their number."
        if seals.pending
        else f"All {seals.entries:,} entries have one, between {seals.first:,} and {seals.last:,}.",
    )
    yield _without_gap(seals)
    yield from _of_seals(seals)


def _without_gap(seals: Seals) -> Check:
    expected = seals.last - seals.first + 1 if seals.last else 0
    there = Position.objects.filter(position__gte=seals.first, position__lte=seals.last).count()
    words = f"{there:,} of {expected:,} numbers from {seals.first:,} to {seals.last:,} are there."
    return Check("The numbers have no gap", there == expected, words)


def _of_seals(seals: Seals) -> Iterator[Check]:
    if seals.whole is None:
        yield Check(
            "Every entry is sealed", None, "The entries of this period are not all sealed and signed yet."
        )
        return
    yield Check(
        "Every entry is sealed",
        True,
        f"A seal over {seals.whole.tree_size:,} entries covers all of the period.",
    )
    keys = [VerifierKey.parse(key) for key in SigningKey.objects.values_list("vkey", flat=True)]
    for mark, words in _MARKS:
        if (seal := getattr(seals, mark)) is not None:
            signers = signers_of(seal, keys)
            yield Check(
                f"Seal {words[:1].lower()}{words[1:]}: signature",
                bool(signers),
                f"Signed by {', '.join(signers)}." if signers else "No key of this ledger signed what it says.",
            )
    yield from _content(seals)


def signers_of(seal: Checkpoint, keys: Sequence[VerifierKey]) -> list[str]:
    """Return the names of the keys that signed exactly what a seal says; none if it says something else."""
    try:
        signed = SignedCheckpoint.parse(seal.note)
    except NotANote:
        return []
    if (signed.size, signed.root) != (seal.tree_size, bytes(seal.root)):
        return []
    return [key.name for key in signed.note.signed_by(keys)]


def _content(seals: Seals) -> Iterator[Check]:
    """Work the tree out from what the entries say, from the seal before the period to what covers it."""
    assert seals.whole is not None  # noqa: S101
    # A seal of before the period that does not reach its first entry, or none: from the beginning.
    begin = seals.start.tree_size if seals.start and seals.start.tree_size < seals.first else 0
    growth = grown(begin)
    if begin and seals.start:
        right = growth.root() == bytes(seals.start.root)
        yield Check(
            "What was there before the period",
            right,
            f"The first {begin:,} entries {'are' if right else 'are not'} those that were signed for.",
        )
    bad = _first_bad(growth, seals.whole.tree_size)
    if bad is not None:
        yield Check("What the entries say", False, f"Entry {bad + 1:,} is not what was sealed.")
        return
    right = growth.root() == bytes(seals.whole.root)
    words = f"Entries {begin + 1:,} to {seals.whole.tree_size:,}, worked out again from what they say,"
    yield Check(
        "What the entries say", right, f"{words} {'lead' if right else 'do not lead'} to the signed seal."
    )


def _first_bad(growth: Growth, until: int) -> int | None:
    """Add the entries up to ``until`` to the tree; return the first index that was altered or is missing."""
    for row in sealed_rows(range(growth.size, until)):
        if row.index != growth.size or not row.is_as_sealed:
            break
        growth.add([row.leaf_hash])
    return None if growth.size == until else growth.size


def _report(scope: Scope) -> Iterator[Sequence[Any]]:
    for name, verifier in evidence.verifiers().items():
        for check in verifier(scope):
            yield name, check.name, check.passed, check.detail


def _seals(scope: Scope) -> Iterator[Sequence[Any]]:
    seals = seals_of(scope)
    keys = [VerifierKey.parse(key) for key in SigningKey.objects.values_list("vkey", flat=True)]
    for mark, words in _MARKS:
        if (seal := getattr(seals, mark)) is not None:
            signers = ", ".join(signers_of(seal, keys))
            yield words, seal.tree_size, bytes(seal.root).hex(), seal.signed_at, signers, seal.note


def register_tables() -> None:
    """Add the verification report and the seals of the period."""
    evidence.register_verifier("the portal", check_period)
    evidence.register(
        Table(
            "ledger.verification",
            "Verification report",
            "What was checked about the records of the period, and with what result.",
            (
                Column("checker", "Checked by"),
                Column("check", "What was checked"),
                Column("passed", "In order", Kind.YES_NO),
                Column("detail", "What was found"),
            ),
            _report,
            whole_company=True,
        ),
        Table(
            "ledger.seals",
            "Seals of the period",
            "The signed seals (checkpoints) that were in force. The signed text is what an outsider compares.",
            (
                Column("which", "Which"),
                Column("tree_size", "Entries it covers", Kind.NUMBER),
                Column("root", "Root hash"),
                Column("signed_at", "Signed at", Kind.MOMENT),
                Column("signed_by", "Signed by"),
                Column("note", "Signed text"),
            ),
            _seals,
            "The ledger was not sealed in this period.",
            whole_company=True,
        ),
    )
