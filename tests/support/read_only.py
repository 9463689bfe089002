"""A machine on which one folder can be written and nothing else, as `docker run --read-only` with a volume."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

_SCRIPT = """
set -e
mount --make-rprivate /
mkdir -p "$0/tmp"
mount --bind "$0" "$0"
findmnt --raw --noheadings --output TARGET,VFS-OPTIONS | while read -r target options; do
    case "$target" in
        "$0" | /proc* | /sys* | /dev*) ;;
        *) mount -o "remount,bind,ro,${options#rw,}" "$target" ;;
    esac
done
! touch "$HOME/written" 2> /dev/null
cd "$0"
export TMPDIR="$0/tmp"
exec "$@"
"""


def read_only_command(writable: Path, *command: str) -> list[str]:
    """The command line that runs a command in `writable` as its working folder, where all else is read-only.

    Temporary files go into its folder `tmp`. Needs the rights of root, or of a user who may make namespaces.
    """
    assert sys.platform == "linux"
    assert shutil.which("unshare"), "unshare (util-linux) makes the read-only file systems of this test"
    return ["unshare", "--map-root-user", "--mount", "bash", "-c", _SCRIPT, str(writable), *command]
