"""An agent in one file, with nothing but Python: the example to copy when you connect one of your own.

It knows an address and a credential, and no password of any system. It reads one wish a line from its
standard input,

    {"operation": "erp.party.find", "arguments": {"name": "Baltic%"}, "reason": "Who is this invoice from?"}

asks the portal for each, and writes one answer a line to standard output:

    {"operation": "erp.party.find", "state": "confirmed", "action": "0199...", "result": {...}}

Run it with Python 3.11 or later:

    export AUTONOMY_URL=http://127.0.0.1:8000 AUTONOMY_CLIENT_ID=... AUTONOMY_CLIENT_SECRET=...
    python3 agent.py < wishes

The five things an agent of yours should do as well are marked 1 to 5.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from dataclasses import dataclass, field
from typing import Any

# What the portal may still change. Everything else is final.
UNFINISHED = {"requested", "held", "authorized", "dispatched", "in_doubt"}
# These say "not now", so the same request is sent again, with the same key.
NOT_NOW = {502, 503, 504}
ATTEMPTS = 6
LONG_POLL_SECONDS = 20


@dataclass
class Answer:
    """What the portal said: HTTP status, headers and the decoded body."""

    status: int
    headers: Any
    body: dict[str, Any]


@dataclass
class Portal:
    """The portal as an agent sees it."""

    url: str
    client_id: str
    client_secret: str
    _token: str = ""
    _good_until: float = 0.0

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Send one request with a fresh token; a token that was refused is renewed once."""
        answer = self._send(method, path, body, {**headers, "Authorization": f"Bearer {self.token()}"})
        if answer.status == 401:
            self._good_until = 0.0
            answer = self._send(method, path, body, {**headers, "Authorization": f"Bearer {self.token()}"})
        return answer

    def token(self) -> str:
        """1. Trade the credential for a short-lived token (OAuth client credentials, RFC 6749 section 4.4)."""
        if time.monotonic() < self._good_until:
            return self._token
        pair = base64.b64encode(f"{self.client_id}:{self.client_secret}".encode()).decode()
        answer = self._send(
            "POST", "/oauth/token", b"grant_type=client_credentials", {"Authorization": f"Basic {pair}"}
        )
        if _come_back(answer):
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
        address = urllib.parse.urljoin(self.url, path)
        request = urllib.request.Request(address, data, {**headers, "Content-Type": kind}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=LONG_POLL_SECONDS + 40) as reply:
                return Answer(reply.status, reply.headers, json.loads(reply.read() or b"{}"))
        except urllib.error.HTTPError as refused:
            return Answer(refused.code, refused.headers, _decoded(refused.read()))


@dataclass
class Agent:
    """Asks, waits where a person has to decide, and does not ask again for what is not its job."""

    portal: Portal
    lessons: dict[str, dict[str, Any]] = field(default_factory=dict)

    def operations(self) -> list[str]:
        """2. Learn what you may do: the portal lists the operations granted to you, with their schemas."""
        for attempt in range(ATTEMPTS):
            try:
                found = self.portal.call("GET", "/api/v1/operations").body
                return [operation["code"] for operation in found.get("results", [])]
            except OSError as error:
                say(f"no answer ({error}); once more in {2**attempt} s")
                time.sleep(2**attempt)
        raise SystemExit("The portal does not answer. Is the address right, and does it run?")

    def do(self, wish: dict[str, Any]) -> dict[str, Any]:
        """Ask for one action and see it through to its end."""
        operation = wish["operation"]
        if operation in self.lessons:
            return {"operation": operation, "state": "not_asked", **self.lessons[operation]}
        answer = self.ask(wish)
        while answer.body.get("state") in UNFINISHED:
            say(f"{operation}: {answer.body.get('sentence') or answer.body['state']}")
            answer = self.wait(answer)
        return self.outcome(operation, answer)

    def ask(self, wish: dict[str, Any]) -> Answer:
        """3. Ask with an Idempotency-Key, and repeat with the same key: it will be done once, or not at all."""
        key = wish.get("key") or str(uuid.uuid4())
        body = {name: value for name, value in wish.items() if name != "key"}
        for attempt in range(ATTEMPTS):
            pause = min(2**attempt, 30)
            try:
                answer = self.portal.call(
                    "POST", "/api/v1/actions", body, **{"Idempotency-Key": key, "Prefer": "wait=10"}
                )
            except OSError as error:
                say(f"no answer ({error}); once more with the same key in {pause} s")
            else:
                if answer.body.get("code") == "action_in_flight":
                    # An earlier attempt got through and its answer was lost: the action is there to be read.
                    return Answer(202, answer.headers, {"id": answer.body["action"], "state": "dispatched"})
                if not _come_back(answer):
                    return answer
                pause = int(answer.headers.get("Retry-After") or answer.body.get("retry_after") or pause)
                say(f"{answer.body.get('code', answer.status)}; once more with the same key in {pause} s")
            time.sleep(pause)
        raise SystemExit("The portal did not take the request. Send it again later, with the same key.")

    def wait(self, answer: Answer) -> Answer:
        """4. Wait for a person without asking all the time: a long poll answers when something changes."""
        path = f"/api/v1/actions/{answer.body['id']}?wait={LONG_POLL_SECONDS}"
        try:
            found = self.portal.call("GET", path)
        except OSError as error:
            say(f"no answer ({error}); waiting on")
            time.sleep(2)
            return answer
        if _come_back(found):
            time.sleep(int(found.headers.get("Retry-After") or 2))
            return answer
        return found

    def outcome(self, operation: str, answer: Answer) -> dict[str, Any]:
        """5. Take a refusal for what it is. It names the next move; asking again another way is not it."""
        told = {**answer.body.get("decision", {}), **answer.body}
        told_why = {name: told[name] for name in ("code", "rules", "next") if told.get(name)}
        if sentence := told.get("sentence") or told.get("detail"):
            told_why["sentence"] = sentence
        if told.get("code") == "no_grant":
            self.lessons[operation] = told_why
        return {
            "operation": operation,
            "status": answer.status,
            "state": told.get("state", "refused"),
            "action": told.get("id") or told.get("action"),
            **told_why,
            "result": told.get("result"),
            "remote_ref": told.get("remote_ref"),
        }


def _come_back(answer: Answer) -> bool:
    """Say whether to send it again: nothing was decided yet. A limit that is used up is an answer."""
    return answer.status in NOT_NOW or "Retry-After" in answer.headers


def say(line: str) -> None:
    """Tell the person who watches; standard output carries answers only."""
    sys.stderr.write(f"agent: {line}\n")
    sys.stderr.flush()


def main() -> None:
    """Work through standard input."""
    portal = Portal(*(os.environ[f"AUTONOMY_{name}"] for name in ("URL", "CLIENT_ID", "CLIENT_SECRET")))
    agent = Agent(portal)
    say(f"may use {', '.join(agent.operations()) or 'nothing yet'}")
    for line in sys.stdin:
        if line.strip():
            print(json.dumps(agent.do(json.loads(line))), flush=True)


def _decoded(text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {"detail": text[:200].decode(errors="replace")}
    return found if isinstance(found, dict) else {"detail": found}


if __name__ == "__main__":
    main()
