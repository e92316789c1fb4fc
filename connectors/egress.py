"""The one way out: every byte to an enterprise system leaves here, to a place that was allowed, within limits.

Order of checks: open passage, host on the allow-list (scheme and port included), every resolved address, pinned
address at connect. No proxy from the environment, no redirect, no cookie, no compression unless bounded.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import re
import socket
import ssl
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from functools import lru_cache
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import quote, urlsplit

import httpcore
import httpx

from connectors.exceptions import NotSent, OutcomeUnknown, Rejected
from connectors.vocabulary import Credential, Network, Origin, Passage, SystemFacts

MAX_REQUEST_BYTES = 256 * 1024
MAX_RESPONSE_BYTES = 10 * 1024 * 1024
MAX_RESPONSE_DEPTH = 64
MAX_EXCERPT_CHARACTERS = 4096
MAX_ADDRESSES = 32
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}
# Headers that only this module sets, so that nothing an agent said can become one of them.
OWN_HEADERS = {
    "accept-encoding",
    "authorization",
    "connection",
    "content-length",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
}
# Where clouds answer with credentials. Never, whatever a system's networks say.
METADATA = {
    ipaddress.ip_address(address)
    for address in (
        "169.254.169.254",
        "169.254.170.2",
        "169.254.170.23",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "fd00:ec2::254",
        "fd00:ec2::23",
        "fd20:ce::254",
    )
}
NAT64 = [ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48")]
NEVER_PUBLIC = [
    ipaddress.ip_network(entry)
    for entry in ("192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15", "100.64.0.0/10", "fec0::/10", "100::/64")
]

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolver = Callable[[str, int], Iterable[str]]

_resolving = ThreadPoolExecutor(max_workers=8, thread_name_prefix="resolve")
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back, decompressed, at most 10 MiB."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """Return the body as text; undecodable bytes become replacement characters."""
        return self.body.decode("utf-8", "replace")

    @property
    def excerpt(self) -> str:
        """Return the start of the body for the record, without what PostgreSQL cannot hold."""
        return self.text[:MAX_EXCERPT_CHARACTERS].replace("\x00", "�")

    def json(self) -> Any:
        """Return the decoded JSON body; raise ValueError when it is none we can hold. Fractions stay text."""
        try:
            found = json.loads(self.body, parse_float=str, parse_constant=str)
        except RecursionError:
            raise _too_deep() from None
        _require_shallow(found)
        return found


class Client:
    """HTTP to one system for the length of one passage; ``send`` is all it does."""

    def __init__(
        self,
        system: SystemFacts,
        passage: Passage,
        credential: Credential,
        *,
        resolver: Resolver | None = None,
        verify: ssl.SSLContext | None = None,
    ) -> None:
        passage.require(system.id)
        self._system = system
        self._passage = passage
        self._credential = credential
        self._deadline = time.monotonic() + system.total_timeout
        self._backend = PinnedBackend(system, self._deadline, resolver or _system_resolver)
        self._http = httpx.Client(
            transport=PinnedTransport(self._backend, verify or _tls_context()),
            trust_env=False,
            follow_redirects=False,
            headers={"Accept-Encoding": "gzip, identity;q=0.5", "User-Agent": "autonomy-os"},
            timeout=httpx.Timeout(system.read_timeout, connect=system.connect_timeout),
        )
        # Nothing a system sets is sent back to it: every request stands on the account alone.
        self._http.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def send(
        self,
        method: str,
        path: Iterable[str] | str = (),
        *,
        query: Iterable[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        body: Any = None,
    ) -> Reply:
        """Send one request below the system's address and return the reply, whatever its status.

        ``path`` is a list of parts, each percent-encoded here. Raises Rejected (not allowed out), NotSent
        (nothing was delivered) or OutcomeUnknown (it may have been).
        """
        self._passage.require(self._system.id)
        request = self._built(method, path, query, headers or {}, body)
        self._backend.sent = 0
        try:
            response = self._http.send(request, stream=True)
            try:
                return Reply(response.status_code, dict(response.headers), self._read(response))
            finally:
                response.close()
        except httpx.HTTPError as error:
            raise self._typed(error) from error

    def _built(
        self,
        method: str,
        path: Iterable[str] | str,
        query: Iterable[tuple[str, str]],
        headers: Mapping[str, str],
        body: Any,
    ) -> httpx.Request:
        if method not in METHODS:
            raise Rejected("egress_refused", f"{method!r} is not a method that may leave.")
        content = _content(body)
        if len(content) > MAX_REQUEST_BYTES:
            raise Rejected(
                "request_too_large", f"The request is larger than {MAX_REQUEST_BYTES} bytes. Split it."
            )
        url = self._url(path, query)
        merged = {"Accept": "application/json", **_checked_headers(headers), **_credential(self._credential)}
        if body is not None:
            merged["Content-Type"] = "application/json"
        return self._http.build_request(method, url, headers=merged, content=content or None)

    def _url(self, path: Iterable[str] | str, query: Iterable[tuple[str, str]]) -> httpx.URL:
        try:
            origin = Origin.of_url(self._system.base_url)
        except ValueError as error:
            raise Rejected("egress_refused", f"The address of the system was refused: {error}") from error
        if origin not in self._system.allowed:
            raise Rejected("egress_refused", f"{origin} is not on the list of places this system may call.")
        parts = [path] if isinstance(path, str) else list(path)
        target = urlsplit(self._system.base_url).path.rstrip("/") + "".join("/" + path_part(p) for p in parts)
        asked = "&".join(f"{_query_part(name)}={_query_part(value)}" for name, value in query)
        return httpx.URL(
            scheme=origin.scheme,
            host=origin.host,
            port=origin.port,
            raw_path=((target or "/") + (f"?{asked}" if asked else "")).encode("ascii"),
        )

    def _read(self, response: httpx.Response) -> bytes:
        raw = _counted(response.iter_raw(chunk_size=65536))
        encoding = response.headers.get("content-encoding", "identity").strip().lower()
        if encoding in ("", "identity"):
            return b"".join(raw)
        if encoding in ("gzip", "x-gzip", "deflate"):
            return b"".join(_counted(_inflated(raw)))
        raise OutcomeUnknown(
            "answer_unreadable", f"The answer came in an encoding not asked for: {encoding[:40]}."
        )

    def _typed(self, error: httpx.HTTPError) -> NotSent | OutcomeUnknown:
        late = isinstance(error, httpx.TimeoutException)
        if self._backend.sent == 0:
            code = "connect_timeout" if late else "unreachable"
            return NotSent(
                code, f"{self._system.code} could not be reached; nothing was sent ({_reason(error)})."
            )
        code = "timeout" if late else "connection_lost"
        return OutcomeUnknown(code, f"{self._system.code} did not answer to the end ({_reason(error)}).")


class PinnedTransport(httpx.HTTPTransport):
    """httpx's own transport over a connection pool whose network backend is ours; every request connects anew.

    A kept connection that the other side closes meanwhile would look like an unknown outcome.
    """

    def __init__(self, backend: PinnedBackend, tls: ssl.SSLContext) -> None:
        self._pool = httpcore.ConnectionPool(
            ssl_context=tls,
            max_connections=1,
            max_keepalive_connections=0,
            http1=True,
            http2=False,
            retries=0,
            network_backend=backend,
        )


class PinnedBackend(httpcore.NetworkBackend):
    """Connects only to addresses that were checked: a name is resolved once, and that answer is kept."""

    def __init__(self, system: SystemFacts, deadline: float, resolver: Resolver) -> None:
        self._system = system
        self._deadline = deadline
        self._resolver = resolver
        self._pinned: dict[tuple[str, int], list[Address]] = {}
        self.sent = 0

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address that answers, of those that were all checked."""
        if not any(o.host == host.strip("[]") and o.port == port for o in self._system.allowed):
            raise Rejected(
                "egress_refused", f"{host}:{port} is not on the list of places this system may call."
            )
        last: httpcore.ConnectError | httpcore.ConnectTimeout | None = None
        for address in self._addresses(host.strip("[]"), port):
            try:
                stream = httpcore.SyncBackend().connect_tcp(str(address), port, self.left(timeout))
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                last = error
                continue
            return MeteredStream(stream, self)
        raise last or httpcore.ConnectError("the name has no address")

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.NetworkStream:
        """Refuse: no enterprise system lives in a file."""
        raise Rejected("egress_refused", "A socket file is no place a system may be called at.")

    def left(self, timeout: float | None) -> float:
        """Return the seconds one step may take: its own limit, and never beyond the limit of the whole call."""
        rest = self._deadline - time.monotonic()
        if rest <= 0:
            raise httpcore.ReadTimeout("the time limit of the whole call is reached")
        return min(timeout or rest, rest)

    def _addresses(self, host: str, port: int) -> list[Address]:
        key = (host, port)
        if key not in self._pinned:
            found = self._resolved(host, port)
            for address in found:
                if reason := why_forbidden(address, self._system.networks):
                    raise Rejected(
                        "egress_refused",
                        f"{host} leads to {address}, {reason}. If it should, add its network to the system.",
                    )
            self._pinned[key] = found
        return self._pinned[key]

    def _resolved(self, host: str, port: int) -> list[Address]:
        if _is_literal(host):
            return [ipaddress.ip_address(host)]
        try:
            texts = list(
                _resolving.submit(self._resolver, host, port).result(self.left(self._system.connect_timeout))
            )
            return list(dict.fromkeys(ipaddress.ip_address(text) for text in texts))[:MAX_ADDRESSES]
        except FutureTimeout as error:
            raise httpcore.ConnectTimeout("the name was not resolved in time") from error
        except (OSError, UnicodeError, ValueError) as error:
            raise httpcore.ConnectError(f"the name cannot be resolved: {error}") from error


