"""Making, adding and retiring the keys that sign the ledger, each told of by an event in it.

A change is prepared in a file beside the key file, the event is committed, and then the one takes the place of
the other. What was killed in between is finished, or dropped, before the next change.
"""

from __future__ import annotations

import contextlib
import getpass
import re
from collections.abc import Sequence
from typing import Any

from django.db import InterfaceError, OperationalError, transaction

from audit import notes
from audit.models import Checkpoint as CheckpointRow
from audit.models import Event
from audit.notes import KeyFile, Signer
from audit.services.fork_guard import KEY_ADDED, KEY_KIND, KEY_RETIRED, RESTORED, newest_checkpoint
from audit.services.recording import record_event
from audit.standalone.verify_ledger import Checkpoint, NotANote, VerifierKey
from audit.vocabulary import Actor, Ref, Refusal, RefusalKind

RESTORED_NAME = re.compile(r"^(?P<name>.+)/(?P<number>[0-9]+)$")


def make_key(file: KeyFile, name: str) -> VerifierKey:
    """Make the first key of a ledger. Raise Refusal where there is a key, or something signed already."""
    if file.path.exists() or file.last.exists():
        raise _refused(
            "key_exists",
            f"Making a key was refused: {file.path} is there already, or has been.",
            "ledger_key show",
        )
    if CheckpointRow.objects.exists():
        raise _refused(
            "ledger_is_signed",
            "Making a key was refused: this ledger was signed by a key that is not here. Put its copy back.",
            "If it is lost: manage.py ledger_key restored --reason ...",
        )
    signer = _fresh(name)
    file.prepare([signer])
    file.put_in_place()
    return signer.verifier


def add_key(file: KeyFile) -> VerifierKey:
    """Add a second key of the same name, so that both sign every checkpoint from the next on."""
    signers = _settled(file)
    if len(signers) > 1:
        raise _refused(
            "two_keys",
            "Adding a key was refused: there are two already.",
            "Retire the older one first: manage.py ledger_key retire",
        )
    added = _fresh(signers[0].name)
    _change(
        file, [*signers, added], KEY_ADDED, added.verifier, f"The key {_short(added)} signs the ledger, too."
    )
    return added.verifier


def retire_key(file: KeyFile, named: str = "") -> VerifierKey:
    """Retire one of two keys, the older one unless another is named by its four bytes in hex.

    Raise Refusal before a checkpoint with both signatures covers the event that told of the key that stays: who
    trusts the old key would have no way to the new one.
    """
    signers = _settled(file)
    if len(signers) < 2:
        raise _refused(
            "only_key",
            "Retiring was refused: it is the only key.",
            "Add another first: manage.py ledger_key add",
        )
    leaving = _named(signers, named)
    staying = [signer for signer in signers if signer != leaving]
    _require_both_signed(signers, staying)
    words = f"The key {_short(leaving)} signs the ledger no more."
    _change(file, staying, KEY_RETIRED, leaving.verifier, words)
    return leaving.verifier


def go_on_restored(file: KeyFile, reason: str) -> VerifierKey:
    """Go on under a new name with a new key, after the database was restored on purpose or the key was lost.

    The event names the last checkpoint of the old name, so that what is lost beyond the database is said.
    """
    if not reason.strip():
        raise _refused("reason_needed", "Going on was refused: why was not said.", "--reason ...")
    _finish(file)
    last, note = _last_signed(file)
    signer = _fresh(next_name(last.origin))
    stored = newest_checkpoint()
    has = Checkpoint.parse(stored).size if stored else 0
    words = f"The ledger goes on as {signer.name}: {last.origin} was last signed at {last.size} events."
    payload = {
        "old_name": last.origin,
        "old_size": last.size,
        "old_root": last.root.hex(),
        "old_checkpoint": note,
        "new_name": signer.name,
        "new_key": str(signer.verifier),
        "database_size": has,
    }
    _change(file, [signer], RESTORED, signer.verifier, words, reason, payload)
    return signer.verifier


def next_name(name: str) -> str:
    """Return the name of a ledger that goes on after it was restored: name/2, then name/3."""
    found = RESTORED_NAME.match(name)
    if found and int(found["number"]) >= 2:
        return f"{found['name']}/{int(found['number']) + 1}"
    return f"{name}/2"


