"""The witness we ship: alone, under load, killed, and told everything that is wrong."""

from __future__ import annotations

import base64
import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit import merkle
from audit.egress import web
from audit.egress.cosigning import cosign, request
from audit.egress.failures import NotTaken
from audit.notes import Signer, signed_checkpoint
from audit.standalone import verify_ledger, witness
from audit.standalone.verify_ledger import Checkpoint, Note, VerifierKey, leaf_hash
from tests.audit.outside.servers import Authority

ORIGIN = "example.com/ledger"
SIGNER = Signer.fresh(ORIGIN)


class Log:
    """A ledger of any size that signs anything; ``fork`` makes another with the same beginning."""

    def __init__(self, same=10**9, salt=b""):
        self._same, self._salt = same, salt

    def _leaves(self, size):
        return [leaf_hash(b"%d" % at + (self._salt if at >= self._same else b"")) for at in range(size)]

    def tree(self, size):
        growth = merkle.Growth()
        tiles = {(level, index): hashes for level, index, hashes in growth.add(self._leaves(size))}
        for level, edge in enumerate(growth.edges):
            tiles[level, growth.size >> 8 * (level + 1)] = b"".join(edge)
        return merkle.Tree(lambda level, index: tiles[level, index])

    def note(self, size, signer=SIGNER):
        return signed_checkpoint([signer], size, self.tree(size).root(size))

    def prove(self, old, new):
        return self.tree(new).consistency(old, new)

    def ask(self, old, new, signer=SIGNER):
        return request(old, self.prove(old, new), self.note(new, signer))


LOG, FORK = Log(), Log(same=3, salt=b"!")


@pytest.fixture
def key(tmp_path):
    return witness.Key.open(tmp_path / "witness.key", "example.org/witness")


@pytest.fixture
def made(key, tmp_path):
    state = tmp_path / "state"
    state.mkdir()
    return witness.Witness(key, [SIGNER.verifier], state)


@pytest.fixture
def server(made):
    with witness.Server(("127.0.0.1", 0), made) as found:
        threading.Thread(target=found.serve_forever, args=(0.02,), daemon=True).start()
        yield found
        found.shutdown()


def url_of(server):
    return f"http://127.0.0.1:{server.server_address[1]}/add-checkpoint"


def refused(made, body):
    with pytest.raises(witness.Refused) as error:
        made.add_checkpoint(body)
    return error.value.status, error.value.text


def size_of(made):
    known = made._known(ORIGIN)
    return known.size if known else 0


def test_it_signs_what_continues_and_its_signature_is_a_cosignature(made, key):
    for old, new in ((0, 2), (2, 2), (2, 7), (7, 300)):
        note = LOG.note(new)
        line = made.add_checkpoint(LOG.ask(old, new))
        signed = Note.parse(note + line)
        assert signed.signed_by([key.verifier]) == [key.verifier]
        assert size_of(made) == new


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        (LOG.ask(0, 9), 409, "5\n"),
        (LOG.ask(3, 4), 409, "5\n"),
        (FORK.ask(5, 5), 409, "5\n"),
        (FORK.ask(5, 9), 422, None),
        (request(5, [], LOG.note(9)), 422, None),
        (request(5, [b"\0" * 32] * 63, LOG.note(9)), 422, None),
        (LOG.ask(5, 9, Signer.fresh(ORIGIN)), 403, None),
        (LOG.ask(5, 9, Signer.fresh("example.com/other")), 404, None),
        (request(9, [], LOG.note(5)), 400, None),
        (request(5, [b"\0" * 32] * 64, LOG.note(9)), 400, None),
    ],
)
def test_it_refuses_what_does_not_continue_and_what_is_not_the_ledgers(made, body, status, text):
    made.add_checkpoint(LOG.ask(0, 5))
    found = refused(made, body)
    assert found[0] == status
    assert text is None or found[1] == text
    assert size_of(made) == 5
    made.add_checkpoint(LOG.ask(5, 9))


