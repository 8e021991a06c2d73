"""AWS Step Functions as a `DeliveryWorkflow`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heliograph.platform.step_functions import start_execution
from heliograph.webhooks.delivery import DeliveryTurn

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

    from heliograph.webhooks.delivery import Delivery


class StepFunctionsDeliveryWorkflow:
    """A Standard state machine. An execution's name is the delivery's id with the number of its series."""

    def __init__(self, client: SFNClient, state_machine_arn: str) -> None:
        self._client = client
        self._state_machine_arn = state_machine_arn

    def start(self, delivery: Delivery) -> bool:
        """`True` also while that execution runs."""
        turn = DeliveryTurn(delivery_id=delivery.delivery_id, series=delivery.series)
        document = turn.model_dump(exclude_none=True)
        return start_execution(self._client, self._state_machine_arn, delivery.execution, document)
