"""One unpacked copy of every code archive and layer, shared by all execution environments.

Named by content, so a copy never changes once it is there; treat it as read-only. Python still writes
its bytecode caches into it, which is what makes the second cold start of a function quick.
"""

import hashlib
import io
import shutil
import tempfile
import threading
import zipfile
from pathlib import Path

_PERMISSION_BITS = 0o7777


class UnpackedArchives:
    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        directory.mkdir(parents=True, exist_ok=True)

    def unpack(self, archive: bytes) -> Path:
        """The directory that holds the archive's content, unpacked on the first call."""
        home = self._directory / hashlib.sha256(archive).hexdigest()
        with self._lock:
            if not home.is_dir():
                self._unpack_to(home, archive)
        return home

    def _unpack_to(self, home: Path, archive: bytes) -> None:
        partial = Path(tempfile.mkdtemp(prefix="partial-", dir=self._directory))
        try:
            with zipfile.ZipFile(io.BytesIO(archive)) as contents:
                for member in contents.infolist():
                    target = Path(contents.extract(member, partial))
                    permissions = (member.external_attr >> 16) & _PERMISSION_BITS
                    if permissions:
                        target.chmod(permissions)
            partial.chmod(0o755)
            # Complete or absent, never half an archive.
            partial.replace(home)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
