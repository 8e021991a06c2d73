"""The demo's photo, taken from a package on PyPI."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

# "A cup of coffee", by Rachel Michetti, in the public domain (CC0); scikit-image carries it as sample data.
PACKAGE = "scikit-image==0.26.0"
_MEMBER = "skimage/data/coffee.png"


def sample_photo(cache: Path) -> Path:
    """Path of the photo. The first call downloads the package (14 MB, nothing is installed) and extracts the file."""
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
