"""Check a preset when it arrives, so that its faults are reported before it rejects uploads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from heliograph.intake.overrides import overridden
from heliograph.intake.preset_events import PresetRejected, preset_rejected
from heliograph.intake.reject_upload import RejectionPublisher
from heliograph.intake.rejections import headline
from heliograph.intake.result_rules import FIELDS as RESULT_RULES
from heliograph.intake.result_rules import read_result_rules
from heliograph.intake.stored_references import StoredReferences, refusal_of
from heliograph.jobs.request import Rules, read_json_object, read_request
from heliograph.kernel.errors import Fault, InvalidRequest, StorageFailed
from heliograph.kernel.failures import Charged, Failure, FailureCode
from heliograph.kernel.texts import decode_metadata
from heliograph.kernel.validation import pointer
from heliograph.storage.layout import UPLOADS_PREFIX, read_preset_key
from heliograph.storage.references import ObjectLocation

if TYPE_CHECKING:
    from heliograph.intake.submit_upload import Upload
    from heliograph.kernel.ports import Clock

_REFERENCES = "/references/"


@dataclass(frozen=True, slots=True, kw_only=True)
class PresetChecker:
    """Checks presets as objects of the uploads bucket."""

    rules: Rules
    references: StoredReferences
    rejections: RejectionPublisher
    clock: Clock
    tenant: str
    max_bytes: int

    def check(self, upload: Upload) -> PresetRejected | None:
        """The rejection of a preset that no upload could use, listed and published; `None` for any other.

        Raises `Unavailable` where a later try may succeed. Nothing is written to the bucket.
        """
        name = None
        faults: tuple[Fault, ...] = ()
        try:
            name = read_preset_key(upload.key)
        except ValueError as error:
            faults = (Fault("", str(error)),)
        if name:
            faults = self._faults(upload, name)
        if not faults:
            return None
        event = preset_rejected(
            bucket=upload.bucket,
            key=upload.key,
            version=upload.version,
            version_id=upload.version_id,
            preset=name,
            failure=Failure(
                code=FailureCode.INVALID_INPUT, message=headline(faults), retryable=False, charged=Charged.NO
            ),
            faults=faults,
            at=self.clock.now(),
        )
        return self.rejections.publish(event, tenant=self.tenant)

    def _faults(self, upload: Upload, name: str) -> tuple[Fault, ...]:
        try:
            found = self.references.objects.read(upload.location, max_bytes=self.max_bytes)
            if found:  # else it was deleted since
                self._read(read_json_object(found.body, what=f"the preset {name}"), name)
        except InvalidRequest as error:
            return error.faults
        except StorageFailed as error:
            return (Fault("", refusal_of(error)),)
        return ()

    def _read(self, document: Mapping[str, Any], name: str) -> None:
        """Reads what the preset makes of an upload. Raises `InvalidRequest` with pointers into the preset."""
        upload = ObjectLocation(self.rules.uploads_bucket, f"{UPLOADS_PREFIX}{name}/any.jpg")
        _, faults = read_result_rules(document)
        document = {field: value for field, value in document.items() if field not in RESULT_RULES}
        try:
            document = overridden(document, {}, preset=name, decode=decode_metadata)
        except InvalidRequest as error:
            faults += error.faults
            document = {field: value for field, value in document.items() if field != "overrides"}
        more = document.get("references", [])
        # A preset may leave the prompt to the metadata of its uploads.
        wanted = {
            "prompt": "any",
            **document,
            "references": [upload.uri, *more] if isinstance(more, list) else more,
        }
        try:
            request = read_request(wanted, self.rules)
            self.references.check(request, rules=self.rules, checked=upload)
        except InvalidRequest as error:
            raise InvalidRequest(*faults, *_in_the_preset(error.faults)) from None
        if faults:
            raise InvalidRequest(*faults)


def _in_the_preset(faults: Iterable[Fault]) -> Iterable[Fault]:
    for fault in faults:
        index, _, rest = fault.pointer.removeprefix(_REFERENCES).partition("/")
        if fault.pointer.startswith(_REFERENCES) and index.isdigit() and int(index):
            # The upload comes before the preset's own.
            yield replace(fault, pointer=pointer("references", int(index) - 1) + (f"/{rest}" if rest else ""))
        else:
            yield fault
