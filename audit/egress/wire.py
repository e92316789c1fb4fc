"""Syslog over UDP, TCP and TLS (RFC 5426, 6587, 5425): datagrams, or messages counted in octets.

Syslog has no answer. Over TCP and TLS each batch is a connection of its own: it counts as taken when the other
side has read to the end and closed; a kernel that still had bytes to hand over would have reset it instead.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Sequence

from audit.egress.failures import NotTaken
from audit.egress.web import said, tls_context

DEADLINE_SECONDS = 10.0
# A datagram of IPv4 holds no more.
MOST_DATAGRAM = 65_507


def send(host: str, port: int, transport: str, messages: Sequence[bytes], *, authorities: str = "") -> None:
    """Send messages in their order. Raise NotTaken."""
    try:
        if transport == "udp":
            _datagrams(host, port, messages)
        else:
            _connection(host, port, b"".join(map(framed, messages)), transport == "tls", authorities)
    except TimeoutError as error:
        raise NotTaken(
            f"It did not take all of it and close the connection within {DEADLINE_SECONDS:.0f} s."
        ) from error
    except (OSError, UnicodeError) as error:
        raise NotTaken(f"It could not be reached: {type(error).__name__} {said(str(error))}") from error


def framed(message: bytes) -> bytes:
    """Return a message with its length before it (RFC 6587, section 3.4.1)."""
    return b"%d %b" % (len(message), message)


def _datagrams(host: str, port: int, messages: Sequence[bytes]) -> None:
    family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind) as one:
        # Connected, a port where nobody listens is noticed at the next message.
        one.connect(address)
        for message in messages:
            one.send(message[:MOST_DATAGRAM])


def _connection(host: str, port: int, content: bytes, encrypted: bool, authorities: str) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    with socket.create_connection((host, port), timeout=DEADLINE_SECONDS) as plain:
        if not encrypted:
            _send(plain, content, deadline)
            plain.shutdown(socket.SHUT_WR)
            _await_end(plain, deadline)
            return
        with tls_context(authorities, "syslog").wrap_socket(plain, server_hostname=host) as one:
            _send(one, content, deadline)
            _end_tls(one, deadline)


def _send(one: socket.socket, content: bytes, deadline: float) -> None:
    rest = memoryview(content)
    while rest:
        one.settimeout(_left(deadline))
        rest = rest[one.send(rest[:65_536]) :]


def _await_end(one: socket.socket, deadline: float) -> None:
    while True:
        one.settimeout(_left(deadline))
        if not one.recv(4096):
            return


def _end_tls(one: ssl.SSLSocket, deadline: float) -> None:
    one.settimeout(_left(deadline))
    try:
        plain = one.unwrap()
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
        return  # it closed the connection without a word, after it had read ours
    with plain:
        plain.shutdown(socket.SHUT_WR)
        _await_end(plain, deadline)


def _left(deadline: float) -> float:
    rest = deadline - time.monotonic()
    if rest <= 0:
        raise TimeoutError
    return rest
