"""`make bench`: measures, keeps the figures, and writes docs/performance.md from them.

A topic is a module here with `TITLE`, `measure()` (what JSON can hold) and `tell(figures, plots)` (Markdown; plots go
into that folder). Whatever it measures, it measures against a named peer in the same run: milliseconds of one machine
say nothing about another's, ratios do.

    python -m benchmarks             measures everything, then writes the page
    python -m benchmarks polling     only that topic; the page keeps the other topics' last figures
    python -m benchmarks --page      writes the page from the figures as they are
"""

from __future__ import annotations

import argparse
import importlib
import json
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parent.parent
RESULTS = PROJECT / "benchmarks" / "results"
PAGE = PROJECT / "docs" / "performance.md"
PLOTS = PROJECT / "docs" / "performance"
TOPICS = tuple(sorted(path.stem for path in (PROJECT / "benchmarks").glob("*.py") if not path.stem.startswith("_")))
_HEAD = (
    "# Performance\n\n"
    "What Heliograph adds to the model's own time and price. In short: with callbacks, a finished image is noticed "
    "within about a second, and AWS charges about half a percent of the price of an image. The rest of this page is "
    "for people who want to check that: `make bench` measures it on one machine, as ratios against the peer that each "
    "table names, in the same run. Nothing here was measured on AWS. `python -m benchmarks` writes the page from "
    "[benchmarks/results](../benchmarks/results); don't edit it by hand.\n"
)


def main() -> None:
    """Measures what is named, then writes the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("topics", nargs="*", choices=[*TOPICS, []], help="which; all unless named")
    parser.add_argument("--page", action="store_true", help="measure nothing, only write the page")
    arguments = parser.parse_args()
    for name in () if arguments.page else arguments.topics or TOPICS:
        print(f"measuring {name}", flush=True)
        _keep(name, _topic(name).measure())
    _write_page()
    print(f"wrote {PAGE.relative_to(PROJECT)}")


def _topic(name: str) -> Any:
    return importlib.import_module(f"benchmarks.{name}")


def _keep(name: str, figures: Any) -> None:
    document = {
        "measured_at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "machine": {"python": platform.python_version(), "architecture": platform.machine()},
        "figures": figures,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(document, indent=2) + "\n")


def _write_page() -> None:
    PLOTS.mkdir(exist_ok=True)
    parts = [_HEAD]
    for name in TOPICS:
        path = RESULTS / f"{name}.json"
        if not path.exists():
            continue
        kept, topic = json.loads(path.read_text()), _topic(name)
        machine = f"{kept['measured_at'][:10]}, Python {kept['machine']['python']}, {kept['machine']['architecture']}"
        parts.append(f"## {topic.TITLE}\n\n{topic.tell(kept['figures'], PLOTS).strip()}\n\n*({machine})*\n")
    PAGE.write_text("\n".join(parts))


if __name__ == "__main__":
    main()