def test_from_nothing_no_proof_is_taken(made):
    assert refused(made, request(0, [b"\0" * 32], LOG.note(3)))[0] == 422
    assert refused(made, request(0, [], signed_checkpoint([SIGNER], 0, b"\0" * 32)))[0] == 422
    made.add_checkpoint(LOG.ask(0, 0))
    made.add_checkpoint(LOG.ask(0, 3))


GOOD = LOG.ask(5, 9).decode()


@pytest.mark.parametrize(
    "body",
    [
        b"", b"\n\n", b"old 5", b"\xff\xfe", GOOD.replace("old 5", "old 05").encode(),
        GOOD.replace("old 5", "old -5").encode(), GOOD.replace("old 5", "old ٥").encode(),
        GOOD.replace("old 5", "old 5 ").encode(), GOOD.replace("old 5", "new 5").encode(),
        GOOD.replace("old 5\n", "old 5\r\n").encode(), GOOD.replace("\n9\n", "\n09\n").encode(),
        GOOD.replace("\n9\n", f"\n{'9' * 5000}\n").encode(), GOOD.replace("— ", "- ").encode(),
        GOOD.replace("old 5\n", "old 5\n\n").encode(), GOOD.replace("old 5\n", "old 5\nAAAA\n").encode(),
        GOOD.replace("old 5", "old " + "9" * 18).encode(), GOOD[:-1].encode(),
        b"old 5\n" + b"A" * 60_000 + b"\n\n", b"old 5\n\n" * 8000,
    ],
)  # fmt: skip
def test_what_is_malformed_changes_nothing(made, body):
    made.add_checkpoint(LOG.ask(0, 5))
    assert refused(made, body)[0] in (400, 422)
    assert size_of(made) == 5


@given(st.binary(max_size=200), st.integers(0, len(GOOD) - 1), st.integers(0, 20))
@settings(max_examples=200, deadline=None)
def test_no_bytes_end_in_another_error(junk, at, gone):
    whole = GOOD.encode()
    for body in (junk, whole[:at] + junk + whole[at + gone :]):
        with contextlib.suppress(witness.Refused):
            witness.Request.parse(body)