class MeteredStream(httpcore.NetworkStream):
    """A connection that knows whether a byte of the request left, and never outlives the call."""

    def __init__(self, stream: httpcore.NetworkStream, backend: PinnedBackend) -> None:
        self._stream = stream
        self._backend = backend

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read within what is left of the whole call, so that a trickle cannot hold a worker."""
        return self._stream.read(max_bytes, self._backend.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Count before writing: what may have left counts as sent."""
        self._backend.sent += len(buffer)
        self._stream.write(buffer, self._backend.left(timeout))

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Begin TLS; the certificate is checked against the name, although the address is pinned."""
        stream = self._stream.start_tls(ssl_context, server_hostname, self._backend.left(timeout))
        return MeteredStream(stream, self._backend)

    def get_extra_info(self, info: str) -> Any:
        """Return what the connection knows about itself."""
        return self._stream.get_extra_info(info)


def why_forbidden(address: Address, networks: Iterable[Network]) -> str:
    """Return why this address may not be called, '' when it may. ``networks`` is the system's own list."""
    for real in {address, *_embedded(address)}:
        if reason := _why_forbidden(real, list(networks)):
            return reason
    return ""


def _require_shallow(document: Any) -> None:
    """Refuse what later code, which goes into each level by a call, could not go through."""
    level, depth = [document], 0
    while level:
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        depth += 1
        if depth > MAX_RESPONSE_DEPTH:
            raise _too_deep()


