"""Who the embedded server runs as: PostgreSQL refuses root.

Started by anybody else, it runs as that person. Started by root (a container, a
build machine), it runs as a system user of its own, which is then let through the
folders above its files: by an access control list that names this one user where
the file system has them, else by the search bit for all.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

from loader.remedy import Remedy

SYSTEM_USER = "gatehouse_postgres"

# The on-disk form of a POSIX access control list (linux/posix_acl_xattr.h): a
# version, then entries of tag, permission bits and user or group id.
_ACL = "system.posix_acl_access"
_VERSION, _ENTRY = struct.Struct("<I"), struct.Struct("<HHI")
_USER_OBJ, _USER, _GROUP_OBJ, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x10, 0x20
_NOBODY = 0xFFFFFFFF
_SEARCH = 0o1


@dataclass(frozen=True)
class ServerUser:
    """A uid and gid to run the server with, or neither: the caller's own."""

    uid: int | None = None
    gid: int | None = None

    def own(self, path: Path) -> None:
        """Makes `path` this user's."""
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)

    def let_through(self, path: Path) -> list[Path]:
        """Lets this user pass through every folder above `path`; returns the folders
        that were opened for it."""
        if self.uid is None:
            return []
        return [folder for folder in reversed(path.resolve().parents) if _open_to(folder, self.uid)]


def server_user() -> ServerUser:
    """The caller, or for root the system user, made when it does not exist yet."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return ServerUser()
    import pwd

    try:
        entry = pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        _make_system_user()
        entry = pwd.getpwnam(SYSTEM_USER)
    return ServerUser(entry.pw_uid, entry.pw_gid)


def make_readable(tree: Path) -> None:
    """Lets everybody read what lies under `tree`, the server's own programs: an
    install under a strict umask leaves them to root alone."""
    for folder, _, files in os.walk(tree):
        _add_bits(Path(folder), 0o055)
        for name in files:
            path = Path(folder, name)
            if not path.is_symlink():
                _add_bits(path, 0o055 if path.stat().st_mode & stat.S_IXUSR else 0o044)


def _make_system_user() -> None:
    nowhere = ["--home-dir", "/nonexistent", "--no-create-home"]
    command = ["useradd", "--system", "--user-group", *nowhere, "--shell", "/bin/false", SYSTEM_USER]
    if not shutil.which("useradd"):  # Alpine has BusyBox's adduser
        command = ["adduser", "-S", "-D", "-H", "-s", "/bin/false", SYSTEM_USER]
    try:
        result = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        problem = "neither useradd nor adduser is installed"
    else:
        if result.returncode == 0:
            return
        problem = result.stderr.strip() or f"{command[0]} ended with {result.returncode}"
    raise Remedy(
        f"PostgreSQL refuses to run as root, and no user for it could be made ({problem}).",
        f"Make a system user '{SYSTEM_USER}', or work as a user other than root.",
    )


def _add_bits(path: Path, bits: int) -> None:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode | bits != mode:
        path.chmod(mode | bits)


def _open_to(folder: Path, uid: int) -> bool:
    """Gives `uid` the search bit on `folder`; False if it had it already."""
    status = folder.stat()
    if status.st_mode & stat.S_IXOTH or (status.st_uid == uid and status.st_mode & stat.S_IXUSR):
        return False
    entries = _read_acl(folder)
    if entries is None:
        _add_bits(folder, _SEARCH)
        return True
    if entries.get((_USER, uid), 0) & entries.get((_MASK, _NOBODY), 0) & _SEARCH:
        return False
    entries[_USER, uid] = entries.get((_USER, uid), 0) | _SEARCH
    # the mask caps every entry but the owner's: it must hold what each of them has
    entries[_MASK, _NOBODY] = entries.get((_MASK, _NOBODY), entries[_GROUP_OBJ, _NOBODY]) | _SEARCH
    packed = b"".join(_ENTRY.pack(tag, bits, who) for (tag, who), bits in sorted(entries.items()))
    try:
        os.setxattr(folder, _ACL, _VERSION.pack(2) + packed)
    except OSError:
        _add_bits(folder, _SEARCH)
    return True


def _read_acl(folder: Path) -> dict[tuple[int, int], int] | None:
    """{(tag, id): permission bits}; the mode's own bits where no list is set; None
    where the file system has no lists."""
    if not hasattr(os, "getxattr"):
        return None
    try:
        packed = os.getxattr(folder, _ACL)
    except OSError as error:
        if error.errno != errno.ENODATA:
            return None
        mode = folder.stat().st_mode
        bits = {_USER_OBJ: mode >> 6, _GROUP_OBJ: mode >> 3, _OTHER: mode}
        return {(tag, _NOBODY): value & 0o7 for tag, value in bits.items()}
    entries = _ENTRY.iter_unpack(packed[_VERSION.size :])
    return {(tag, who): bits for tag, bits, who in entries}
