"""Stands between the functions and AWS, and counts what they ask for: exactly, call by call.

Each function has a port of its own here, so that every call has a caller. Of DynamoDB's writes the items are read
before and after, behind the functions' back; so one write runs at a time. That is slow, and it is not there when speed
is measured.
"""

from __future__ import annotations

import http.client
import json
import re
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from benchmarks._dynamodb_units import Index, Item, index_write_units, read_units, table_write_units

_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}
_OK = 200
_FAILED = 400


@dataclass(frozen=True, slots=True)
class Table:
    """What its units depend on; `label` is its name in the template."""

    label: str
    keys: tuple[str, ...]
    indexes: tuple[Index, ...]


@dataclass
class Counts:
    """Of everything since the last reset. Keys: (function, operation) and (table or index, read or write)."""

    calls: Counter[tuple[str, str]] = field(default_factory=Counter)
    units: dict[tuple[str, str], Fraction] = field(default_factory=dict)
    # Write units by table and item, or by index and partition key; and the transactions that hold an item.
    partitions: Counter[tuple[str, str]] = field(default_factory=Counter)
    transactions: Counter[tuple[str, str]] = field(default_factory=Counter)
    bytes_out: Counter[str] = field(default_factory=Counter)

    def add_units(self, where: str, kind: str, units: Fraction | int) -> None:
        """Adds to what that table or index took."""
        self.units[where, kind] = self.units.get((where, kind), Fraction(0)) + units


class Meter:
    """`origin_of` each function leads to AWS, and counts."""

    def __init__(self, dynamodb: Any, endpoint: str, tables: Mapping[str, Table]) -> None:
        self.counts = Counts()
        self._dynamodb = dynamodb
        self._tables = tables
        self._target = urlsplit(endpoint)
        self._lock = threading.Lock()
        self._counting = threading.Lock()
        self._servers: list[ThreadingHTTPServer] = []

    def reset(self) -> Counts:
        """Begins anew; what was counted so far."""
        with self._counting:
            counted, self.counts = self.counts, Counts()
        return counted

    def open_for(self, function: str) -> str:
        """A port for the function's calls."""
        handler = type("Handler", (_Handler,), {"meter": self, "function": function})
        server = _Server(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True).start()
        self._servers.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}"

    def close(self) -> None:
        """Ends all of them."""
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def connection(self) -> http.client.HTTPConnection:
        """To where the calls go on."""
        return http.client.HTTPConnection(self._target.hostname or "", self._target.port, timeout=120)

    @contextmanager
    def metered(self, function: str, operation: str, body: bytes) -> Iterator[list[tuple[int, bytes]]]:
        """Around a call; the block puts its answer into the list."""
        answer: list[tuple[int, bytes]] = []
        if operation.startswith("DynamoDB."):
            asked = json.loads(body)
            writes = self._writes(operation, asked)
            if writes:
                with self._lock:
                    before = [self._item(table, key) for table, key in writes]
                    yield answer
                    after = [self._item(table, key) for table, key in writes]
                with self._counting:
                    self._count_writes(operation, writes, before, after, failed=answer[0][0] >= _FAILED)
            else:
                yield answer
                if answer[0][0] < _FAILED:
                    with self._counting:
                        self._count_reads(operation, asked, json.loads(answer[0][1]))
        else:
            yield answer
        with self._counting:
            self.counts.calls[function, operation] += _entries(operation, body)
            if operation.startswith("S3.Get"):
                self.counts.bytes_out[operation] += len(answer[0][1])

    def _writes(self, operation: str, asked: Any) -> list[tuple[str, Item]]:
        found: list[tuple[str, Item]] = []
        for table, named in _written(operation, asked):
            found.append((table, {name: named[name] for name in self._tables[table].keys}))
        return found

    def _item(self, table: str, key: Item) -> Item | None:
        item: Item | None = self._dynamodb.get_item(TableName=table, Key=key, ConsistentRead=True).get("Item")
        return item

    def _count_writes(
        self,
        operation: str,
        writes: list[tuple[str, Item]],
        before: list[Item | None],
        after: list[Item | None],
        *,
        failed: bool,
    ) -> None:
        in_transaction = operation == "DynamoDB.TransactWriteItems"
        for (name, key), old, new in zip(writes, before, after, strict=True):
            table = self._tables[name]
            units = table_write_units(old, new, in_transaction=in_transaction)
            self.counts.add_units(table.label, "write", units)
            place = (table.label, "/".join(str(next(iter(key[part].values()))) for part in table.keys))
            self.counts.partitions[place] += units
            self.counts.transactions[place] += in_transaction
            for index in () if failed else table.indexes:
                if index_units := index_write_units(index, old, new):
                    self.counts.add_units(f"{table.label}/{index.name}", "write", index_units)
                    entry = index.entry(new) or index.entry(old) or {}
                    at = str(next(iter(entry[index.keys[0]].values())))
                    self.counts.partitions[f"{table.label}/{index.name}", at] += index_units

    def _count_reads(self, operation: str, asked: Any, answer: Any) -> None:
        match operation:
            case "DynamoDB.GetItem":
                where = self._tables[asked["TableName"]].label
                units = read_units([answer.get("Item")], is_consistent=asked.get("ConsistentRead", False))
                self.counts.add_units(where, "read", units)
            case "DynamoDB.BatchGetItem":
                for name, wanted in asked["RequestItems"].items():
                    found: list[Item | None] = list(answer["Responses"].get(name, []))
                    found += [None] * (len(wanted["Keys"]) - len(found))
                    units = read_units(found, is_consistent=wanted.get("ConsistentRead", False))
                    self.counts.add_units(self._tables[name].label, "read", units)
            case "DynamoDB.Query":
                index = asked.get("IndexName")
                where = self._tables[asked["TableName"]].label + (f"/{index}" if index else "")
                consistent = asked.get("ConsistentRead", False)
                self.counts.add_units(
                    where, "read", read_units(answer["Items"], is_consistent=consistent, is_query=True)
                )
            case _:
                raise NotImplementedError(f"nobody knows the units of {operation}")