def test_of_many_at_once_none_rolls_it_back(server, made):
    """Each asks for a size of its own until it is told that more is signed; the state only ever grows."""
    bodies = {(old, new): LOG.ask(old, new) for new in range(1, 13) for old in range(new + 1)}
    signed, lock = [], threading.Lock()

    def submit(new):
        old = 0
        with httpx.Client(trust_env=False, timeout=30) as client:
            while old <= new:
                answer = client.post(url_of(server), content=bodies[old, new])
                if answer.status_code == 200:
                    with lock:
                        signed.append(new)
                    return
                assert answer.status_code == 409
                assert answer.headers["content-type"] == "text/x.tlog.size"
                old = int(answer.text)

    sizes = [*range(1, 13)] * 2
    random.shuffle(sizes)
    threads = [threading.Thread(target=submit, args=(size,)) for size in sizes]
    [one.start() for one in threads]
    [one.join() for one in threads]
    assert 12 in signed
    assert size_of(made) == 12


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"GET /add-checkpoint HTTP/1.1\r\nHost: x\r\n\r\n", 501),
        (b"POST /elsewhere HTTP/1.1\r\nContent-Length: 0\r\n\r\n", 404),
        (b"POST /add-checkpoint HTTP/1.1\r\n\r\n", 411),
        (b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: x\r\n\r\n", 411),
        (b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 411),
        (b"POST /add-checkpoint HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n0", 411),
        (b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: 999999999999\r\n\r\n", 413),
        (b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: 3\r\n\r\nold", 400),
        (b"POST /add-checkpoint HTTP/1.1\r\nX: " + b"x" * 70_000 + b"\r\n\r\n", 431),
        (bytes(range(128, 192)) + b"\r\n\r\n", 400),
    ],
)
def test_no_request_is_answered_with_a_failure_of_the_server(server, made, raw, status):
    with socket.create_connection(server.server_address[:2], timeout=20) as client:
        client.sendall(raw)
        answer = client.recv(4096).decode("latin-1")
    assert f" {status} " in answer.split("\r\n")[0] + " "
    assert size_of(made) == 0


def test_who_writes_slowly_holds_no_thread(server, monkeypatch):
    monkeypatch.setattr(witness, "REQUEST_SECONDS", 0.3)
    with socket.create_connection(server.server_address[:2], timeout=20) as client:
        client.sendall(b"POST /add-checkpoint HTTP/1.1\r\nX: ")
        with contextlib.suppress(ConnectionError):
            for _ in range(600):
                client.sendall(b"x")
                client.settimeout(0.05)
                with contextlib.suppress(TimeoutError):
                    assert client.recv(1) == b""
                    break
            else:
                raise AssertionError("it would have waited for ever")


def test_the_client_learns_what_the_witness_knows(server, key):
    def post(content):
        return web.post(url_of(server), content, "text/plain")

    assert cosign(LOG.note(5), 0, key.verifier, LOG.prove, post).startswith("— example.org/witness ")
    # It forgot what it had sent; the witness says so.
    line = cosign(LOG.note(9), 0, key.verifier, LOG.prove, post)
    assert Note.parse(LOG.note(9) + line).signed_by([key.verifier])
    assert cosign(LOG.note(9), 9, key.verifier, LOG.prove, post)
    for note, log, why in (
        (LOG.note(7), LOG, "signed for 9 events before, and the ledger has 7"),
        (FORK.note(9), FORK, "signed another root for 9 events"),
        (FORK.note(12), FORK, "does not continue what it signed"),
        (LOG.note(12, Signer.fresh(ORIGIN)), LOG, "does not know the key"),
        (LOG.note(12, Signer.fresh("example.com/b")), LOG, "does not know this ledger"),
    ):
        with pytest.raises(NotTaken, match=why):
            cosign(note, 9, key.verifier, log.prove, post)
    other = witness.Key("example.org/witness", b"\2" * 32).verifier
    with pytest.raises(NotTaken, match=r"not signed by example\.org/witness"):
        cosign(LOG.note(12), 9, other, LOG.prove, post)


@pytest.mark.parametrize(
    "reply",
    [
        web.Reply(200, "", b"garbage"), web.Reply(200, "", b"\xff"), web.Reply(200, "", b""),
        web.Reply(200, "", "— example.org/witness AAAA\n".encode()), web.Reply(409, "", b"many"),
        web.Reply(409, "", b"9" * 30), web.Reply(500, "", b"\x1b[2J"), web.Reply(599, "", b""),
        web.Reply(301, "", b""),
    ],
)  # fmt: skip
def test_whatever_a_witness_answers_is_no_more_than_not_taken(reply, key):
    with pytest.raises(NotTaken) as error:
        cosign(LOG.note(5), 0, key.verifier, LOG.prove, lambda content: reply)
    assert "\x1b" not in str(error.value)


def test_a_witness_that_names_another_size_each_time_is_left():
    sizes = iter([1, 2, 3, 4, 5])
    with pytest.raises(NotTaken, match="another size each time"):
        cosign(LOG.note(9), 0, SIGNER.verifier, LOG.prove, lambda _: web.Reply(409, "", b"%d\n" % next(sizes)))


# -- as a program of its own


class Program:
    """The two files on a machine that has nothing else of ours."""

    def __init__(self, folder: Path, *more: str) -> None:
        for module in (witness, verify_ledger):
            shutil.copy(module.__file__, folder)
        self._folder, self._more = folder, more
        self.start()

    def start(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as one:
            self.port = one.getsockname()[1]
        environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        self.process = subprocess.Popen(
            [sys.executable, "witness.py", "--name", "example.org/witness", "--key", "key", "--state", "state",
             "--log", str(SIGNER.verifier), "--listen", f"127.0.0.1:{self.port}", "--prefix", "/w",
             *self._more],
            cwd=self._folder, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        self.key = VerifierKey.parse(self.process.stdout.readline())

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()


def test_killed_at_any_moment_it_never_forgets_what_it_answered(tmp_path):
    program = Program(tmp_path)
    try:
        first, answered = program.key, 0
        for _ in range(4):
            address = f"http://127.0.0.1:{program.port}/w/add-checkpoint"
            timer = threading.Timer(random.uniform(0.02, 0.12), program.kill)
            timer.start()
            try:
                while True:
                    reply = web.post(address, LOG.ask(answered, answered + 1), "text/plain", seconds=5)
                    answered = answered + 1 if reply.status == 200 else int(reply.body)
            except NotTaken:
                timer.join()
            program.start()
            assert program.key == first
            reply = web.post(
                f"http://127.0.0.1:{program.port}/w/add-checkpoint", LOG.ask(0, 1), "text/plain", seconds=10
            )
            # What it wrote and could not answer any more it knows too; never less than it answered.
            known = int(reply.body) if reply.status == 409 else 1
            assert answered <= known <= answered + 1
            answered = known
        assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    finally:
        program.kill()


def test_over_tls_and_a_second_one_with_the_same_state_does_not_start(tmp_path):
    folder = tmp_path / "authority"
    folder.mkdir()
    authority = Authority(folder)
    files = [str(file) for file in authority.make("witness")]
    program = Program(tmp_path, "--tls", *files)
    try:
        address = f"https://127.0.0.1:{program.port}/w/add-checkpoint"
        line = cosign(
            LOG.note(5), 0, program.key, LOG.prove,
            lambda body: web.post(address, body, "text/plain", authorities=str(authority.root)),
        )  # fmt: skip
        assert Note.parse(LOG.note(5) + line).signed_by([program.key])
        second = subprocess.run(
            [sys.executable, tmp_path / "witness.py", "--name", "x", "--key", tmp_path / "key2", "--log",
             str(SIGNER.verifier), "--state", tmp_path / "state", "--listen", "127.0.0.1:0"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (second.returncode, "Another witness works" in second.stderr) == (2, True)
    finally:
        program.kill()


@pytest.mark.parametrize(
    ("content", "mode", "why"),
    [
        (b"PRIVATE+KEY+example.org/witness+" + base64.b64encode(b"\1" * 32), 0o644, "read by others"),
        (b"PRIVATE+KEY+other+" + base64.b64encode(b"\1" * 32), 0o600, "key of other"),
        (b"PRIVATE+KEY+example.org/witness+AAAA", 0o600, "cut off"),
        (b"\xff", 0o600, "cannot be read"),
    ],
)
def test_a_key_that_cannot_be_used_says_why(tmp_path, content, mode, why):
    path = tmp_path / "key"
    path.write_bytes(content)
    path.chmod(mode)
    with pytest.raises(witness.CannotStart, match=why):
        witness.Key.open(path, "example.org/witness")


def test_a_damaged_state_is_not_taken_for_none(key, tmp_path):
    made = witness.Witness(key, [SIGNER.verifier], tmp_path)
    made.add_checkpoint(LOG.ask(0, 5))
    for content in (b"", b"half", b"\xff\xfe"):
        made._path(ORIGIN).write_bytes(content)
        with pytest.raises(witness.CannotStart, match="is damaged"):
            made.add_checkpoint(LOG.ask(5, 9))
    with pytest.raises(witness.CannotStart, match="is damaged"):
        witness.Witness(key, [SIGNER.verifier], tmp_path)


def test_a_checkpoint_that_is_kept_can_be_read_again(made):
    made.add_checkpoint(LOG.ask(0, 5))
    assert made._path(ORIGIN).read_text() == LOG.note(5)
    assert Checkpoint.parse(LOG.note(5)).size == 5
