"""The words between this room, its drivers and its callers: plain values, no database, no network."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlsplit

from audit.vocabulary import Actor
from connectors.exceptions import PassageClosed

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
DEFAULT_PORTS = {"http": 80, "https": 443}
THIS_MACHINE = ("127.0.0.1", "::1", "localhost")
_HOST_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*", re.ASCII)
_NUMERIC_END = re.compile(r"(.*\.)?(0x[0-9a-f]*|[0-9]+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port: the unit an allow-list speaks in (RFC 6454). Anything ambiguous is refused."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of_url(cls, url: str) -> Origin:
        """Return the origin of an address; raise ValueError for anything two parsers could read differently."""
        if not isinstance(url, str) or not url.isascii() or any(c <= " " or c in "\\\x7f" for c in url):
            raise ValueError("An address is plain ASCII without blanks or backslashes (IDN hosts as xn--...).")
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise ValueError(f"The address cannot be read: {error}.") from error
        if parts.scheme not in DEFAULT_PORTS:
            raise ValueError("An address starts with http:// or https://.")
        if "@" in parts.netloc:
            raise ValueError("An address carries no user name and no password.")
        if parts.fragment or parts.query:
            raise ValueError("An address ends with its path: no query and no fragment.")
        if port == 0:
            raise ValueError("Port 0 is no port.")
        return cls(parts.scheme, plain_host(parts.hostname or ""), port or DEFAULT_PORTS[parts.scheme])

    @classmethod
    def parse(cls, entry: str) -> Origin:
        """Return the origin an allow-list entry names (``https://host`` or ``https://host:port``)."""
        origin = cls.of_url(entry)
        if urlsplit(entry).path not in ("", "/"):
            raise ValueError(f"{entry!r} names a path: an allow-list entry is scheme://host:port.")
        return origin

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}"


def plain_host(host: str) -> str:
    """Return a host in its one spelling; raise ValueError for every other spelling of a number or a name."""
    if ":" in host:
        if "%" in host:
            raise ValueError("An IPv6 address carries no zone.")
        return str(ipaddress.IPv6Address(host))
    if _NUMERIC_END.fullmatch(host):
        return str(ipaddress.IPv4Address(host))  # four decimal parts, no leading zeros, or ValueError
    if len(host) > 253 or not _HOST_NAME.fullmatch(host):
        raise ValueError(f"{host!r} is not a host name.")
    return host


def parse_network(entry: str) -> Network:
    """Return the network an entry names (CIDR, RFC 4632); raise ValueError when it is not one."""
    if not isinstance(entry, str) or "/" not in entry:
        raise ValueError(f"{entry!r} is not a network. Write it as address/length, e.g. 10.2.0.0/16.")
    return ipaddress.ip_network(entry, strict=True)


