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
        """Key of its job count. A preset that is written again starts at zero."""
        return derived_id("preset", self.bucket, self.name, self.version)

    @property
    def is_stopped_because(self) -> str:
        """Message for the owner of a rejected upload."""
        return (
            f"the preset {self.name} is stopped: one source came to more than {self.rules.max_jobs_per_source} jobs in "
            f"a day, most likely because results are copied back into its folder. Nothing was made of this upload. End "
            f"the loop, write {preset_key(self.name)} anew (the same content will do) and upload again"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TripWire:
    """Counts a preset's jobs per source, and stops the preset when a source has too many in a day."""

    index: ReuseIndex
    bus: EventBus
    clock: Clock

    def is_stopped(self, preset: UsedPreset) -> bool:
        """That version of the preset was stopped before."""
        return self.index.is_stopped(preset.counted_as)

    def stops(self, preset: UsedPreset, origin: str, *, upload_key: str) -> bool:
        """Counts one more job of that source. `True` if it is one too many; then the preset is stopped.

        Published before the stop is recorded: a run that finds the preset not stopped yet publishes the same event.
        """
        now = self.clock.now()
        jobs = self.index.count_job(preset.counted_as, origin, PERIOD.of(now))
        most = preset.rules.max_jobs_per_source
        if jobs <= most:
            return False
        self.bus.publish(
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
        self.index.stop(preset.counted_as)
        return True
