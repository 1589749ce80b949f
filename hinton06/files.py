"""Files on a machine that is shared: opened only if plain, held while they are being made.

Not in the chapter. POSIX only: the locks are `fcntl.flock`, which the kernel lets go when a
process ends, however it ends.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

_LONGEST_LINE = 400
_LONGEST_HOLDER = 200
_TRIES = 100
_NFS_CANNOT = 524  # ENOTSUPP of the Linux kernel, which has no name elsewhere: NFS without lockd
_CANNOT_LOCK = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, _NFS_CANNOT)


class HeldError(Exception):
    """Another process is making the file; the message says which, in a few words."""


def one_line(text: str) -> str:
    """A text with a name in it, which may have any characters, as one line to show."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def printable(text: str) -> str:
    """A text that comes from a file, safe to show: one line, no control characters, not long."""
    shown = one_line(text[: _LONGEST_LINE + 1])
    return shown if len(shown) <= _LONGEST_LINE else shown[:_LONGEST_LINE] + "..."


def open_plain(path: Path) -> BinaryIO:
    """Open a file for reading, but no pipe, device or folder, which might never answer.

    Raises OSError as `open`; with EISDIR for a folder, EINVAL for anything else that is no file.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        raise OSError(errno.EINVAL, "not a plain file", str(path))
    return os.fdopen(descriptor, "rb")


def check_replaceable(path: Path) -> None:
    """Raise OSError if what is at a path is no plain file: a folder, or a device that others use.

    A finished file takes the place of what is there, whatever that is.
    """
    if os.path.lexists(path) and not path.is_symlink() and not path.is_file():
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        raise OSError(errno.EINVAL, "what is there is not a plain file", str(path))


class Lock:
    """The right to make one file, for as long as this process lives or until it is released.

    It is a lock on an empty neighbour of the file, with ``.lock`` behind the name, that says who
    holds it; the folder is made if need be. One that a dead process left is taken over; a released
    one is removed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.with_name(path.name + ".lock")
        self._made = path
        self.works = True
        self._descriptor: int | None = None

    def take(self) -> None:
        """Hold the file, at once or not at all.

        `works` is False afterwards if the file system knows no locks; nothing is held then.
        HeldError if another process holds it, OSError if there can be no lock file, or if what is
        to be made would take the place of anything but a plain file.
        """
        check_replaceable(self._made)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        for _ in range(_TRIES):
            descriptor = os.open(self.path, flags, 0o666)
            with contextlib.ExitStack() as unless_held:
                unless_held.callback(os.close, descriptor)
                if self._locked(descriptor) and self._is_there(descriptor):
                    unless_held.pop_all()
                    self._descriptor = descriptor
                    self._sign(descriptor)
                    return
            if not self.works:
                return
        raise OSError(errno.EAGAIN, "its lock file does not stay", str(self.path))

    def keep(self) -> None:
        """`take` again, if somebody has removed the lock file or its folder."""
        if self._descriptor is not None and not self._is_there(self._descriptor):
            os.close(self._descriptor)
            self._descriptor = None
            self.take()

    def release(self) -> None:
        """Let go, and remove the lock file."""
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                if self._is_there(self._descriptor):
                    self.path.unlink()
            os.close(self._descriptor)
            self._descriptor = None

    def sweep(self) -> None:
        """Remove the lock file of a dead process, if there is one and it can be removed."""
        if self.path.exists():
            with contextlib.suppress(HeldError, OSError):
                self.take()
                self.release()

    def _locked(self, descriptor: int) -> bool:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "its lock file is not a plain file", str(self.path))
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            text = os.pread(descriptor, _LONGEST_HOLDER, 0).decode("utf-8", "replace")
            holder = printable(text.partition("\n")[0].strip())
            raise HeldError(holder or "another process") from None
        except OSError as error:
            if error.errno not in _CANNOT_LOCK:
                raise
            self.works = False
            with contextlib.suppress(OSError):
                self.path.unlink()
        return self.works

    def _is_there(self, descriptor: int) -> bool:
        """Whether the lock file under its name is the one that is open."""
        try:
            named = os.stat(self.path, follow_symlinks=False)
        except OSError:
            return False
        return os.path.samestat(named, os.fstat(descriptor))

    def _sign(self, descriptor: int) -> None:
        since = datetime.now(UTC).isoformat(sep=" ", timespec="seconds")
        text = f"process {os.getpid()} on {socket.gethostname()} since {since}\n"
        with contextlib.suppress(OSError):  # a full disk: the lock holds without a name too
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, text.encode(), 0)
