"""One POST over HTTP, within limits: a deadline for the whole of it, no redirect, no proxy, a small answer."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpcore
import httpx

from audit.egress.failures import NotTaken, TooLarge
from audit.formats.told import cut, visible

# Seconds for the whole call, however slowly the other side writes, and the most bytes that are read of it.
DEADLINE_SECONDS = 10.0
MOST_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back; never a redirect that was followed."""

    status: int
    content_type: str
    body: bytes

    def refusal(self) -> str:
        """Return the status and the beginning of the answer, for people."""
        return f"it answered {self.status} {said(self.body.decode('utf-8', 'replace'))}".rstrip()


def post(
    url: str,
    content: bytes,
    content_type: str,
    *,
    headers: Mapping[str, str] | None = None,
    seconds: float = DEADLINE_SECONDS,
    authorities: str = "",
) -> Reply:
    """Send one request and return the answer, whatever its status. Raise NotTaken if there is none in time.

    authorities: a file of certificates (PEM) that are believed beside the well-known ones.
    """
    backend = _Backend(time.monotonic() + seconds)
    transport = _Transport(backend, tls_context(authorities))
    sent = {"Content-Type": content_type, "User-Agent": "autonomy-os", "Accept-Encoding": "identity"}
    client = httpx.Client(transport=transport, trust_env=False, follow_redirects=False, timeout=seconds)
    try:
        with (
            client,
            client.stream("POST", url, content=content, headers={**sent, **(headers or {})}) as response,
        ):
            body = _limited(response)
            return Reply(response.status_code, response.headers.get("content-type", ""), body)
    except (httpx.HTTPError, httpx.InvalidURL, httpcore.ReadTimeout) as error:
        raise NotTaken(
            f"It could not be reached: {type(error).__name__} {said(str(error))}".rstrip()
        ) from error


def deliver(
    url: str, content: bytes, content_type: str, *, headers: Mapping[str, str], authorities: str = ""
) -> Reply:
    """Send what has to be taken. Raise NotTaken for every answer but a success, TooLarge for 413."""
    reply = post(url, content, content_type, headers=headers, authorities=authorities)
    if reply.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        raise TooLarge("It was not taken: one event is too large for it.")
    if not HTTPStatus(200) <= reply.status < HTTPStatus.MULTIPLE_CHOICES:
        raise NotTaken(f"It was not taken: {reply.refusal()}")
    return reply


def said(text: str) -> str:
    """Return the beginning of what somebody else said, harmless to look at."""
    return visible(cut(" ".join(text.split()), 200))


@lru_cache(maxsize=4)
def tls_context(authorities: str = "", purpose: str = "web") -> ssl.SSLContext:
    """Return what checks certificates and names, one a purpose: the client for HTTP changes its own.

    Raise NotTaken for a file of authorities that is none.
    """
    context = httpx.create_ssl_context(trust_env=False)
    if authorities:
        try:
            context.load_verify_locations(cadata=Path(authorities).read_text(encoding="ascii"))
        except (OSError, ValueError) as error:
            raise NotTaken(
                f"The certificates of {authorities} cannot be read: {type(error).__name__}."
            ) from error
    return context


def _limited(response: httpx.Response) -> bytes:
    found = bytearray()
    for chunk in response.iter_raw(4096):
        found += chunk
        if len(found) > MOST_BYTES:
            raise NotTaken(f"Its answer is longer than {MOST_BYTES} bytes.")
    return bytes(found)


class _Transport(httpx.HTTPTransport):
    """httpx's own transport; every request connects anew, so that a closed connection is never mistaken."""

    def __init__(self, backend: _Backend, context: ssl.SSLContext) -> None:
        self._pool = httpcore.ConnectionPool(
            ssl_context=context, max_keepalive_connections=0, retries=0, network_backend=backend
        )


class _Backend(httpcore.NetworkBackend):
    """Connections that end at a deadline: a trickle of bytes cannot hold a thread."""

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self._real = httpcore.SyncBackend()

    def left(self) -> float:
        """Return the seconds that are left."""
        rest = self._deadline - time.monotonic()
        if rest <= 0:
            raise httpcore.ReadTimeout("it took too long")
        return rest

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect within what is left."""
        return _Stream(self._real.connect_tcp(host, port, self.left()), self)


class _Stream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, backend: _Backend) -> None:
        self._stream = stream
        self._backend = backend

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read within what is left."""
        return self._stream.read(max_bytes, self._backend.left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write within what is left."""
        self._stream.write(buffer, self._backend.left())

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Begin TLS within what is left."""
        stream = self._stream.start_tls(ssl_context, server_hostname, self._backend.left())
        return _Stream(stream, self._backend)

    def get_extra_info(self, info: str) -> Any:
        """Return what the connection knows about itself."""
        return self._stream.get_extra_info(info)
