"""Who paid for what: the ledger a test asks when it wants to know that nobody paid twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from local.upstream.catalogue import APIMODELS


class AlreadySettled(RuntimeError):
    """A hold was charged or released a second time: a bug of the simulator, never of its user."""


@dataclass
class Entry:
    """The money of one task, in micro-dollars: ``held`` at create, then moved to ``charged`` or ``released``."""

    key: str
    task_id: str
    vendor: str
    held_micro_usd: int
    charged_micro_usd: int = 0
    released_micro_usd: int = 0
    settled: bool = False


@dataclass(frozen=True)
class Account:
    """One key's sums in micro-dollars. ``balance`` still contains what is ``frozen`` [vendor]."""

    balance_micro_usd: int
    frozen_micro_usd: int = 0
    charged_micro_usd: int = 0
    released_micro_usd: int = 0
    created_tasks: int = 0


class Books:
    """Each key is its own account; money is held at create, charged on completion, released on failure
    [vendor].
    """

    def __init__(self, starting_micro_usd: Callable[[], int]) -> None:
        self._starting_micro_usd = starting_micro_usd
        self._accounts: dict[str, Account] = {}
        self._entries: dict[str, Entry] = {}

    @property
    def keys(self) -> list[str]:
        """Every key that was ever seen."""
        return list(self._accounts)

    def hold(self, key: str, task_id: str, micro_usd: int, *, vendor: str = APIMODELS) -> bool:
        """Freeze the price of a task; False, and nothing held, where balance less frozen does not cover it."""
        account = self.account(key)
        if account.balance_micro_usd - account.frozen_micro_usd < micro_usd:
            return False
        self._entries[task_id] = Entry(key, task_id, vendor, held_micro_usd=micro_usd)
        self._accounts[key] = replace(
            account,
            frozen_micro_usd=account.frozen_micro_usd + micro_usd,
            created_tasks=account.created_tasks + 1,
        )
        return True

    def charge(self, task_id: str) -> None:
        """Turn the hold into a payment. Raises ``AlreadySettled``."""
        entry, amount = self._settle(task_id)
        entry.charged_micro_usd = amount
        account = self.account(entry.key)
        self._accounts[entry.key] = replace(
            account,
            balance_micro_usd=account.balance_micro_usd - amount,
            charged_micro_usd=account.charged_micro_usd + amount,
        )

    def release(self, task_id: str) -> None:
        """Give the hold back. Raises ``AlreadySettled``."""
        entry, amount = self._settle(task_id)
        entry.released_micro_usd = amount
        account = self.account(entry.key)
        self._accounts[entry.key] = replace(account, released_micro_usd=account.released_micro_usd + amount)

    def entry(self, task_id: str) -> Entry:
        """The money of one task."""
        return self._entries[task_id]

    def entries(self, key: str) -> list[Entry]:
        """The money of every task of a key, oldest first."""
        return [entry for entry in self._entries.values() if entry.key == key]

    def account(self, key: str) -> Account:
        """The sums of a key; opens the account with the starting balance on first sight."""
        if key not in self._accounts:
            self._accounts[key] = Account(balance_micro_usd=self._starting_micro_usd())
        return self._accounts[key]

    def set_balance(self, key: str, micro_usd: int) -> None:
        """Make the key's balance this much from now on, whatever was charged before."""
        self._accounts[key] = replace(self.account(key), balance_micro_usd=micro_usd)

    def empty(self) -> None:
        """Close every account."""
        self._accounts.clear()
        self._entries.clear()

    def _settle(self, task_id: str) -> tuple[Entry, int]:
        entry = self._entries[task_id]
        if entry.settled:
            raise AlreadySettled(task_id)
        amount, entry.held_micro_usd, entry.settled = entry.held_micro_usd, 0, True
        account = self.account(entry.key)
        self._accounts[entry.key] = replace(account, frozen_micro_usd=account.frozen_micro_usd - amount)
        return entry, amount
