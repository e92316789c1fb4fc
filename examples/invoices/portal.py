"""The portal as an agent at work sees it: be given tasks, read documents, ask for actions, hand in answers.

An agent is one function. It gets a task and returns the answer, or raises one of these:

    Cannot(code, message)       this work cannot be done, now or later: the workflow takes it from there
    Later(reason, ...)          not now: the task goes back and is offered again, after some seconds or
                                when an action has ended that people are asked about

    def work(task: Task) -> dict: ...

    if __name__ == "__main__":
        run(work)

What ``run`` takes care of, and an agent of yours should, too, in any language:

1. A task is a lease. It is kept alive while the work goes on; whoever is told that it is over drops the work.
2. The portal may be away, busy or restarting. The same request is sent again, with the same Idempotency-Key.
3. The key of an action comes from the key of the task: whoever takes the task up again asks for the same
   action, not for a second one.
4. Nobody waits for a person. A held action gives the task back; it is offered again when people have decided.
5. SIGTERM ends politely: what is held goes back at once instead of when its lease runs out.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import signal
import sys
import threading
import time
import traceback
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

CLAIM_WAIT_SECONDS = 20
LEASE_SECONDS = 30
HEARTBEAT_SECONDS = 10
LONGEST_PAUSE_SECONDS = 15
MOST_DOCUMENT_BYTES = 32 * 1024 * 1024
# The portal or its database is not there; nothing was decided.
AWAY = {502, 503, 504}
# The claim is over: somebody else has the task, or nobody needs it any more.
CLAIM_IS_OVER = {"task_stale", "task_taken", "task_closed", "task_not_claimed", "task_not_yours"}
# An action may still change in these states; every other one is final.
UNFINISHED = {"requested", "held", "authorized", "dispatched", "in_doubt"}
# Nothing was done, and what stood in the way passes: the same wish is asked again later, under the next key.
PASSING = {
    *("unreachable", "connect_timeout", "timeout", "connection_lost", "breaker_open", "busy", "system_busy"),
    *("system_off", "operation_off", "operation_changed", "authorization_expired"),
    *("stopped", "agent_paused", "agent_suspended", "account_missing", "secret_missing"),
}


class Cannot(Exception):
    """This task cannot be done; asking again changes nothing. ``code`` is for the workflow."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


class Later(Exception):
    """Not now: offer the task again after so many seconds, or when an action has ended."""

    def __init__(self, reason: str, *, after_seconds: int = 0, action: str = "") -> None:
        super().__init__(reason)
        self.reason, self.after_seconds, self.action = reason, after_seconds, action


class ClaimOver(Exception):
    """The task is no longer ours. Drop it; whatever was asked for stands under its key."""


class Stopped(BaseException):
    """Somebody asked this process to end."""


@dataclass(frozen=True)
class Answer:
    """What the portal said: the HTTP status, seconds to wait before trying again (if it said so), the body."""

    status: int
    body: Json
    retry_after: int | None = None
    content: bytes = b""


@dataclass(frozen=True)
class Outcome:
    """What became of an action."""

    state: str
    action: str
    code: str
    sentence: str
    result: Json = field(default_factory=dict)

    @property
    def done(self) -> bool:
        """Say whether it was done."""
        return self.state == "confirmed"


