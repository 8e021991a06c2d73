"""Environment of the `ministack` process, isolated from the host.

Ministack is configured by some hundred variables, reads AWS's own (a real `AWS_ACCESS_KEY_ID` would
become its administrator), keeps files in fixed places under /tmp and talks to a Docker daemon when it finds
one. Two instances would fight over these. So the process starts from an empty environment, and everything
lives in one directory.
"""

import tempfile
from collections.abc import MutableMapping
from pathlib import Path

ADMINISTRATOR_KEY = "test"
ADMINISTRATOR_SECRET = "test"  # noqa: S105 - nothing to protect, the emulator listens on loopback only
REGION = "us-east-1"

_KEPT = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR")


def isolate(
    environment: MutableMapping[str, str],
    *,
    port: int,
    state: Path,
    wait_scale: float,
    enforce_roles: bool,
    log_level: str,
) -> None:
    """Isolates this process. Call it before ministack is first imported: its modules read the environment on import."""
    temporary = state / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    kept = {name: environment[name] for name in _KEPT if name in environment}
    environment.clear()
    environment.update(kept)
    environment.update(
        {
            "BIND_HOST": "127.0.0.1",
            "MINISTACK_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(port),
            "MINISTACK_REGION": REGION,
            "AUTH": str(enforce_roles).lower(),
            "AWS_ACCESS_KEY_ID": ADMINISTRATOR_KEY,
            "AWS_SECRET_ACCESS_KEY": ADMINISTRATOR_SECRET,
            "LOG_LEVEL": log_level,
            "SFN_WAIT_SCALE": str(wait_scale),
            # The pool bounds processes and makes callers wait; an account's limit would throttle them.
            "LAMBDA_ACCOUNT_CONCURRENCY": "0",
            # Listeners on fixed ports.
            "SFTP_ENABLED": "0",
            "IOT_MTLS_ENABLED": "0",
            # No daemon there: otherwise it removes containers of other instances at start.
            "DOCKER_HOST": f"unix://{state}/no-docker.sock",
            # Fixed places otherwise.
            "HOME": str(state),
            "TMPDIR": str(temporary),
            "STATE_DIR": str(state / "persistence"),
            "S3_DATA_DIR": str(state / "s3"),
        }
    )
    tempfile.tempdir = str(temporary)