def _written(operation: str, asked: Any) -> list[tuple[str, Any]]:
    """Tables and keys of what is written; of a put, the whole item."""
    match operation:
        case "DynamoDB.PutItem":
            return [(asked["TableName"], asked["Item"])]
        case "DynamoDB.UpdateItem" | "DynamoDB.DeleteItem":
            return [(asked["TableName"], asked["Key"])]
        case "DynamoDB.TransactWriteItems":
            parts = [part for each in asked["TransactItems"] for part in each.values()]
            return [(part["TableName"], part.get("Key") or part["Item"]) for part in parts]
        case _:
            return []


def _entries(operation: str, body: bytes) -> int:
    """A call of PutEvents is charged by its events."""
    return len(json.loads(body)["Entries"]) if operation == "Events.PutEvents" else 1


def operation_of(method: str, path: str, target: str) -> str:
    """Service and operation."""
    if target:
        service, _, operation = target.partition(".")
        known = {
            "DynamoDB": "DynamoDB",
            "AWSStepFunctions": "States",
            "AWSEvents": "Events",
            "secretsmanager": "Secrets",
        }
        return f"{known.get(service.partition('_')[0], service)}.{operation}"
    url = urlsplit(path)
    query = parse_qs(url.query, keep_blank_values=True)
    if "X-Amz-Signature" in query:
        return f"S3.{method.title()}ByLink"  # the provider, with a link that the function signed
    if "tagging" in query:
        return f"S3.{method.title()}ObjectTagging"
    if "list-type" in query or not re.fullmatch(r"/[^/]+/.+", url.path):
        return f"S3.{method.title()}Bucket"
    return f"S3.{method.title()}Object"


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A function's process that ends is no error of ours."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    meter: ClassVar[Meter]
    function: ClassVar[str]
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: Any) -> None:
        """Says nothing."""

    def handle_call(self) -> None:
        """Hands the call on, whole, and its answer back."""
        body = self._body()
        operation = operation_of(self.command, self.path, self.headers.get("X-Amz-Target", ""))
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
        connection = self.meter.connection()
        try:
            with self.meter.metered(self.function, operation, body) as said:
                connection.request(self.command, self.path, body=body or None, headers=headers)
                answer = connection.getresponse()
                told = answer.read()
                said.append((answer.status, told))
        finally:
            connection.close()
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in _HOP_BY_HOP:
                self.send_header(name, value)
        length = answer.getheader("content-length", "0") if self.command == "HEAD" else str(len(told))
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(told)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length", "0")))

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_call  # noqa: N815 - the library's names