class Portal:
    """Speaks HTTP with the portal; knows an address and a credential and nothing else."""

    def __init__(self, url: str, client_id: str, client_secret: str) -> None:
        self._url, self._pair = url, f"{client_id}:{client_secret}"
        self._token, self._good_until = "", 0.0
        self._lock = threading.Lock()

    def call(
        self, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None, tries: int = 0
    ) -> Answer:
        """Send one request until the portal has an answer; with ``tries``, give up with ConnectionError.

        It is safe to repeat: what changes something carries an epoch or an Idempotency-Key.
        """
        attempt = 0
        while True:
            attempt += 1
            pause = min(0.25 * 2**attempt, LONGEST_PAUSE_SECONDS)
            try:
                answer = self._authorized(method, path, body, headers or {})
            except OSError as error:
                why = str(error)
            else:
                if answer.status not in AWAY and answer.retry_after is None:
                    return answer
                why = f"{answer.status} {answer.body.get('code', '')}"
                pause = answer.retry_after or pause
            if attempt == tries:
                raise ConnectionError(f"The portal gave no answer: {why}")
            say(f"{method} {path}: {why}; again in {pause:g} s")
            time.sleep(pause)

    def _authorized(self, method: str, path: str, body: Any, headers: dict[str, str]) -> Answer:
        """Send with a token; one that is refused before its time (the portal began anew) is renewed once."""
        answer = self._send(method, path, body, {**headers, "Authorization": f"Bearer {self._fresh_token()}"})
        if answer.status == 401:
            self._good_until = 0.0
            answer = self._send(
                method, path, body, {**headers, "Authorization": f"Bearer {self._fresh_token()}"}
            )
        return answer

    def _fresh_token(self) -> str:
        """Trade the credential for a short-lived token (OAuth client credentials, RFC 6749 section 4.4)."""
        with self._lock:
            if time.monotonic() < self._good_until:
                return self._token
            basic = f"Basic {base64.b64encode(self._pair.encode()).decode()}"
            form = b"grant_type=client_credentials"
            answer = self._send("POST", "/oauth/token", form, {"Authorization": basic})
            if answer.status in AWAY or answer.retry_after is not None:
                raise ConnectionError(f"no token yet: {answer.status}")
            if answer.status != 200:
                raise SystemExit(f"The portal refused the credential: {answer.status} {answer.body}")
            self._token = answer.body["access_token"]
            self._good_until = time.monotonic() + 0.8 * answer.body["expires_in"]
            return self._token

    def _send(self, method: str, path: str, body: Any, headers: dict[str, str]) -> Answer:
        form = isinstance(body, bytes)
        data = body if form or body is None else json.dumps(body).encode()
        kind = "application/x-www-form-urlencoded" if form else "application/json"
        address = urllib.parse.urljoin(self._url, path)
        request = urllib.request.Request(address, data, {**headers, "Content-Type": kind}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=CLAIM_WAIT_SECONDS + 30) as reply:
                return _answer(reply.status, reply.headers, reply.read(MOST_DOCUMENT_BYTES + 1))
        except urllib.error.HTTPError as refused:
            return _answer(refused.code, refused.headers, refused.read(1_000_000))


NO_TALK = {
    "answer": "I work by fixed rules and cannot talk. All I know stands in the reason I gave, and in what the "
    "systems told me in the same piece of work."
}


