#!/usr/bin/env python3
"""A witness of ledgers, for a second machine: it signs only what continues that which it signed before.

C2SP tlog-witness and tlog-cosignature (https://c2sp.org). Copy this file and verify_ledger.py to any machine
with Python 3.11 and the package ``cryptography``, then::

    python witness.py --name example.org/witness --key witness.key --log VKEY --state state \\
                      --listen 0.0.0.0:8443 --tls certificate.pem key.pem

It makes its key at the first start and prints the public half, which belongs into LEDGER_SINKS of the portal.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import contextlib
import fcntl
import hashlib
import logging
import os
import re
import socket
import ssl
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TextIO

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

try:
    from audit.standalone.verify_ledger import (
        COSIGNATURE,
        ED25519,
        EMPTY_ROOT,
        HASH_BYTES,
        Checkpoint,
        NotANote,
        VerifierKey,
        is_consistent,
        signature_line,
    )
except ModuleNotFoundError:  # beside it, on a machine of its own
    from verify_ledger import (  # type: ignore[no-redef]
        COSIGNATURE,
        ED25519,
        EMPTY_ROOT,
        HASH_BYTES,
        Checkpoint,
        NotANote,
        VerifierKey,
        is_consistent,
        signature_line,
    )

logger = logging.getLogger("witness")

MOST_BYTES = 64 * 1024
MOST_PROOF = 63
# Seconds until the next byte, and for a whole request.
READ_SECONDS = 10.0
REQUEST_SECONDS = 20.0
MOST_AT_ONCE = 32
SIZE_TYPE = "text/x.tlog.size"
PRIVATE = "PRIVATE+KEY+"
_SIZE = re.compile(r"0|[1-9][0-9]{0,17}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:-]{0,99}")


class Refused(Exception):
    """A request is refused with a status of HTTP; nothing was changed by it."""

    def __init__(self, status: int, text: str, content_type: str = "text/plain; charset=utf-8") -> None:
        super().__init__(text)
        self.status, self.text, self.content_type = status, text, content_type


class CannotStart(Exception):
    """The message says what is wrong and what to do."""


@dataclass(frozen=True)
class Request:
    """What is asked: the size we are thought to know, the proof from there on, and the checkpoint."""

    old: int
    proof: tuple[bytes, ...]
    checkpoint: Checkpoint

    @classmethod
    def parse(cls, body: bytes) -> Request:
        """Raise Refused (400) for what is malformed."""
        try:
            head, found, note = body.decode("utf-8").partition("\n\n")
            first, *lines = head.split("\n")
            if not found or not first.startswith("old ") or not _SIZE.fullmatch(first[4:]):
                raise Refused(400, "The first line is: old, a space, a size.\n")
            if len(lines) > MOST_PROOF:
                raise Refused(400, f"A proof has at most {MOST_PROOF} lines.\n")
            proof = tuple(_hash(line) for line in lines)
            checkpoint = Checkpoint.parse(note)
        except (UnicodeDecodeError, NotANote, ValueError) as error:
            raise Refused(400, f"This is not a request for add-checkpoint: {error}\n") from error
        if checkpoint.size > 2**62:
            raise Refused(400, "The checkpoint is larger than any ledger.\n")
        if int(first[4:]) > checkpoint.size:
            raise Refused(400, "The old size is larger than the checkpoint.\n")
        return cls(int(first[4:]), proof, checkpoint)


def _hash(line: str) -> bytes:
    try:
        raw = base64.b64decode(line, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refused(400, "A line of the proof is not base64.\n") from error
    if len(raw) != HASH_BYTES:
        raise Refused(400, "A line of the proof is not a hash of 32 bytes.\n")
    return raw


class Key:
    """The witness's own key."""

    def __init__(self, name: str, seed: bytes) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self.verifier = VerifierKey(name, COSIGNATURE, self._private.public_key().public_bytes_raw())

    @classmethod
    def open(cls, path: Path, name: str) -> Key:
        """Read the key of a file, or make it there (mode 0600). Raise CannotStart."""
        if not _NAME.fullmatch(name):
            raise CannotStart(
                f"{name[:100]!r} cannot be the name of a witness: take letters, digits and . _ - / :"
            )
        with contextlib.suppress(FileExistsError):
            _create(path, f"{PRIVATE}{name}+{base64.b64encode(os.urandom(32)).decode()}\n".encode())
        try:
            if path.stat().st_mode & 0o077:
                raise CannotStart(f"{path} can be read by others. Close it: chmod 600 {path}")
            kept, _, encoded = path.read_text(encoding="ascii").strip().removeprefix(PRIVATE).partition("+")
            seed = base64.b64decode(encoded, validate=True)
        except (OSError, ValueError) as error:
            raise CannotStart(f"The key {path} cannot be read: {type(error).__name__}.") from error
        if len(seed) != HASH_BYTES:
            raise CannotStart(f"{path} is not the key of a witness, or it is cut off.")
        if kept != name:
            raise CannotStart(f"{path} is the key of {kept}, not of {name}: take another file or that name.")
        return cls(name, seed)

    def cosign(self, text: str, at: int) -> str:
        """Return the signature line under a checkpoint (cosignature/v1)."""
        signature = self._private.sign(b"cosignature/v1\ntime %d\n%b" % (at, text.encode()))
        return signature_line(self.verifier.name, self.verifier.id, at.to_bytes(8, "big") + signature)


