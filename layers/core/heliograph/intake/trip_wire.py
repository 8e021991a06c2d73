"""Stop a preset whose jobs outnumber its sources, before it costs more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from heliograph.intake.preset_events import preset_stopped
from heliograph.intake.result_rules import PERIOD, ResultRules
from heliograph.kernel.ids import derived_id
from heliograph.storage.layout import preset_key

if TYPE_CHECKING:
    from heliograph.jobs.ports import ReuseIndex
    from heliograph.kernel.ports import Clock, EventBus


@dataclass(frozen=True, slots=True)
class UsedPreset:
    """A version of a preset that an upload is to be edited by."""

    name: str
    bucket: str
    version: str
    rules: ResultRules

    @property
    def counted_as(self) -> str:
        """What its jobs are counted under: a preset that is written anew begins anew."""
        return derived_id("preset", self.bucket, self.name, self.version)

    @property
    def is_stopped_because(self) -> str:
        """What the owner of a rejected upload is told."""
        return (
            f"the preset {self.name} is stopped: one source came to more than {self.rules.max_jobs_per_source} jobs in "
            f"a day, most likely because results are copied back into its folder. Nothing was made of this upload. End "
            f"the loop, write {preset_key(self.name)} anew (the same content will do) and upload again"
        )


def is_stopped(preset: UsedPreset, *, index: ReuseIndex) -> bool:
    """Whether that version of the preset was stopped."""
    return index.is_stopped(preset.counted_as)


def stops(preset: UsedPreset, origin: str, *, upload_key: str, index: ReuseIndex, bus: EventBus, clock: Clock) -> bool:
    """Counts one more job of that source; whether that is one too many. Then the preset is stopped, and that is told.

    Told first: whoever finds it not stopped yet tells it again, in the same words.
    """
    now = clock.now()
    jobs = index.count_job(preset.counted_as, origin, PERIOD.of(now))
    most = preset.rules.max_jobs_per_source
    if jobs <= most:
        return False
    bus.publish(
        preset_stopped(
            preset=preset.name,
            bucket=preset.bucket,
            preset_key=preset_key(preset.name),
            preset_version=preset.version,
            upload_key=upload_key,
            jobs=jobs,
            most=most,
            at=now,
        )
    )
    index.stop(preset.counted_as)
    return True