class Task:
    """One task this agent holds."""

    def __init__(self, portal: Portal, facts: Json) -> None:
        self._portal, self._facts = portal, facts
        self.id: str = facts["id"]
        self.key: str = facts["key"]
        self.epoch: int = facts["epoch"]
        self.input: Json = facts["input"]
        self.documents: list[Json] = facts.get("documents", [])
        self.answers: list[Json] = facts.get("answers", [])
        # Whoever decides on what this agent asked for may ask it something: that is a task, too.
        self.is_question: bool = {"question", "asked_by"} <= self.input.keys()
        self._reads = 0

    def document(self, document_id: str) -> bytes:
        """Return the bytes of a document of this task's run."""
        answer = self._checked(self._portal.call("GET", f"/api/v1/documents/{document_id}/content"))
        if answer.status != 200:
            raise Cannot("document_missing", f"The document {document_id} was not given: {answer.status}.")
        expected = {found["id"]: found["sha256"] for found in self.documents}.get(document_id)
        if expected and hashlib.sha256(answer.content).hexdigest() != expected:
            raise Later("The document did not arrive whole.", after_seconds=10)
        return answer.content

    def look(self, operation: str, arguments: Json, *, reason: str) -> list[Json]:
        """Return the items that a reading operation finds now. It is governed and recorded like any other."""
        self._reads += 1
        # A key of its own for every look: what was found an hour ago may no longer be so.
        key = f"{self.key}/look/{self.epoch}.{self._reads}"
        outcome = self._ask(operation, arguments, key, reason)
        if outcome.done:
            return list(outcome.result.get("items", []))
        if outcome.code == "invalid_arguments":
            return []  # a value of a form that the system does not take cannot stand in it
        if outcome.code in PASSING:
            raise self._not_now(outcome)
        raise Cannot(outcome.code, f"{operation}: {outcome.sentence}")

    def ask(
        self, operation: str, arguments: Json, *, name: str, reason: str, passing: Collection[str] = ()
    ) -> Outcome:
        """Ask for an action and return what became of it, refusals included; raise Later if it is held.

        ``name`` tells the actions of one task apart; ``passing`` are more codes of what passes by itself. Each
        claim of the task (its epoch) may try once more what failed for such a reason, under the next key; the
        first key with any other answer is the answer, now and at every later claim.
        """
        for attempt in range(1, self.epoch + 1):
            key = f"{self.key}/{name}" if attempt == 1 else f"{self.key}/{name}/{attempt}"
            outcome = self._ask(operation, arguments, key, reason)
            if outcome.code not in {*PASSING, *passing}:
                return outcome
        raise self._not_now(outcome)

    def _ask(self, operation: str, arguments: Json, key: str, reason: str) -> Outcome:
        wish = {
            "operation": operation,
            "arguments": arguments,
            "reason": reason,
            "task": self.id,
            "task_epoch": self.epoch,
        }
        headers = {"Idempotency-Key": key, "Prefer": "wait=10"}
        body = self._checked(self._portal.call("POST", "/api/v1/actions", wish, headers=headers)).body
        if body.get("code") == "idempotency_key_reused" and body.get("action"):
            # What was asked under this key before is what counts, even if it would be worded differently now.
            body = self._action(body["action"])
        if body.get("state") in UNFINISHED - {"held"}:
            body = self._action(body["id"], wait=CLAIM_WAIT_SECONDS)
        outcome = _outcome(body)
        if outcome.state in UNFINISHED:
            raise Later(outcome.sentence, action=outcome.action)
        return outcome

    def _action(self, action: str, wait: int = 0) -> Json:
        return self._checked(self._portal.call("GET", f"/api/v1/actions/{action}?wait={wait}")).body

    def _not_now(self, outcome: Outcome) -> Later:
        return Later(outcome.sentence, after_seconds=min(10 * self.epoch, 300))

    def question(self, words: str, *, to: Json, schema: Json | None = None) -> Json | None:
        """Return what others say to a question, or None if nobody knew. Nothing checks their word but you.

        Nobody waits for them: when it has not been asked yet, it is, the task goes back with it, and is offered
        again with the answer. ``to`` names one of agent, role, group and person; ``schema`` is the answer's.
        """
        asked = [each for each in self.answers if each["question"] == words]
        if not asked:
            wish = {"question": words, "to": to, "wait": True, **({"schema": schema} if schema else {})}
            self._passed(self._move("ask", wish))
            raise ClaimOver("It is offered again when there is an answer.")
        if asked[-1]["state"] in ("open", "claimed"):
            raise Later("There is no answer yet.", after_seconds=60)
        return asked[-1]["answer"]

    def hand_off(self, to: Json, *, reason: str, note: str = "") -> ClaimOver:
        """Let somebody else go on with the task, and raise what this returns. ``note`` is for them."""
        self._passed(self._move("hand-off", {"to": to, "reason": reason[:500], "note": note[:2000]}))
        return ClaimOver("Somebody else goes on with it.")

    def complete(self, answer: Json) -> None:
        """Hand in the answer; raise Cannot if the workflow does not take it: then a person looks at it."""
        told = self._checked(self._move("complete", {"answer": answer}))
        if told.status >= 400:
            code = "invalid_answer" if told.status == 422 else told.body.get("code", "refused")
            raise Cannot(code, told.body.get("detail", "The answer was refused."))

    def fail(self, code: str, message: str, *, retry: bool) -> None:
        """Say that it cannot be done; with ``retry`` it is offered again, a few times."""
        self._checked(self._move("fail", {"code": code, "message": message[:1000] or code, "retry": retry}))

    def release(self, later: Later, tries: int = 0) -> None:
        """Give the task back."""
        how: Json = {"reason": later.reason[:500]}
        if later.action:
            how["wait_for_action"] = later.action
        if later.after_seconds:
            how["after_seconds"] = later.after_seconds
        self._checked(self._move("release", how, tries))

    def heartbeat(self) -> None:
        """Keep the claim for another lease."""
        self._move("heartbeat", {"lease_seconds": LEASE_SECONDS}, tries=1)

    def _move(self, verb: str, body: Json, tries: int = 0) -> Answer:
        path = f"/api/v1/tasks/{self.id}/{verb}"
        answer = self._portal.call("POST", path, {"epoch": self.epoch, **body}, tries=tries)
        if answer.status >= 400:
            say(f"{self.key}: {verb} was refused: {answer.body.get('detail', answer.status)}")
        return answer

    def _passed(self, answer: Answer) -> None:
        """Raise Cannot when others may not be asked or given the task, as the workflow does not name them."""
        if self._checked(answer).status >= 400:
            raise Cannot(answer.body.get("code", "refused"), answer.body.get("detail", "It was refused."))

    def _checked(self, answer: Answer) -> Answer:
        """Return an answer, unless it says that the task is no longer ours."""
        if answer.body.get("code") in CLAIM_IS_OVER:
            raise ClaimOver(answer.body.get("detail", ""))
        return answer