def _change(
    file: KeyFile,
    signers: Sequence[Signer],
    verb: str,
    key: VerifierKey,
    sentence: str,
    reason: str = "",
    payload: dict[str, Any] | None = None,
) -> None:
    """Prepare, tell, put in place: what fails before the commit changes neither file nor ledger."""
    try:
        file.prepare(signers)
    except OSError as error:
        raise _refused(
            "key_file_not_written",
            f"The change was refused: {file.upcoming} cannot be written: {error.strerror}.",
            "Make room, or run it as the user who owns the key.",
        ) from error
    try:
        with transaction.atomic(durable=True):
            record_event(
                actor=Actor.system(f"ledger_key by {getpass.getuser()}"),
                verb=verb,
                subject=Ref(KEY_KIND, notes.id_of(key), key.name),
                sentence=sentence,
                reason=reason,
                payload={"key": str(key), **(payload or {})},
            )
    except (OperationalError, InterfaceError):
        # Nobody can tell whether it was committed: the next change asks the ledger.
        raise
    except BaseException:
        file.upcoming.unlink(missing_ok=True)
        raise
    file.put_in_place()


def _settled(file: KeyFile) -> list[Signer]:
    _finish(file)
    return file.signers()


def _finish(file: KeyFile) -> None:
    """Put in place, or drop, what a change left behind that was killed: the ledger knows how far it came."""
    if not file.upcoming.exists():
        return
    try:
        wanted = notes.read_signers(file.upcoming)
        before = notes.read_signers(file.path) if file.path.exists() else []
    except notes.UnusableKey:
        wanted, before = [], []
    changed = {notes.id_of(one.verifier) for one in {*wanted} ^ {*before}}
    told = Event.objects.filter(
        subject_kind=KEY_KIND, subject_id__in=changed, verb__in=[KEY_ADDED, KEY_RETIRED, RESTORED]
    )
    came = {(verb, subject) for verb, subject in told.values_list("verb", "subject_id")}
    if wanted and _was_told(wanted, before, came):
        file.put_in_place()
    else:
        file.upcoming.unlink(missing_ok=True)


def _was_told(wanted: Sequence[Signer], before: Sequence[Signer], told: set[tuple[str, str]]) -> bool:
    """Say whether the ledger has the event of this change: of what is new in it, else of what left."""
    for signer in wanted:
        if signer not in before:
            key = notes.id_of(signer.verifier)
            return (KEY_ADDED, key) in told or (RESTORED, key) in told
    return any((KEY_RETIRED, notes.id_of(one.verifier)) in told for one in before if one not in wanted)


def _require_both_signed(signers: Sequence[Signer], staying: Sequence[Signer]) -> None:
    note = newest_checkpoint()
    keys = [signer.verifier for signer in signers]
    checkpoint = Checkpoint.parse(note) if note else None
    both = checkpoint is not None and all(checkpoint.names(key) for key in keys)
    both = both and checkpoint is not None and len(checkpoint.note.signed_by(keys)) == len(keys)
    told = Event.objects.with_position().filter(
        verb=KEY_ADDED,
        subject_kind=KEY_KIND,
        subject_id__in=[notes.id_of(one.verifier) for one in staying],
    )
    size = checkpoint.size if checkpoint else 0
    if not both or any(event.position is None or event.position > size for event in told):
        raise _refused(
            "not_signed_by_both",
            "Retiring was refused: no checkpoint that both keys signed covers the event of the new key yet.",
            "Let the sequencer run for a moment, and try again.",
        )


def _last_signed(file: KeyFile) -> tuple[Checkpoint, str]:
    """Return the last checkpoint of the name that signed last, and its note: from beside the key, or stored."""
    known: list[tuple[Checkpoint, str]] = []
    for text in filter(None, (_kept(file), newest_checkpoint())):
        with contextlib.suppress(NotANote):
            known.append((Checkpoint.parse(text), text))
    if not known:
        raise _refused(
            "nothing_signed",
            "Going on was refused: nothing of this ledger was signed yet.",
            "manage.py ledger_key new --name ...",
        )
    latest = max((checkpoint.origin for checkpoint, _ in known), key=_age_of_name)
    return max((one for one in known if one[0].origin == latest), key=lambda one: one[0].size)


def _age_of_name(name: str) -> int:
    found = RESTORED_NAME.match(name)
    return int(found["number"]) if found else 1


def _kept(file: KeyFile) -> str:
    try:
        return file.last.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def _named(signers: Sequence[Signer], named: str) -> Signer:
    if not named:
        return signers[0]
    for signer in signers:
        if signer.verifier.id.hex() == named.lower():
            return signer
    known = ", ".join(one.verifier.id.hex() for one in signers)
    raise _refused(
        "unknown_key", f"Retiring was refused: {named[:40]!r} is neither of {known}.", "ledger_key show"
    )


def _fresh(name: str) -> Signer:
    try:
        return Signer.fresh(name)
    except notes.UnusableKey as error:
        raise _refused("unusable_name", f"Making a key was refused: {error}", "Give another name.") from error


def _short(signer: Signer) -> str:
    return f"{signer.name}+{signer.verifier.id.hex()}"


def _refused(code: str, message: str, next_step: str) -> Refusal:
    return Refusal(code, message, kind=RefusalKind.CONFLICT, next_step=next_step)
