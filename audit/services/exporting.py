"""Exporting the ledger for somebody who does not have to trust us: docs/ledger-format.md."""

from __future__ import annotations

import base64
import os
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import uuid4

from django.db import connection, transaction
from django.db.models import Q

from audit import selectors, visibility
from audit.bundles import BundleWriter, Subject, checkpoint_line, event_line, keys_line, left_out, node_line
from audit.envelope import instant
from audit.merkle import Tree
from audit.models import Checkpoint, Cosignature, Event, SigningKey
from audit.services import stored_tree
from audit.services.recording import record_event
from audit.services.sealed_rows import at_one_moment, in_parts, sealed_rows
from audit.standalone.verify_ledger import KEY_ADDED, KEY_RETIRED
from audit.vocabulary import Actor, Ref, Refusal, RefusalKind

LEDGER_EXPORTED = "audit.ledger_exported"
LEDGER = Ref("audit.ledger", "", "The ledger")
# So many of the newest checkpoints are proven in an export of a part, beside those that change keys.
CHECKPOINTS_IN_PART = 500
AT_ONCE = 5000


@dataclass(frozen=True)
class Scope:
    """Which events somebody asks for. ``kind`` is everything, period, agent, run or object."""

    kind: str
    id: str = ""
    object_kind: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def condition(self) -> Q | None:
        """Return what holds for its events; None: all of them. Raise Refusal for a scope that names nothing."""
        if self.kind == "everything":
            return None
        if self.kind == "period" and (self.since or self.until):
            since = Q(occurred_at__gte=self.since) if self.since else Q()
            return since & (Q(occurred_at__lt=self.until) if self.until else Q())
        kind = {"agent": "agents.agent", "run": "runs.run", "object": self.object_kind}.get(self.kind, "")
        if not kind or not self.id:
            raise Refusal(
                "scope_unknown",
                "Nothing was exported: it was not said of what.",
                kind=RefusalKind.INVALID,
                next_step="Name a period, an agent, a run, an object such as agents.agent:<id>, or everything.",
            )
        return selectors.about(kind, self.id)

    def as_json(self) -> dict[str, str]:
        """Return it as manifest and ledger have it."""
        told = {"kind": self.kind, "id": self.id, "object_kind": self.object_kind}
        times = {"since": self.since, "until": self.until}
        return {name: said for name, said in told.items() if said} | {
            name: instant(at) for name, at in times.items() if at
        }


@dataclass(frozen=True)
class Exported:
    """What was exported."""

    path: Path
    events: int
    tree_size: int


def export_ledger(
    *,
    actor: Actor,
    scope: Scope,
    path: Path,
    reason: str = "",
    viewer: Any = None,
    proven_sizes: Iterable[int] = (),
    most_events: int | None = None,
) -> Exported:
    """Write a bundle up to the last checkpoint, and record that. Nothing half written is left behind.

    viewer: only what this user may see; then events may be left out that belong to an action. proven_sizes:
    sizes of checkpoints that an auditor has, so that a part can be compared with them. Raise Refusal if the
    file is there, nothing is sealed, or more than most_events would be in it.
    """
    condition = scope.condition()
    if path.exists():
        raise _refused("file_exists", f"{path} is there already", "Name another file.")
    if viewer is not None and not viewer.has_perm("audit.view_payload"):
        raise _refused("payload_hidden", "whom it is for may not see payloads", "Give them audit.view_payload.")
    half = path.with_name(f".{path.name}.{uuid4().hex}.part")
    try:
        exported = at_one_moment(
            lambda newest: _write(newest, half, actor, scope, condition, viewer, proven_sizes, most_events)
        )
        with transaction.atomic():
            _record(actor, scope, viewer, exported, reason)
        half.replace(path)
    finally:
        half.unlink(missing_ok=True)
    return Exported(path, exported.events, exported.tree_size)


def _refused(code: str, why: str, next_step: str, kind: RefusalKind = RefusalKind.CONFLICT) -> Refusal:
    return Refusal(code, f"Nothing was exported: {why}.", kind=kind, next_step=next_step)


def _write(
    newest: Checkpoint,
    half: Path,
    actor: Actor,
    scope: Scope,
    condition: Q | None,
    viewer: Any,
    proven_sizes: Iterable[int],
    most_events: int | None,
) -> Exported:
    sees_all = viewer is None or viewer.has_perm("audit.view_every_event")
    indexes: Sequence[int] = range(newest.tree_size)
    if condition is not None or not sees_all:
        indexes = _chosen(condition or visibility.EVERYTHING, None if sees_all else viewer, newest.tree_size)
    if most_events is not None and len(indexes) > most_events:
        raise _refused(
            "too_large",
            f"{len(indexes):,} events are more than the {most_events:,} that a page gives",
            "Have it made on the server: manage.py export_ledger --help",
            RefusalKind.TOO_LARGE,
        )
    is_whole = len(indexes) == newest.tree_size
    sizes = None if is_whole else _sizes_in_part(newest.tree_size)
    by_whom = Subject(scope.as_json(), sees_all, instant(selectors.database_now()), actor.label)
    with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as handle:
        with closing(BundleWriter(handle)) as writer:
            keys = SigningKey.objects.order_by("first_size", "vkey").values_list("vkey", "first_size")
            writer.add("keys.json", [keys_line(keys)])
            writer.add("checkpoints.jsonl", _checkpoint_lines(sizes))
            writer.add("nodes.jsonl", _node_lines(indexes, newest.tree_size, [*(sizes or ()), *proven_sizes]))
            writer.add("events.jsonl", _event_lines(indexes))
            count = writer.finish(newest.note, by_whom)
        handle.flush()
        os.fsync(handle.fileno())
    return Exported(half, count, newest.tree_size)