def why_not_address(address: str, networks: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with where messages would go, as field and words; nothing when all is well.

    Encrypted, but for this machine itself, which has to be named among the networks to be reached at all.
    """
    try:
        origin = Origin.of_url(address.partition("?")[0])
    except ValueError as error:
        yield "address", str(error)
        origin = None
    if origin and origin.scheme != "https" and origin.host not in THIS_MACHINE:
        yield "address", "Write an address that begins with https://."
    try:
        [parse_network(entry) for entry in networks]
    except (TypeError, ValueError) as error:
        yield "private_networks", str(error)


@dataclass(frozen=True, slots=True)
class SystemFacts:
    """What a driver may know of a system. Times are seconds."""

    id: str
    code: str
    kind: str
    base_url: str
    config: Mapping[str, Any]
    allowed: frozenset[Origin]
    networks: tuple[Network, ...]
    connect_timeout: float
    read_timeout: float
    total_timeout: float


@dataclass(frozen=True, slots=True)
class Credential:
    """What is presented to a system. Never printed: ``repr`` hides the secret."""

    scheme: str = "none"
    username: str = ""
    header_name: str = ""
    secret: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Probe:
    """The pass for what is not an action: a named actor, and only operations that are declared reads.

    ``purpose`` is one of choices.Purpose except execute; ``agent_id`` picks the account (an Agent's id).
    """

    actor: Actor
    purpose: str
    agent_id: str = ""
    action_id: str = ""
    correlation_id: str = ""


_MINT = object()


class Passage:
    """The right to reach one system for one call; open only while that call runs.

    ``connectors.services.passages`` alone makes them, from a claimed Authorization or a recorded Probe. Drivers
    and egress refuse to work without an open one.
    """

    __slots__ = ("_open", "call_id", "operation_code", "reads_only", "system_id")

    def __init__(
        self, mint: object, *, call_id: str, system_id: str, operation_code: str, reads_only: bool
    ) -> None:
        if mint is not _MINT:
            raise PassageClosed
        self.call_id = call_id
        self.system_id = system_id
        self.operation_code = operation_code
        self.reads_only = reads_only
        self._open = True

    def require(self, system_id: str) -> None:
        """Raise PassageClosed unless this passage is open and leads to that system."""
        if not self._open or self.system_id != system_id:
            raise PassageClosed

    def close(self) -> None:
        """End it; nothing can leave through it any more."""
        self._open = False


@dataclass(frozen=True, slots=True)
class DriverRequest:
    """One thing to do at a system. ``reference`` is ours, at most 40 characters, the same at every attempt.

    ``agent``: for whom, if whoever makes the call has read that already.
    """

    passage: Passage
    system: SystemFacts
    credential: Credential
    mapping: Mapping[str, Any]
    arguments: Mapping[str, Any]
    reference: str = ""
    trail: list[dict[str, Any]] = field(default_factory=list)
    agent: Actor | None = None

    def note(self, **facts: Any) -> None:
        """Add one step to the trail that the Call keeps, also when the driver fails afterwards."""
        self.trail.append(facts)


@dataclass(frozen=True, slots=True)
class DriverResult:
    """What a system answered. ``found`` is None except for look-ups and reads that look for one record.

    ``stage`` names the last step that a look-up found done; ``complete`` says whether it was the last one.
    """

    output: Mapping[str, Any] = field(default_factory=dict)
    remote_ref: str = ""
    status: int | None = None
    excerpt: str = ""
    found: bool | None = None
    stage: str = ""
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Needs:
    """What a driver has to be told before it can call a system; whoever connects one is asked exactly this.

    ``settings`` is a JSON Schema of ``System.config``, ``schemes`` are those of choices.Scheme that it can
    present, ``account`` says where a key comes from over there. ``descriptions`` and ``by_hand`` say that
    ``offers`` and ``offer_by_hand`` are there; ``addable`` is False for what is installed by itself.
    """

    title: str = ""
    summary: str = ""
    address: str = "https://erp.example.com"
    settings: Mapping[str, Any] = field(default_factory=dict)
    schemes: tuple[str, ...] = ("bearer", "basic", "header", "none")
    account: str = ""
    descriptions: str = ""
    by_hand: bool = False
    addable: bool = True


@dataclass(frozen=True, slots=True)
class Offer:
    """An operation that could be published: everything ``publish_operation`` takes, but for the system.

    ``key`` is the end of its code (``party.find``). ``lookup`` is the key of the offer that finds it again.
    ``why_not`` says in words why it cannot be published as it is described.
    """

    key: str
    name: str
    effect: str = "read"
    description: str = ""
    input_schema: Mapping[str, Any] = field(default_factory=dict)
    mapping: Mapping[str, Any] = field(default_factory=dict)
    idempotent: bool = False
    money_path: str = ""
    reference_field: str = ""
    label_template: str = ""
    lookup: str = ""
    why_not: str = ""


class Driver(Protocol):
    """Speaks one system's language. A folder in ``connectors/kinds`` exports one as ``driver``.

    ``in_process``: the system is a part of the portal: nothing leaves, and it answers within milliseconds.
    A driver may also have ``needs`` (Needs), ``catalogue`` (Offers it knows by itself), ``offers(text)`` (those
    that a description of the system names) and ``offer_by_hand(given)``; see connectors.services.kinds.
    """

    in_process: bool

    def perform(self, request: DriverRequest) -> DriverResult:
        """Do it, or raise one of connectors.exceptions.DriverError; anything else counts as unknown."""
        ...

    def test_connection(self, request: DriverRequest) -> DriverResult:
        """Read something harmless with the credential, changing nothing."""
        ...

    def check_mapping(self, mapping: Mapping[str, Any]) -> list[str]:
        """Return what is wrong with a mapping, in words; an empty list publishes it."""
        ...

    def resumes(self, mapping: Mapping[str, Any]) -> bool:
        """Tell whether another attempt with the same reference goes on from where an earlier one stopped."""
        ...


@dataclass(frozen=True, slots=True)
class CallResult:
    """How an authorized call ended. ``outcome`` is confirmed, failed (nothing was done) or unknown.

    ``temporary`` says that the same request may well succeed later (system down or busy, breaker open).
    """

    outcome: str
    call_id: str
    output: Mapping[str, Any] = field(default_factory=dict)
    remote_ref: str = ""
    error_code: str = ""
    error_message: str = ""
    temporary: bool = False


@dataclass(frozen=True, slots=True)
class LookUp:
    """What a look-up found: ``found``, ``absent``, ``partial`` (begun, see ``stage``) or ``unknown``.

    ``resumable``: another attempt of the same action goes on from where it stopped and makes nothing twice,
    once the longest a call can take has passed. After a read-back ``differences`` names what is not as it was
    asked for: pointer, expected, found.
    """

    result: str
    call_id: str
    output: Mapping[str, Any] = field(default_factory=dict)
    remote_ref: str = ""
    stage: str = ""
    error_code: str = ""
    error_message: str = ""
    differences: tuple[Mapping[str, Any], ...] = ()
    resumable: bool = False


@dataclass(frozen=True, slots=True)
class TestResult:
    """Whether a system answers with the account in use, in words, after so many milliseconds."""

    __test__ = False  # not a test case, whatever pytest thinks of its name

    ok: bool
    message: str
    milliseconds: int
    call_id: str
