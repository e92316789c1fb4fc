"""What the environment may choose about a start."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from environs import Env, EnvError, validate

from autonomy.launch.failure import LaunchFailure

ROOT = Path(__file__).resolve().parent.parent.parent
GIBIBYTE = 1024**3
# Where the key that signs the ledger is: for the sequencer's process alone.
KEY_FILE = "LEDGER_KEY_FILE"


@dataclass(frozen=True)
class Options:
    """Folder, ports and pool sizes of one start."""

    data: Path
    host: str = "127.0.0.1"
    port: int = 8000
    erp_port: int = 8069
    demo_company: bool = True
    at_work: bool = True
    workers: int = 2
    least_free_bytes: int = GIBIBYTE
    sequencer: bool = True
    given_ledger_key: Path | None = None

    @property
    def ledger_key(self) -> Path:
        """Return the file of the key that signs the ledger; only the sequencer is told of it."""
        return self.given_ledger_key or self.data / "ledger.key"

    @property
    def address(self) -> str:
        """Return the portal's address as a browser on this machine uses it."""
        host = "127.0.0.1" if self.host in {"0.0.0.0", "::", ""} else self.host  # noqa: S104
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


def read_options() -> Options:
    """Read the environment; raise LaunchFailure for a value that cannot be."""
    env = Env()
    a_port = validate.Range(min=1, max=65535)
    named = env.str(KEY_FILE, default="")
    try:
        return Options(
            data=Path(env.str("AUTONOMY_DATA_DIR", default=str(ROOT / "var"))).expanduser().resolve(),
            host=env.str("AUTONOMY_HOST", default="127.0.0.1"),
            port=env.int("AUTONOMY_PORT", default=8000, validate=a_port),
            erp_port=env.int("ERP_PORT", default=8069, validate=a_port),
            demo_company=env.bool("DEMO_COMPANY", default=True),
            at_work=env.bool("DEMO_AT_WORK", default=True),
            workers=env.int(
                "CELERY_WORKERS", default=min(4, os.cpu_count() or 2), validate=validate.Range(min=1)
            ),
            least_free_bytes=env.int("AUTONOMY_LEAST_FREE_MB", default=1024) * 1024**2,
            sequencer=env.bool("SEQUENCER", default=True),
            given_ledger_key=Path(named).expanduser().resolve() if named else None,
        )
    except EnvError as error:
        raise LaunchFailure(
            f"A setting cannot be used: {str(error).rstrip('.')}.",
            "Correct it in the environment (or take it out), and start again.",
        ) from error