def _too_deep() -> ValueError:
    return ValueError(f"it is nested deeper than {MAX_RESPONSE_DEPTH} levels")


def path_part(part: str) -> str:
    """Return one part of a path, percent-encoded; refuse what would walk the tree or end the line."""
    if part in ("", ".", "..") or any(c in part for c in "\r\n\0"):
        raise Rejected("egress_refused", f"{part[:40]!r} cannot be part of an address.")
    return quote(part, safe="")


def _why_forbidden(address: Address, networks: list[Network]) -> str:
    if address in METADATA:
        return "where a cloud keeps its credentials"
    if address.is_link_local or address.is_multicast or address.is_unspecified or _is_broadcast(address):
        return "which no system lives at"
    holding = [n for n in networks if n.version == address.version and address in n]
    if address.is_loopback:
        # A wide network never lets this machine in by the way: it has to be named on its own.
        named = any(n.network_address.is_loopback and n.broadcast_address.is_loopback for n in holding)
        return "" if named else "which is this machine"
    if holding:
        return ""
    public = address.is_global and not address.is_reserved and not any(address in n for n in NEVER_PUBLIC)
    return "" if public else "which is not a public address"


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_broadcast(address: Address) -> bool:
    return address == ipaddress.ip_address("255.255.255.255")


def _embedded(address: Address) -> Iterator[Address]:
    """Yield the IPv4 addresses that an IPv6 address leads to (mapped, 6to4, Teredo, NAT64, compatible)."""
    if not isinstance(address, ipaddress.IPv6Address):
        return
    if address.ipv4_mapped:
        yield address.ipv4_mapped
    if address.sixtofour:
        yield address.sixtofour
    if address.teredo:
        yield from address.teredo
    if any(address in network for network in NAT64) or 1 < int(address) < 2**32:
        yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)


def _system_resolver(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return [str(entry[4][0]) for entry in found]


@lru_cache(maxsize=1)
def _tls_context() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)


def _checked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if not _NAME.fullmatch(name) or name.lower() in OWN_HEADERS:
            raise Rejected("egress_refused", f"The header {name[:40]!r} may not be set here.")
        if (
            not value.isascii()
            or any((c < " " and c != "\t") or c == "\x7f" for c in value)
            or len(value) > 8192
        ):
            raise Rejected("egress_refused", f"The header {name!r} has a value that may not leave.")
    return dict(headers)


def _content(body: Any) -> bytes:
    """Return the bytes of a body; what was signed is bytes already, and not a byte of it changes."""
    if isinstance(body, bytes):
        return body
    return b"" if body is None else json.dumps(body, ensure_ascii=False, allow_nan=False).encode()


def _credential(credential: Credential) -> dict[str, str]:
    if credential.scheme == "bearer":
        return {"Authorization": f"Bearer {credential.secret}"}
    if credential.scheme == "basic":
        pair = f"{credential.username}:{credential.secret}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
    if credential.scheme == "header":
        return {credential.header_name: credential.secret}
    return {}


def _query_part(text: str) -> str:
    if "\x00" in text:
        raise Rejected("egress_refused", "A query cannot contain the character NUL.")
    return quote(text, safe="")


def _counted(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Pass on what comes, until it is more than any honest answer."""
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > MAX_RESPONSE_BYTES:
            raise OutcomeUnknown("answer_too_large", f"The answer is larger than {MAX_RESPONSE_BYTES} bytes.")
        yield chunk


def _inflated(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Decompress in bounded pieces, so that a small answer cannot fill the memory."""
    inflater = zlib.decompressobj(wbits=47)
    try:
        for chunk in chunks:
            pending = chunk
            while pending:
                yield inflater.decompress(pending, 65536)
                pending = inflater.unconsumed_tail
        yield inflater.flush(65536)
    except zlib.error as error:
        raise OutcomeUnknown("answer_unreadable", "The compressed answer is broken.") from error


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:200]
