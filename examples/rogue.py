"""What an agent tries when it does not keep to the rules: one attempt a run, one JSON line with the answer.

    python3 rogue.py ATTEMPT '{"...": "..."}'

Like any agent it holds an address and a credential and nothing else. The demo plays every attempt and checks
that it is refused with the right code and stands in the ledger; you can play them, too.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections import Counter
from collections.abc import Callable
from typing import Any

Told = dict[str, Any]
URL = os.environ["AUTONOMY_URL"]
HELD: Told = {"token": "", "until": 0.0}
LOCK = threading.Lock()


def send(method: str, path: str, body: Any = None, token: str = "", **headers: str) -> Told:
    """Send one request; return status, code and the ids that matter."""
    headers |= {"Authorization": f"Bearer {token or present_token()}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(urllib.parse.urljoin(URL, path), data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=90) as reply:
            return told(reply.status, reply.read())
    except urllib.error.HTTPError as refused:
        return told(refused.code, refused.read())


def told(status: int, text: bytes) -> Told:
    """Return what counts of an answer."""
    try:
        body = json.loads(text)
    except ValueError:
        body = {}
    kept = ("code", "state", "next", "rules", "id", "action", "remote_ref")
    words = body.get("sentence") or body.get("detail")
    return {"status": status, "sentence": words, **{name: body[name] for name in kept if name in body}}


def present_token() -> str:
    """Return a token that is at most fifteen seconds old."""
    with LOCK:
        if time.monotonic() > HELD["until"]:
            HELD.update(token=fetch_token()["access_token"], until=time.monotonic() + 15)
        return str(HELD["token"])


def fetch_token() -> Told:
    """Trade the credential for a token."""
    pair = f"{os.environ['AUTONOMY_CLIENT_ID']}:{os.environ['AUTONOMY_CLIENT_SECRET']}"
    request = urllib.request.Request(
        urllib.parse.urljoin(URL, "/oauth/token"),
        b"grant_type=client_credentials",
        {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"},
    )
    with urllib.request.urlopen(request, timeout=30) as reply:
        return dict(json.load(reply))


def ask(wish: Told, *, key: str = "", token: str = "", wait: int = 20) -> Told:
    """Ask for an action."""
    headers = {"Idempotency-Key": key or str(uuid.uuid4()), "Prefer": f"wait={wait}"}
    return send("POST", "/api/v1/actions", wish, token, **headers)


def one(wish: Told) -> list[Told]:
    """Ask once: for what was never granted, for too much, while paused, while stopped."""
    return [ask(wish)]


def again(wish: Told) -> list[Told]:
    """Ask for the same thing under another key, as if it had never been done."""
    return [ask(wish) for _ in range(2)]


def swap(case: Told) -> list[Told]:
    """Change one byte of what was asked for, and use the key (and so the approval) of the original."""
    return [ask(case["wish"], key=case["key"])]


def vote(case: Told) -> list[Told]:
    """Approve one's own request."""
    body = {"verdict": "approve", "reason": "Looks fine to me", "digest": case["digest"]}
    return [send("POST", f"/api/v1/approvals/{case['approval']}/votes", body)]


def meddle(case: Told) -> list[Told]:
    """Read and withdraw what another agent asked for."""
    path = f"/api/v1/actions/{case['action']}"
    return [send("GET", path), send("POST", f"{path}/withdraw", {"reason": "No longer needed"})]


def edit(case: Told) -> list[Told]:
    """Change an action after it was asked for."""
    return [
        send(method, f"/api/v1/actions/{case['action']}", case["wish"]) for method in ("PUT", "PATCH", "DELETE")
    ]


def token(case: Told) -> list[Told]:
    """Use a token that is no longer good."""
    return [send("GET", "/api/v1/operations", token=case["token"]), ask(case["wish"], token=case["token"])]


def fresh(case: Told) -> list[Told]:
    """Only fetch a token, to keep it for later."""
    return [{"status": 200, **fetch_token()}]


def burst(case: Told) -> list[Told]:
    """Ask for many at once, each with its own number for ``{n}``; return how often each answer came."""
    counts, left, lock = Counter[str](), iter(range(case["count"])), threading.Lock()

    def work() -> None:
        while True:
            with lock:
                number = next(left, None)
            if number is None:
                return
            answer = ask(numbered(case["wish"], number), wait=0)
            with lock:
                counts[f"{answer['status']} {answer.get('code') or answer.get('state')}"] += 1

    run_together(work, case.get("threads", 32))
    return [{"status": 200, "counts": dict(counts)}]


def flood(case: Told) -> list[Told]:
    """Ask without end until the first refusal, from several threads; return the answers as they came."""
    answers, over, lock = list[Told](), threading.Event(), threading.Lock()
    deadline = time.monotonic() + case.get("seconds", 20)
    numbers = iter(range(10**6))

    def work() -> None:
        while not over.is_set() and time.monotonic() < deadline:
            with lock:
                number = next(numbers)
            answer = ask(numbered(case["wish"], number), wait=0)
            with lock:
                answers.append(answer)
            if answer["status"] == 403:
                over.set()

    run_together(work, case.get("threads", 4))
    return answers


def numbered(wish: Told, number: int) -> Told:
    """Return the wish with a number of its own wherever it says ``{n}``."""
    return dict(json.loads(json.dumps(wish).replace("{n}", str(number))))


def run_together(work: Callable[[], None], threads: int) -> None:
    """Run ``work`` in so many threads and wait for all of them."""
    started = [threading.Thread(target=work) for _ in range(threads)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()


ATTEMPTS: dict[str, Callable[[Told], list[Told]]] = {
    attempt.__name__: attempt for attempt in (one, again, swap, vote, meddle, edit, token, fresh, burst, flood)
}

if __name__ == "__main__":
    print(json.dumps(ATTEMPTS[sys.argv[1]](json.loads(sys.argv[2]))))
