"""The photograph of the demo: the user's own, or one that ships inside a package on PyPI."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

# "A cup of coffee", by Rachel Michetti, in the public domain (CC0); scikit-image carries it as sample data.
PACKAGE = "scikit-image==0.26.0"
_MEMBER = "skimage/data/coffee.png"


def sample_photo(cache: Path) -> Path:
    """Fetches the package once (14 MB, nothing is installed) and takes the one file out of it."""
    photo = cache / "coffee.png"
    if not photo.exists():
        cache.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            [
                *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
                *("--no-deps", "--only-binary=:all:", "--dest", str(cache), PACKAGE),
            ],
            check=True,
        )
        wheel = next(cache.glob("scikit_image-*.whl"))
        with zipfile.ZipFile(wheel) as archive:
            photo.write_bytes(archive.read(_MEMBER))
        wheel.unlink()
    return photo
