"""Where a path lives: SQLite's WAL needs memory shared between processes, which a network file system does not give."""

from __future__ import annotations

import os
import re
from pathlib import Path

_SHARES = ("nfs", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "ncpfs", "9p", "davfs")
_CLUSTERS = ("afs", "coda", "ceph", "lustre", "gpfs", "glusterfs", "beegfs", "pvfs2", "orangefs")
_NETWORK = frozenset((*_SHARES, *_CLUSTERS))
_NETWORK_FUSE = re.compile(r"fuse\.(sshfs|glusterfs|ceph|rclone|s3fs|davfs2?|gcsfuse|gvfsd-fuse|juicefs|moosefs|mfs)")


def is_network_file_system(path: Path, mounts: str | None = None) -> bool:
    """True when the folder of ``path`` is mounted from another machine; False where that cannot be known.

    ``mounts`` is the text of Linux's /proc/self/mountinfo (given by tests).
    """
    if mounts is None:
        try:
            with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
                mounts = file.read()
        except OSError:
            return False
    kind = _file_system(os.path.realpath(path.parent), mounts)
    return kind in _NETWORK or bool(_NETWORK_FUSE.fullmatch(kind))


def _file_system(folder: str, mounts: str) -> str:
    """The type of the innermost mount that holds the folder; a later mount hides an earlier one on the same place."""
    best, kind = -1, ""
    for line in mounts.splitlines():
        left, _, right = line.partition(" - ")
        words = left.split(" ")
        if len(words) < 5 or not right:
            continue
        point = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), words[4])
        holds = folder == point or folder.startswith(point.rstrip("/") + "/")
        if holds and len(point) >= best:
            best, kind = len(point), right.split(" ")[0]
    return kind