# --- which events ---


def _chosen(condition: Q, viewer: Any, size: int) -> Sequence[int]:
    """Return the indexes of what was asked for, of what belongs to its actions, and of what explains it."""
    sealed = Event.objects.filter(placement__position__lte=size)
    wanted = sealed.filter(condition)
    if viewer is not None:
        wanted = wanted.filter(visibility.visible_to(viewer))
    found = set(_indexes(wanted))
    if viewer is None:
        actions = wanted.exclude(action_id="").order_by().values_list("action_id", flat=True).distinct()
        for some in in_parts(actions.iterator(chunk_size=AT_ONCE), AT_ONCE):
            found.update(_indexes(sealed.filter(action_id__in=some)))
    found.update(_indexes(sealed.filter(verb__in=[KEY_ADDED, KEY_RETIRED])))
    for some in in_parts(sorted(found), AT_ONCE):
        found.update(_telling_of_erasures(some))
    return array("q", sorted(found))


def _indexes(events: Any) -> Iterator[int]:
    positions = events.order_by().values_list("placement__position", flat=True)
    return (position - 1 for position in positions.iterator(chunk_size=AT_ONCE))


def _telling_of_erasures(indexes: Sequence[int]) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT told.position - 1 FROM audit_position p"
            " JOIN audit_erasure x ON x.event_id = p.event_id"
            " JOIN audit_position told ON told.event_id = x.cause_id WHERE p.position = ANY (%s)",
            [[index + 1 for index in indexes]],
        )
        return [row[0] for row in cursor.fetchall()]


# --- what proves them ---


def _sizes_in_part(size: int) -> list[int]:
    """Return the sizes whose checkpoints go with a part: the newest, and those by which keys are changed."""
    known = Checkpoint.objects.filter(tree_size__lte=size).order_by("-tree_size")
    chosen = set(known.values_list("tree_size", flat=True)[:CHECKPOINTS_IN_PART])
    chosen.update(
        known.filter(tree_size__in=SigningKey.objects.values("first_size")).values_list("tree_size", flat=True)
    )
    for index in _indexes(Event.objects.filter(verb=KEY_ADDED, placement__position__lte=size)):
        both = known.filter(tree_size__gt=index, note__contains="\n— ", note__regex="\n— [^\n]+\n— ")
        chosen.update(both.order_by("tree_size").values_list("tree_size", flat=True)[:3])
    return sorted(chosen)


def _checkpoint_lines(sizes: list[int] | None) -> Iterator[str]:
    rows = Checkpoint.objects.order_by("tree_size")
    if sizes is not None:
        rows = rows.filter(tree_size__in=sizes)
    for some in in_parts(rows.values_list("tree_size", "note").iterator(chunk_size=AT_ONCE), AT_ONCE):
        said: dict[int, list[dict[str, str]]] = {}
        first, last = some[0][0], some[-1][0]
        for one in Cosignature.objects.filter(checkpoint__gte=first, checkpoint__lte=last).order_by("id"):
            content = base64.b64encode(bytes(one.content)).decode()
            told = {"kind": one.kind, "source": one.source, "content": content}
            said.setdefault(one.checkpoint_id, []).append(told)
        for size, note in some:
            yield checkpoint_line(size, note, said.get(size, []))


def _node_lines(indexes: Sequence[int], size: int, cuts: Iterable[int]) -> Iterator[str]:
    if len(indexes) == size:
        return
    tree = Tree(lru_cache(maxsize=1024)(stored_tree.tile))
    for start, level in left_out(indexes, size, cuts):
        yield node_line(start, level, tree.node(level, start >> level))


def _event_lines(indexes: Sequence[int]) -> Iterator[str]:
    for row in sealed_rows(indexes):
        if row.sealed is None:
            raise _refused(
                "ledger_damaged",
                f"event {row.index} was sealed and is not there any more",
                "Find out who removed it: manage.py verify_ledger",
            )
        yield event_line(row.index, row.leaf_hash.hex(), row.sealed, row.words_salt, row.data_salt)


def _record(actor: Actor, scope: Scope, viewer: Any, exported: Exported, reason: str) -> None:
    told = {"scope": scope.as_json(), "tree_size": exported.tree_size, "events": exported.events}
    record_event(
        actor=actor,
        verb=LEDGER_EXPORTED,
        subject=LEDGER,
        sentence=f"{actor.label} exported {exported.events:,} of {exported.tree_size:,} sealed events.",
        reason=reason,
        payload={**told, "visible_to": "" if viewer is None else str(viewer.pk)},
    )