class Heartbeat(threading.Thread):
    """Keeps a claim alive beside the work. If it is over, the next request of the work itself is told so."""

    def __init__(self, task: Task) -> None:
        super().__init__(daemon=True)
        self._task, self._over = task, threading.Event()

    def __enter__(self) -> None:
        self.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()

    def run(self) -> None:
        """Beat until the work is over; a beat that fails is followed by the next one."""
        while not self._over.wait(HEARTBEAT_SECONDS):
            try:
                self._task.heartbeat()
            except OSError as error:
                say(f"heartbeat: {error}")


def run(work: Callable[[Task], Json]) -> None:
    """Do one task after the other until SIGTERM or Ctrl-C."""
    portal = Portal(*(os.environ[f"AUTONOMY_{name}"] for name in ("URL", "CLIENT_ID", "CLIENT_SECRET")))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    try:
        while True:
            for facts in claim(portal):
                do(work, Task(portal, facts))
    except Stopped:
        say("ended, as asked")


def claim(portal: Portal) -> list[Json]:
    """Wait for a task and return it; an empty list after a while without one, or while we may not work."""
    wish = {"most": 1, "lease_seconds": LEASE_SECONDS}
    answer = portal.call("POST", f"/api/v1/tasks/claim?wait={CLAIM_WAIT_SECONDS}", wish)
    if answer.status == 200:
        return list(answer.body["tasks"])
    say(f"no work: {answer.status} {answer.body.get('code', '')} {answer.body.get('detail', '')}")
    time.sleep(5)
    return []


def do(work: Callable[[Task], Json], task: Task) -> None:
    """Do one task and hand in what came of it, whatever it is."""
    say(f"{task.key}: begun")
    try:
        with Heartbeat(task):
            _finish(work, task)
    except ClaimOver as over:
        say(f"{task.key}: dropped, it is no longer ours. {over}")
    except Stopped:
        _give_back(task)
        raise


def _finish(work: Callable[[Task], Json], task: Task) -> None:
    try:
        task.complete(NO_TALK if task.is_question else work(task))
        say(f"{task.key}: done")
    except Later as later:
        task.release(later)
        say(f"{task.key}: given back. {later}")
    except Cannot as cannot:
        task.fail(cannot.code, cannot.message, retry=False)
        say(f"{task.key}: {cannot.code}. {cannot}")
    except (ClaimOver, SystemExit):
        raise
    except Exception:  # noqa: BLE001 - a mistake of ours must not end the agent; it is tried a few times
        traceback.print_exc()
        task.fail("agent_error", "The agent itself made a mistake; its log says which.", retry=True)


def _give_back(task: Task) -> None:
    try:
        task.release(Later("The agent was asked to end."), tries=1)
    except (OSError, ClaimOver) as error:
        say(f"{task.key}: not given back, its lease runs out. {error}")


def _stop(number: int, _frame: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise Stopped(number)


def _outcome(body: Json) -> Outcome:
    """Read an action or a refusal; both say what became of what was asked."""
    return Outcome(
        state=body.get("state", "refused"),
        action=body.get("id") or body.get("action") or "",
        code=body.get("code", ""),
        sentence=body.get("sentence") or body.get("detail") or "",
        result=body.get("result") or {},
    )


def _answer(status: int, headers: Any, content: bytes) -> Answer:
    seconds = headers.get("Retry-After", "")
    retry_after = int(seconds) if seconds.isdigit() else None
    try:
        body = json.loads(content) if "json" in headers.get("Content-Type", "") else {}
    except ValueError:
        body = {}
    return Answer(status, body if isinstance(body, dict) else {}, retry_after, content)


def say(line: str) -> None:
    """Tell the person who watches."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
