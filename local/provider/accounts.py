"""Account balances and holds: the record by which tests prove that nobody paid twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from local.provider.catalogue import APIMODELS


class AlreadySettled(RuntimeError):
    """A hold was charged or released twice: a bug in the simulator, never in its caller."""


@dataclass
class Hold:
    """Money of one task in micro-dollars: ``held`` at create, then moved to ``charged`` or ``released``."""

    key: str
    task_id: str
    provider: str
    held_micro_usd: int
    charged_micro_usd: int = 0
    released_micro_usd: int = 0
    settled: bool = False


@dataclass(frozen=True)
class Account:
    """Totals of one key in micro-dollars. ``balance`` includes the ``frozen`` amount [provider]."""

    balance_micro_usd: int
    frozen_micro_usd: int = 0
    charged_micro_usd: int = 0
    released_micro_usd: int = 0
    created_tasks: int = 0


class Accounts:
    """One account per key. A task's price is held at create, charged on completion, released on failure [provider]."""

    def __init__(self, starting_micro_usd: Callable[[], int]) -> None:
        self._starting_micro_usd = starting_micro_usd
        self._accounts: dict[str, Account] = {}
        self._entries: dict[str, Hold] = {}

    @property
    def keys(self) -> list[str]:
        """All keys that made a call."""
        return list(self._accounts)

    def hold(self, key: str, task_id: str, micro_usd: int, *, provider: str = APIMODELS) -> bool:
        """Holds the price of a task. Returns False, and holds nothing, if balance minus frozen does not cover it."""
        account = self.account(key)
        if account.balance_micro_usd - account.frozen_micro_usd < micro_usd:
            return False
        self._entries[task_id] = Hold(key, task_id, provider, held_micro_usd=micro_usd)
        self._accounts[key] = replace(
            account,
            frozen_micro_usd=account.frozen_micro_usd + micro_usd,
            created_tasks=account.created_tasks + 1,
        )
        return True

    def charge(self, task_id: str) -> None:
        """Turns the hold into a payment. Raises ``AlreadySettled``."""
        entry, amount = self._settle(task_id)
        entry.charged_micro_usd = amount
        account = self.account(entry.key)
        self._accounts[entry.key] = replace(
            account,
            balance_micro_usd=account.balance_micro_usd - amount,
            charged_micro_usd=account.charged_micro_usd + amount,
        )

    def release(self, task_id: str) -> None:
        """Returns the hold to the balance. Raises ``AlreadySettled``."""
        entry, amount = self._settle(task_id)
        entry.released_micro_usd = amount
        account = self.account(entry.key)
        self._accounts[entry.key] = replace(account, released_micro_usd=account.released_micro_usd + amount)

    def hold_of(self, task_id: str) -> Hold:
        """Hold of one task."""
        return self._entries[task_id]

    def holds_of(self, key: str) -> list[Hold]:
        """Holds of all tasks of a key, oldest first."""
        return [entry for entry in self._entries.values() if entry.key == key]

    def account(self, key: str) -> Account:
        """Account of a key, opened with the starting balance at its first call."""
        if key not in self._accounts:
            self._accounts[key] = Account(balance_micro_usd=self._starting_micro_usd())
        return self._accounts[key]

    def set_balance(self, key: str, micro_usd: int) -> None:
        """Sets the key's balance, regardless of earlier charges."""
        self._accounts[key] = replace(self.account(key), balance_micro_usd=micro_usd)

    def clear(self) -> None:
        """Closes every account."""
        self._accounts.clear()
        self._entries.clear()

    def _settle(self, task_id: str) -> tuple[Hold, int]:
        entry = self._entries[task_id]
        if entry.settled:
            raise AlreadySettled(task_id)
        amount, entry.held_micro_usd, entry.settled = entry.held_micro_usd, 0, True
        account = self.account(entry.key)
        self._accounts[entry.key] = replace(account, frozen_micro_usd=account.frozen_micro_usd - amount)
        return entry, amount
