"""Whether a folder lies on a network file system, where SQLite's WAL is unsafe (sqlite.org/wal.html)."""

from __future__ import annotations

import sys
from pathlib import Path

_PLAIN = "nfs nfs4 cifs smb2 smb3 smbfs afpfs lustre gpfs beegfs ceph glusterfs afs 9p ncpfs webdav davfs panfs"
_FUSE = "sshfs glusterfs s3fs rclone ceph-fuse davfs2"
NETWORK = frozenset(_PLAIN.split()) | {f"fuse.{name}" for name in _FUSE.split()}


def shared_over_network(folder: Path) -> str | None:
    """The type of the network file system `folder` is on, or None when it is local or cannot be told."""
    if sys.platform == "linux":
        mounts = _linux_mounts()
    else:
        import psutil

        mounts = {part.mountpoint: part.fstype for part in psutil.disk_partitions(all=True)}
    return network_type(folder.resolve(), mounts)


def network_type(folder: Path, mounts: dict[str, str]) -> str | None:
    """The network type of the deepest mount point above `folder`; `mounts` maps mount point to type."""
    for place in (folder, *folder.parents):
        if (kind := mounts.get(str(place))) is not None:
            return kind if kind.lower() in NETWORK else None
    return None


def _linux_mounts() -> dict[str, str]:
    """The last mount on a point wins, as in the kernel."""
    try:
        lines = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    fields = (line.split(" ") for line in lines)
    return {parts[1].encode().decode("unicode_escape"): parts[2] for parts in fields if len(parts) > 2}