class Witness:
    """What was signed last for each ledger, one file each, and the one way to sign more."""

    def __init__(self, key: Key, logs: Sequence[VerifierKey], state: Path) -> None:
        self._key = key
        self._state = state
        self._logs: dict[str, list[VerifierKey]] = {}
        self._locks: dict[str, threading.Lock] = {}
        for log in logs:
            self._logs.setdefault(log.name, []).append(log)
            self._locks.setdefault(log.name, threading.Lock())
        for origin in self._logs:
            self._known(origin)

    def add_checkpoint(self, body: bytes) -> str:
        """Sign a checkpoint that continues the last one, on the disk before it is answered. Raise Refused."""
        asked = Request.parse(body)
        checkpoint = asked.checkpoint
        trusted = self._logs.get(checkpoint.origin)
        if trusted is None:
            raise Refused(404, "This ledger is not known here.\n")
        if not checkpoint.note.signed_by(trusted):
            raise Refused(403, "No key of this ledger that is known here signed that.\n")
        with self._locks[checkpoint.origin]:
            known = self._known(checkpoint.origin)
            _require_continuation(asked, known)
            if known is None or (known.size, known.root) != (checkpoint.size, checkpoint.root):
                self._keep(checkpoint)
            line = self._key.cosign(checkpoint.note.text, int(time.time()))
        logger.info("%s: signed at %d events", checkpoint.origin, checkpoint.size)
        return line

    def _known(self, origin: str) -> Checkpoint | None:
        path = self._path(origin)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            known = Checkpoint.parse(content.decode("utf-8"))
        except ValueError as error:
            raise CannotStart(f"{path} is damaged; without it nothing is signed. {error}") from error
        if known.origin != origin:
            raise CannotStart(f"{path} is of another ledger.")
        return known

    def _keep(self, checkpoint: Checkpoint) -> None:
        path = self._path(checkpoint.origin)
        new = path.with_suffix(".new")
        new.unlink(missing_ok=True)
        note = checkpoint.note
        lines = (signature_line(one.name, one.key_id, one.signature) for one in note.signatures)
        _create(new, f"{note.text}\n{''.join(lines)}".encode())
        new.replace(path)
        _sync(self._state)

    def _path(self, origin: str) -> Path:
        return self._state / f"{hashlib.sha256(origin.encode()).hexdigest()}.checkpoint"


def _require_continuation(asked: Request, known: Checkpoint | None) -> None:
    size = known.size if known else 0
    checkpoint = asked.checkpoint
    if asked.old != size:
        raise Refused(409, f"{size}\n", SIZE_TYPE)
    if known is None or size == 0:
        if asked.proof or (checkpoint.size == 0 and checkpoint.root != EMPTY_ROOT):
            raise Refused(422, "From nothing there is no proof, and nothing has one root only.\n")
        return
    if size == checkpoint.size and known.root != checkpoint.root:
        logger.error("%s: TWO ROOTS for %d events; the ledger was altered", checkpoint.origin, size)
        raise Refused(409, f"{size}\n", SIZE_TYPE)
    if not is_consistent(size, known.root, checkpoint.size, checkpoint.root, asked.proof):
        logger.error("%s: %d events do not continue the %d signed", checkpoint.origin, checkpoint.size, size)
        raise Refused(422, "The checkpoint does not continue the one that was signed last.\n")


