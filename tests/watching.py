"""What a request, a job or a command wrote, by transaction: what leaves no event in the ledger is found here.

Every test has it on (``tests/conftest.py``); ``tests/test_every_change_is_recorded.py`` drives each entry once.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import wraps
from inspect import isfunction
from typing import Any
from unittest.mock import patch

from celery import Task
from django.core.management import BaseCommand
from django.db import connection
from django.db.transaction import Atomic
from django.test.client import ClientHandler

from autonomy.celery import app

LEDGER = "audit_event"
# Tables whose change alone is no event, and why. Everything else is.
EXEMPT = {
    r"audit_\w+": "the ledger itself, and how far its readers got",
    r"\w+_historical\w+": "the history that is kept beside a change, never by itself",
    r"runs_(ready|timer|subscription)(\.\w+)?": "what the engine looks at next, and when",
    r"actions_action\.epoch": "the number of a lease, by which late answers are dropped",
    r"actions_lease": "who is doing an action until when; what comes of it is told",
    r"notices_(notice|mail|post|line)(\.\w+)?": "what is on its way to whom; what is given up is told",
    r"notices_(reading|glance)(\.\w+)?": "what somebody has read; it changes nothing of what waits",
    r"triggers_(due|cursor|firing|\w+delivery)(\.\w+)?": "when it looks, what came; the run it starts is told",
    r"triggers_webhooksecret\.last_used_at": "when a sender last used its secret",
    r"django_session": "sessions: signing in and out are events of their own",
    r"django_(admin_log|content_type|migrations)": "bookkeeping of the framework",
    r"connectors_systemhealth(\.consecutive_failures)?": "a counter; that the breaker opens or closes is told",
    r"agents_enforcementpoint": "which processes are alive just now; that a stop reached them is told",
    r"agents_acknowledgement": "where a stop has arrived; that it was raised, and is proved, is told",
    r"agents_modeluse": "what an agent says it used, row by row; that a budget is spent is told",
    r"agents_(measurecounter|reservation)(\.\w+)?": "what limits count: what is asked and settled is told",
    r"tasks_task\.(progress|lease_until)": "the heartbeat of a holder; that it claimed is told",
    r"approvals_opening": "that somebody opened a question, kept for their vote, which is told",
    r"pg_\w+|information_schema": "the database's own",
}
# What a job may change beside: the engine goes on by itself, and tells what it begins, asks for and ends.
IN_JOBS = {
    r"runs_(step|frame|item)(\.\w+)?": "where a run is; its tasks, actions and end are told",
    r"tasks_task\.preferred_agent_id": "whom the engine offers a step to first; who takes it is told",
    r"backtests_backtest(\.\w+)?": "how far it has come; that it was asked, and its end, are told",
}
_WRITES = re.compile(
    r"\bINSERT\s+INTO\s+(?P<insert>[\w\".]+)"
    r"|(?<!FOR )(?<!KEY )(?<!DO )\bUPDATE\s+(?:ONLY\s+)?(?P<update>[\w\".]+)\s+"
    r"(?:AS\s+\w+\s+|\w+\s+)?SET\s+(?P<first>[\w\".]+)"
    r"|\bDELETE\s+FROM\s+(?:ONLY\s+)?(?P<delete>[\w\".]+)"
    r"|\bTRUNCATE\s+(?:TABLE\s+)?(?P<truncate>[\w\".]+)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Write:
    """One statement that changed rows: how, and of which table; of an update, the first column."""

    how: str
    table: str
    first: str = ""

    @property
    def name(self) -> str:
        return f"{self.table}.{self.first}" if self.first else self.table


def writes_of(sql: str) -> list[Write]:
    """Return what a statement, or several in one message, writes."""
    found = []
    for match in _WRITES.finditer(sql):
        how = next(name for name in ("insert", "update", "delete", "truncate") if match[name])
        first = (match["first"] or "").replace('"', "").rpartition(".")[2]
        found.append(Write(how, match[how].replace('"', "").rpartition(".")[2].lower(), first))
    return found


def silently_changed(name: str, watch: Watch) -> set[str]:
    """Return what an entry, by its name, changed without an event that it should have left."""
    return watch.unrecorded({**EXEMPT, **IN_JOBS} if name.startswith("job ") else EXEMPT)


def is_exempt(write: Write, exempt: dict[str, str]) -> bool:
    return any(re.fullmatch(known, write.table) or re.fullmatch(known, write.name) for known in exempt)


@dataclass
class Watch:
    """What was written for good while it was on, one list for each transaction."""

    transactions: list[list[Write]] = field(default_factory=list)
    _now: list[Write] = field(default_factory=list)
    _starts: list[int] = field(default_factory=list)

    def entered(self) -> None:
        self._starts.append(len(self._now))

    def left(self, *, undone: bool) -> None:
        if not self._starts:
            return  # it was entered before the watch was on
        start = self._starts.pop()
        if undone:
            del self._now[start:]
        if not self._starts:
            self._close()

    def _close(self) -> None:
        if self._now:
            self.transactions.append([*self._now])
            self._now.clear()

    def wrote(self, found: list[Write]) -> None:
        self._now.extend(found)
        if not self._starts:
            self._close()

    def unrecorded(self, exempt: dict[str, str]) -> set[str]:
        """Return what was changed in a transaction that left no event."""
        return {
            write.name
            for written in self.transactions
            if LEDGER not in {write.table for write in written if write.how == "insert"}
            for write in written
            if not is_exempt(write, exempt)
        }

    def changed(self, exempt: dict[str, str]) -> bool:
        """Tell whether any state was changed."""
        return any(not is_exempt(write, exempt) for written in self.transactions for write in written)

    def recorded(self) -> bool:
        """Tell whether any event was left."""
        return any(write.table == LEDGER for written in self.transactions for write in written)


_watches: list[Watch] = []


def _enter(real: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(real)
    def enter(self: Atomic) -> Any:
        answer = real(self)
        for watch in _watches:
            watch.entered()
        return answer

    return enter


def _exit(real: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(real)
    def leave(self: Atomic, exc_type: Any, exc_value: Any, traceback: Any) -> Any:
        undone = exc_type is not None or connection.needs_rollback
        try:
            return real(self, exc_type, exc_value, traceback)
        finally:
            for watch in _watches:
                watch.left(undone=undone)

    return leave


def _look(execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:
    answer = execute(sql, params, many, context)
    text = sql if isinstance(sql, str) else str(sql)
    found = writes_of(text)
    if found and (context["cursor"].rowcount != 0 or ";" in text or text.lstrip().upper().startswith("WITH")):
        for watch in _watches:
            watch.wrote(found)
    return answer


@contextmanager
def watched() -> Iterator[Watch]:
    """Watch what this thread writes; inside another watch both see it."""
    watch = Watch()
    with ExitStack() as stack:
        if not _watches:
            stack.enter_context(patch.object(Atomic, "__enter__", _enter(Atomic.__enter__)))
            stack.enter_context(patch.object(Atomic, "__exit__", _exit(Atomic.__exit__)))
            stack.enter_context(connection.execute_wrapper(_look))
        _watches.append(watch)
        try:
            yield watch
        finally:
            _watches.remove(watch)


@contextmanager
def all_recorded() -> Iterator[None]:
    """Fail if what is done inside changes something and leaves no event."""
    with watched() as watch:
        yield
    silent = watch.unrecorded(EXEMPT)
    assert not silent, f"changed without an event in the ledger: {', '.join(sorted(silent))}"


_tellers: list[Callable[[str, Watch], None]] = []


@contextmanager
def everything_watched(tell: Callable[[str, Watch], None]) -> Iterator[None]:
    """Tell what each request of a test client, each job and each command writes, as each of them ends."""
    _tellers.append(tell)
    try:
        yield
    finally:
        _tellers.remove(tell)


def _watching(real: Callable[..., Any], name: Callable[..., str]) -> Callable[..., Any]:
    @wraps(real)
    def call(*args: Any, **kwargs: Any) -> Any:
        # In another thread there is another connection, which is not watched.
        if _watches or not _tellers or threading.current_thread() is not threading.main_thread():
            return real(*args, **kwargs)
        tell = _tellers[-1]
        with watched() as watch:
            answer = real(*args, **kwargs)
        tell(name(*args), watch)
        return answer

    return call


def watch_entries() -> None:
    """Put a watch, which is off, before everything by which something comes into the portal; once, and early.

    Of a job also before the services it calls, because tests call those.
    """
    app.loader.import_default_modules()
    entries: list[tuple[Any, str, Callable[..., str]]] = [
        (ClientHandler, "__call__", lambda _, environ: f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"),
        (Task, "__call__", lambda task, *_: f"job {task.name}"),
        (BaseCommand, "execute", lambda command, *_: f"command {type(command).__module__}"),
    ]
    for job in jobs():
        services = job.run.__globals__["services"]
        for named in job.run.__code__.co_names:
            if isfunction(getattr(services, named, None)):
                entries.append((services, named, lambda *_, said=f"job {job.name} ({named})": said))
    for owner, attribute, name in entries:
        setattr(owner, attribute, _watching(getattr(owner, attribute), name))


def jobs() -> list[Any]:
    """Return our jobs, by their names."""
    ours = {name: job for name, job in app.tasks.items() if not name.startswith("celery.")}
    return [job for _, job in sorted(ours.items())]
