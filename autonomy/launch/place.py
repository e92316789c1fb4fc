"""Where one installation keeps its things, and as which user its servers run.

PostgreSQL refuses to run as root. Started by root, the servers run as a service user, and live under
/var/lib where that user can reach them: a home is often closed to others, and we never change a permission
on a folder that we did not make.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from autonomy.launch.failure import LaunchFailure

SYSTEM_ROOT = Path("/var/lib/autonomy-os")
SERVICE_USER = os.environ.get("AUTONOMY_SERVICE_USER", "autonomy-os")
# sun_path holds 107 bytes and the server adds "/.s.PGSQL.5432.lock".
LONGEST_SOCKET_FOLDER = 85


@dataclass(frozen=True)
class ServiceUser:
    """The user the servers run as; ``switch`` says whether we have to become it (only root does)."""

    uid: int
    gid: int
    switch: bool

    def popen_options(self) -> dict[str, object]:
        """Return what ``subprocess`` needs to start a program as this user."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if self.switch else {}

    def take(self, path: Path) -> None:
        """Give a file or folder that we have just made to this user."""
        if self.switch:
            os.chown(path, self.uid, self.gid)


@dataclass(frozen=True)
class Place:
    """The data folder of one installation and the folder of its servers inside it."""

    data: Path
    services: Path
    user: ServiceUser

    @property
    def logs(self) -> Path:
        return self.data / "log"

    @property
    def run(self) -> Path:
        """Return the folder for lock and process files."""
        return self.data / "run"


def open_place(data: Path) -> Place:
    """Make the data folder and find the servers' folder; what exists is used as it is.

    Raises LaunchFailure if the folder belongs to somebody else.
    """
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    owner = data.stat().st_uid
    if owner != os.geteuid():
        raise LaunchFailure(
            f"The data folder {data} belongs to {_name_of(owner)}, and you are {_name_of(os.geteuid())}.",
            f"Start as {_name_of(owner)}, or use a folder of your own: AUTONOMY_DATA_DIR=/path make up",
        )
    for name in ("log", "run"):
        (data / name).mkdir(mode=0o700, exist_ok=True)
    user = service_user()
    return Place(data=data, services=_services_folder(data, user), user=user)


def service_user() -> ServiceUser:
    """Return the user for the servers: ourselves, or as root a system user that is made when missing."""
    if os.geteuid() != 0:
        return ServiceUser(os.geteuid(), os.getegid(), switch=False)
    try:
        found = pwd.getpwnam(SERVICE_USER)
    except KeyError:
        found = _make_service_user()
    if found.pw_uid == 0:
        raise LaunchFailure(
            "PostgreSQL does not run as root.", "Name another user in AUTONOMY_SERVICE_USER, or leave it out."
        )
    return ServiceUser(found.pw_uid, found.pw_gid, switch=True)


def _make_service_user() -> pwd.struct_passwd:
    command = ["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", str(SYSTEM_ROOT)]
    command += ["--shell", "/usr/sbin/nologin", SERVICE_USER]
    if shutil.which(command[0]) is None:
        raise LaunchFailure(
            "Started by root, the database needs a user of its own, and `useradd` is not on this machine.",
            f"Make a system user named {SERVICE_USER}, or start as an ordinary user.",
        )
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    # 9: somebody else made it in the same moment.
    if done.returncode not in (0, 9):
        raise LaunchFailure(
            f"The system user {SERVICE_USER} could not be made: {done.stderr.strip()}.",
            "Make it by hand, or start as an ordinary user.",
        )
    return pwd.getpwnam(SERVICE_USER)


def _services_folder(data: Path, user: ServiceUser) -> Path:
    link = data / "services"
    if link.is_symlink() and not link.exists():
        raise LaunchFailure(
            f"The databases of {data} should be in {link.readlink()}, and that folder is gone.",
            f"Bring it back from a backup, or remove {link} to begin with empty databases.",
        )
    if link.exists():
        return link.resolve()
    if not user.switch:
        link.mkdir(mode=0o700)
        return link
    parent = system_folder("data")
    digest = hashlib.sha256(str(data).encode()).hexdigest()[:8]
    folder = Path(tempfile.mkdtemp(prefix=f"{digest}-", dir=parent))
    user.take(folder)
    link.symlink_to(folder)
    return folder


def system_folder(name: str) -> Path:
    """Return a folder of root's below /var/lib/autonomy-os that everybody may pass through."""
    for folder in (SYSTEM_ROOT, SYSTEM_ROOT / name):
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        folder.chmod(0o755)
    return SYSTEM_ROOT / name


def erase(place: Place) -> None:
    """Remove a data folder for good, with the databases that belong to it."""
    shutil.rmtree(place.services, ignore_errors=True)
    shutil.rmtree(place.data, ignore_errors=True)


def socket_folder(place: Place) -> Path:
    """Return a private folder (0700) short enough for a socket; a new one in /tmp if ours is too deep."""
    folder = place.services / "s"
    if len(os.fsencode(folder)) <= LONGEST_SOCKET_FOLDER:
        if not folder.exists():
            folder.mkdir(mode=0o700)
            place.user.take(folder)
        return folder
    folder = Path(tempfile.mkdtemp(prefix="aos-", dir="/tmp"))
    place.user.take(folder)
    return folder


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def python() -> str:
    """Return the interpreter of the virtual environment we run in."""
    return sys.executable