def _create(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Handler(BaseHTTPRequestHandler):
    """POST .../add-checkpoint, and nothing else."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "witness", ""
    timeout = READ_SECONDS
    server: Server

    def setup(self) -> None:
        """Begin TLS here, in the thread of this connection, so that a slow client delays nobody."""
        self.request.settimeout(READ_SECONDS)
        if self.server.tls is not None:
            with _cut_off_late(self.request):
                self.request = self.server.tls.wrap_socket(self.request, server_side=True)
        super().setup()

    def handle_one_request(self) -> None:
        """Serve one request, or end the connection when it takes too long to come."""
        with _cut_off_late(self.connection):
            super().handle_one_request()

    def do_POST(self) -> None:
        """Answer one request."""
        try:
            body = self._body()
            if self.path.partition("?")[0] != f"{self.server.prefix}/add-checkpoint":
                raise Refused(404, "There is only add-checkpoint here.\n")
            self._answer(200, self.server.witness.add_checkpoint(body))
        except Refused as refused:
            self._answer(refused.status, refused.text, refused.content_type)
        except (CannotStart, OSError) as error:
            if isinstance(error, TimeoutError | ConnectionError | ssl.SSLError):
                raise
            logger.exception("The state cannot be kept; nothing is signed")
            self._answer(503, "The state of this witness cannot be kept at the moment.\n")

    def _body(self) -> bytes:
        said = self.headers.get("Content-Length", "")
        if not said.isascii() or not said.isdigit() or "Transfer-Encoding" in self.headers:
            self.close_connection = True
            raise Refused(411, "Say how long the request is.\n")
        if len(said) > 9 or int(said) > MOST_BYTES:
            self.close_connection = True
            raise Refused(413, f"A request has at most {MOST_BYTES} bytes.\n")
        return self._read(int(said))

    def _read(self, count: int) -> bytes:
        until, found = time.monotonic() + READ_SECONDS, bytearray()
        while len(found) < count:
            chunk = self.rfile.read1(count - len(found))
            if not chunk or time.monotonic() > until:
                self.close_connection = True
                raise Refused(400, "The request ended before its end.\n")
            found += chunk
        return bytes(found)

    def _answer(self, status: int, text: str, content_type: str = "text/plain; charset=utf-8") -> None:
        content = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Log one line, without what could pretend to be another."""
        line = (format % args).encode("ascii", "backslashreplace").decode()
        logger.info("%s %s", self.client_address[0], re.sub(r"[^ -~]", "?", line)[:300])


@contextlib.contextmanager
def _cut_off_late(one: socket.socket) -> Iterator[None]:
    """End a connection after a while, however slowly and steadily the other side writes."""

    def cut_off() -> None:
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(REQUEST_SECONDS, cut_off)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


class Server(ThreadingHTTPServer):
    """One thread a connection, a few of them at most."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(
        self, address: tuple[str, int], witness: Witness, *, prefix: str = "", tls: ssl.SSLContext | None = None
    ) -> None:
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, Handler)
        self.witness, self.prefix, self.tls = witness, prefix.rstrip("/"), tls
        self._room = threading.BoundedSemaphore(MOST_AT_ONCE)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Take a connection if there is room for it, else close it."""
        if not self._room.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve one connection to its end."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log a connection that broke, in one line."""
        error = sys.exc_info()[1]
        if isinstance(error, OSError):
            logger.info("%s: %s", client_address[0], type(error).__name__)
        else:
            logger.error("A request failed", exc_info=error)


@contextlib.contextmanager
def _alone(state: Path) -> Iterator[TextIO]:
    """Hold the folder: of two witnesses with one state each could sign what the other must not."""
    with (state / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CannotStart(f"Another witness works with {state}.") from error
        yield lock


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until it is ended; 2 if it cannot start."""
    parser = argparse.ArgumentParser(description="A witness of ledgers (C2SP tlog-witness).")
    parser.add_argument("--name", required=True, help="what it signs as, e.g. example.org/witness")
    parser.add_argument("--key", required=True, type=Path, help="the file of its key; made at the first start")
    parser.add_argument("--log", required=True, nargs="+", action="extend", help="verifier keys of the ledgers")
    parser.add_argument("--state", required=True, type=Path, help="a folder: what was signed last")
    parser.add_argument("--listen", required=True, help="host:port")
    parser.add_argument("--prefix", default="", help="the path before /add-checkpoint")
    parser.add_argument("--tls", nargs=2, type=Path, metavar=("CERTIFICATE", "KEY"), help="PEM files")
    asked = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    try:
        _serve(asked)
    except (CannotStart, OSError) as error:
        sys.stderr.write(f"The witness cannot start: {error}\n")
        return 2
    except KeyboardInterrupt:
        pass
    return 0


def _serve(asked: argparse.Namespace) -> None:
    host, _, port = asked.listen.rpartition(":")
    if not port.isdigit() or not host:
        raise CannotStart("--listen is host:port, e.g. 0.0.0.0:8443")
    asked.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone(asked.state):
        key = Key.open(asked.key, asked.name)
        witness = Witness(key, [_log(text) for text in asked.log], asked.state)
        tls = None
        if asked.tls:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(*asked.tls)
        with Server((host.strip("[]"), int(port)), witness, prefix=asked.prefix, tls=tls) as server:
            sys.stdout.write(f"{key.verifier}\n")
            sys.stdout.flush()
            logger.info("listening on %s:%d", host, server.server_address[1])
            server.serve_forever()


def _log(text: str) -> VerifierKey:
    try:
        key = VerifierKey.parse(text)
    except NotANote as error:
        raise CannotStart(f"--log: {error}") from error
    if key.kind != ED25519:
        raise CannotStart(f"--log: {key.name} is the key of a witness, not of a ledger.")
    return key


if __name__ == "__main__":
    sys.exit(main())
