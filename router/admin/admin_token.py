"""The local admin token: whoever has it may do everything on the admin port of this router.

It is the text of one file: the one that the user names, or `admin-token` in the state directory, made at the first
start with 32 bytes of entropy and mode 0600. A new token appears whole or not at all. The file is read anew for each
request, so a token is refused from the moment when another one has taken its place; while the file cannot be used, all
are. The token is in no log, error or repr.

`AdminToken` is made by the composition root and asked by the admin API; `make` and `rotate` are those of `maitre
admin-token`, too.
"""

from __future__ import annotations

import hmac
import logging
import os
import secrets
import stat
import tempfile
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Final

from router.admin.gate import Access, Caller, NotIdentified
from router.errors import AdminTokenRefused

MIN_LENGTH: Final = 32
"""Characters of a token; one of 32 random bytes has 43."""
MAX_LENGTH: Final = 1024
NAME: Final = "admin-token"

log = logging.getLogger("maitre.admin")


class LocalAdmin(Caller):
    """Who showed the token. A type of its own: a user of a cluster who is called admin is somebody else."""

    __slots__ = ()


class AdminToken:
    """Implements `Gate` for the one token in a file."""

    def __init__(self, path: Path) -> None:
        """The file has been looked at, by `opened`."""
        self._path = path
        self._problem = ""

    async def identify(self, bearer: str | None) -> Caller:
        if bearer is None:
            raise NotIdentified("the admin port wants a credential: Authorization: Bearer <admin token>")
        if not self.is_token(bearer):
            raise NotIdentified(
                "this is not the admin token; `maitre admin-token show` prints it where the router runs"
            )
        return LocalAdmin("admin")

    async def admit(self, caller: Caller, access: Access) -> None:
        """Whoever was identified may."""

    def is_token(self, bearer: str) -> bool:
        """Takes the same time wherever the first wrong character is: digests are compared, and all of their bytes."""
        try:
            token = read(self._path)
        except AdminTokenRefused as refused:
            self._tell(str(refused))
            return False
        self._tell("")
        return hmac.compare_digest(_digest(bearer), _digest(token))

    def _tell(self, problem: str) -> None:
        """Once for each problem."""
        if problem and problem != self._problem:
            log.error("nobody is let in by the admin token", extra={"fields": {"problem": problem}})
        self._problem = problem

    def __repr__(self) -> str:
        return f"<AdminToken {self._path}>"


def opened(state_dir: Path, named: Path | None) -> AdminToken:
    """The gate of a router. `named`: the file that the user names; None: the one in the state directory, made if it is
    not there. Raises AdminTokenRefused, but not where none can be made, as on a read-only disk: requests are served all
    the same, and nobody is let in here."""
    path = token_path(state_dir, named)
    if named is None:
        try:
            make(path)
        except AdminTokenRefused as refused:
            fields = {"problem": f"{refused}; or name one with --admin-token-file"}
            log.warning("nobody is let in by an admin token: there is none", extra={"fields": fields})
            return AdminToken(path)
    read(path)
    _mind_others(path, refuse=named is None)
    return AdminToken(path)


def token_path(state_dir: Path, named: Path | None) -> Path:
    """Where the token is."""
    return state_dir / NAME if named is None else named


def read(path: Path) -> str:
    """The token in a file; white space around it is no part of it. Raises AdminTokenRefused, without a word of what is
    there."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_LENGTH + 2)  # a line end is no part of it
    except FileNotFoundError:
        raise AdminTokenRefused(
            f"{path}: there is no admin token; `maitre admin-token rotate` with the same options writes one"
        ) from None
    except OSError as error:
        raise AdminTokenRefused(f"{path}: the admin token cannot be read: {error.strerror or error}") from None
    token = content.strip()
    if not MIN_LENGTH <= len(token) <= MAX_LENGTH or not all(0x21 <= byte <= 0x7E for byte in token):
        raise AdminTokenRefused(
            f"{path}: an admin token is {MIN_LENGTH} to {MAX_LENGTH} visible ASCII characters;"
            " `maitre admin-token rotate` with the same options writes one"
        )
    return token.decode("ascii")


def make(path: Path) -> None:
    """Makes a token where there is no file; of those who do so at the same time, one does. Raises AdminTokenRefused."""
    if os.path.lexists(path):
        return

    def appear(part: Path) -> None:
        with suppress(FileExistsError):  # somebody else was first: that one holds
            path.hardlink_to(part)

    _write(path, appear)


def rotate(path: Path) -> None:
    """A new token instead of the one that is there, if any. Who could read that one can read this one: the owner, the
    group and its rights stay. Raises AdminTokenRefused."""
    target = Path(os.path.realpath(path))  # a link goes on pointing to it

    def appear(part: Path) -> None:
        with suppress(FileNotFoundError):
            _take_over(target.stat(), part)
        part.replace(target)

    _write(target, appear)


def _write(path: Path, appear: Callable[[Path], None]) -> None:
    """A token in a file beside it, on the disk before `appear` gives it its name."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
        part = Path(name)
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_urlsafe(32) + "\n")
                file.flush()
                os.fsync(descriptor)
            appear(part)
            _settle(path.parent)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise AdminTokenRefused(
            f"{path}: the admin token cannot be written: {error.strerror or error};"
            " what a Secret is mounted as changes with the Secret"
        ) from None


def _take_over(before: os.stat_result, part: Path) -> None:
    made = part.stat()
    if (before.st_uid, before.st_gid) != (made.st_uid, made.st_gid):
        os.chown(part, before.st_uid, before.st_gid)
    part.chmod(stat.S_IMODE(before.st_mode) & 0o640 | stat.S_IRUSR | stat.S_IWUSR)


def _settle(directory: Path) -> None:
    """The name is on the disk, too."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _mind_others(path: Path, *, refuse: bool) -> None:
    """A group may have been given it on purpose, by a volume's fsGroup say. All others never were, by us; by the user
    perhaps, as Secrets are mounted by default."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if not mode & (stat.S_IROTH | stat.S_IWOTH):
        return
    if refuse:
        raise AdminTokenRefused(
            f"{path}: every user of this machine can read or write the admin token (mode {mode:04o});"
            " `maitre admin-token rotate` with the same options writes another, for you alone"
        )
    fields = {"file": str(path), "mode": f"{mode:04o}"}
    log.warning("every user of this machine can read the admin token", extra={"fields": fields})


def _digest(token: str) -> bytes:
    return sha256(token.encode("utf-8", "surrogatepass")).digest()
