"""Replaces how `ministack` runs Python functions: under AWS's own runtime client.

**Stock** runs them in the emulator's interpreter, with the emulator's packages and the whole environment
of the host visible; it unpacks code and layers anew for every process; and whatever a handler raises
arrives as `Runtime.HandlerError` and ends the process. So typed `Retry` and `Catch` in a state machine
never match, every failure makes the next call a cold start, and a forgotten dependency goes unnoticed.

**Here** a function runs as `awslambdaric` in an interpreter of its own, isolated from that interpreter's
packages (`-S -s -P`), with the variables that Lambda sets and no others. It sees its code, its layers and
the directory with AWS's runtime packages, in this order, as on Lambda. What a handler raises arrives under
its own class name, and the process lives on. A process that ends is `Runtime.ExitError`, one that
takes too long `Sandbox.Timedout`, and both get a successor with the next call.

It rests on ministack's `ProvidedWorker`, which speaks the Lambda Runtime API to custom runtimes already;
other runtimes (Node.js, provided) stay as they are. Not carried over: the depth counter
by which stock detects functions that invoke themselves, SnapStart hooks and durable executions.

**Needed** until ministack runs Python functions through its Runtime API.
"""

import functools
import os
import queue
import select
import socketserver
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ministack.core import lambda_runtime
from ministack.services import lambda_svc

from local.emulator.unpacked_archives import UnpackedArchives

_LINE_HANDOVER_SECONDS = 0.003
_FIRST_CODE = Path(__file__).with_name("function_process.py")


@dataclass(frozen=True)
class FunctionRuntime:
    """State shared by all functions of one emulator."""

    python: str
    """The interpreter they run under; its own packages are hidden from them."""
    site: Path
    """Holds `awslambdaric` and what else AWS's runtime brings; last on their path."""
    home: Path
    """An empty directory: without it the SDK would find the host user's `~/.aws`."""
    endpoint: str
    archives: UnpackedArchives


def install(runtime: FunctionRuntime) -> None:
    stock_worker_class_for = lambda_runtime._worker_class_for
    stock_execute_warm = lambda_svc._execute_function_warm

    def worker_class_for(config: dict[str, Any]) -> Callable[..., Any]:
        if _is_python(config):
            return functools.partial(FunctionEnvironment, runtime)
        chosen: Callable[..., Any] = stock_worker_class_for(config)
        return chosen

    def execute_warm(func: dict[str, Any], event: Any, request_id: str) -> Any:
        # The twin for custom runtimes hands on the error as the runtime reported it.
        execute = lambda_svc._execute_function_provided_warm if _is_python(_config(func)) else stock_execute_warm
        return execute(func, event, request_id)

    lambda_runtime._worker_class_for = worker_class_for
    lambda_svc._execute_function_warm = execute_warm


def _config(func: dict[str, Any]) -> dict[str, Any]:
    config: dict[str, Any] = func.get("config") or func
    return config


def _is_python(config: dict[str, Any]) -> bool:
    return str(config.get("Runtime", "")).startswith("python")


class _RuntimeApiServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A function's process that goes away mid-request is reported by its invocation, not here."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class FunctionEnvironment(lambda_runtime.ProvidedWorker):  # type: ignore[misc]
    """One execution environment: a process, its Runtime API, its lifeline."""

    def __init__(self, runtime: FunctionRuntime, func_name: str, config: dict[str, Any], code_zip: bytes) -> None:
        super().__init__(func_name, config, code_zip)
        self._runtime = runtime
        self._lifeline: int | None = None

    def invoke(self, event: Any, request_id: str, **carried: Any) -> dict[str, Any]:
        """Invokes the function. Never raises: on an exception, the caller would end all its environments."""
        known = {name: carried.get(name) for name in ("trace_id", "invoked_function_arn")}
        try:
            outcome: dict[str, Any] = super().invoke(event, request_id, **known)
        except Exception as error:
            self._teardown()
            return {
                "status": "error",
                "error": str(error),
                "error_payload": {
                    "errorMessage": str(error),
                    "errorType": getattr(error, "error_type", "Runtime.Unknown"),
                },
                "cold_start": True,
                "log": self._drain_stderr(),
            }
        return outcome

    def _build_handler_class(self, generation: int, pending: queue.Queue[Any]) -> type[Any]:
        stock: type[Any] = super()._build_handler_class(generation, pending)
        # Headers and body leave in two writes; with Nagle's algorithm that costs 40 ms an invocation.
        return type("RuntimeApiHandler", (stock,), {"disable_nagle_algorithm": True})

    def _spawn(self, init_timeout: float | None = None) -> None:
        self._teardown()
        pending, log_lines = self._begin_generation()
        try:
            port = self._serve_runtime_api(pending)
            self._start_process(port, log_lines)
            self._await_init(init_timeout)
        except BaseException:
            self._teardown()
            raise
        self._start_time = time.time()

    def _begin_generation(self) -> tuple[queue.Queue[Any], queue.Queue[Any]]:
        pending: queue.Queue[Any] = queue.Queue(maxsize=1)
        log_lines: queue.Queue[Any] = queue.Queue(maxsize=lambda_runtime._PROVIDED_LOG_MAX_LINES)
        with self._state_lock:
            self._generation += 1
            self._stopping = False
            self._first_poll.clear()
            self._init_settled.clear()
            self._init_error = None
            self._result: dict[str, Any] = {}
            self._response_ready.clear()
            self._current_request_id = None
            self._pending = pending
            self._stderr_queue = log_lines
        return pending, log_lines

    def _serve_runtime_api(self, pending: queue.Queue[Any]) -> int:
        handler = self._build_handler_class(self._generation, pending)
        self._server = _RuntimeApiServer(("127.0.0.1", 0), handler)
        self._server_thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": 0.1},
            daemon=True,
            name=f"runtime-api-{self.func_name}",
        )
        self._server_thread.start()
        port: int = self._server.server_address[1]
        return port

    def _start_process(self, port: int, log_lines: queue.Queue[Any]) -> None:
        task_root = self._runtime.archives.unpack(self.code_zip)
        layers = [self._runtime.archives.unpack(archive) for archive in _layer_archives(self.config)]
        reading_end, self._lifeline = os.pipe()
        try:
            self._proc = subprocess.Popen(
                [
                    self._runtime.python,
                    "-S",
                    "-s",
                    "-P",
                    _FIRST_CODE,
                    str(reading_end),
                    self.config["Handler"],
                ],
                cwd=task_root,
                env=function_variables(self._runtime, self.config, task_root, layers, port),
                pass_fds=[reading_end],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
        finally:
            os.close(reading_end)
        self._log_thread = self._stderr_thread = threading.Thread(
            target=self._pump_output,
            args=(self._proc.stdout, log_lines),
            daemon=True,
            name=f"log-{self.func_name}",
        )
        self._log_thread.start()

    def _drain_stderr_bounded(self, first_line_wait: float = 0.05, **limits: float) -> str:
        """Output of the handler. Stock waits 50 ms for a first line from a function that prints nothing.

        The runtime client flushes each line before it posts the result, so lines are either unread in the
        pipe or on their way from the reading thread into the queue, which takes microseconds.
        """
        wait = first_line_wait if self._has_unread_output() else _LINE_HANDOVER_SECONDS
        log: str = super()._drain_stderr_bounded(first_line_wait=wait, **limits)
        return log

    def _has_unread_output(self) -> bool:
        output = self._proc.stdout if self._proc else None
        if output is None:
            return False
        try:
            poller = select.poll()
            poller.register(output, select.POLLIN)
            return bool(poller.poll(0))
        except (ValueError, OSError):
            return False  # closed: the process has ended and its output has been read to the end

    def _await_init(self, init_timeout: float | None = None) -> None:
        try:
            super()._await_init(init_timeout)
        except lambda_runtime.ProvidedInitTimeout:
            raise
        except RuntimeError as error:
            # Stock flattens these to Runtime.Unknown; Lambda names them, say Runtime.ImportModuleError.
            reported: dict[str, Any] = self._init_error if isinstance(self._init_error, dict) else {}
            raise lambda_runtime.ProvidedRuntimeError(
                reported.get("errorMessage") or str(error), reported.get("errorType") or "Runtime.ExitError"
            ) from error

    def _teardown(self) -> None:
        super()._teardown()
        self._cut_lifeline()

    def _discard_tmpdir(self) -> None:
        """Called by stock when it has ended the process from outside (reaping, new code, reset)."""
        super()._discard_tmpdir()
        self._cut_lifeline()

    def _cut_lifeline(self) -> None:
        lifeline, self._lifeline = self._lifeline, None
        if lifeline is not None:
            os.close(lifeline)


def function_variables(
    runtime: FunctionRuntime, config: dict[str, Any], task_root: Path, layers: list[Path], port: int
) -> dict[str, str]:
    """The whole environment of a function's process: Lambda's variables and the function's own."""
    _account, region = lambda_runtime._account_region_from_function_config(config)
    name = config["FunctionName"]
    version = config.get("Version", "$LATEST")
    logging_config = config.get("LoggingConfig") or {}
    variables = {
        "PATH": os.pathsep.join(["/usr/local/bin", "/usr/bin", "/bin", *_existing(layers, "bin")]),
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "HOME": str(runtime.home),
        # Lambda sets neither of these two: they send the SDK to the emulator instead of to AWS.
        "AWS_ENDPOINT_URL": runtime.endpoint,
        lambda_runtime.HOST_PREFIX_ENV: "true",
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
    }
    if log_format := logging_config.get("LogFormat"):
        variables["AWS_LAMBDA_LOG_FORMAT"] = log_format
    if log_level := logging_config.get("ApplicationLogLevel"):
        variables["AWS_LAMBDA_LOG_LEVEL"] = log_level
    libraries = _existing(layers, "lib")
    if libraries:
        variables["LD_LIBRARY_PATH"] = os.pathsep.join(libraries)

    variables |= lambda_svc._runtime_env_vars(config)
    variables |= lambda_runtime.execution_credentials(config)
    variables |= {
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{config['Runtime']}",
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_VERSION": version,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(config.get("MemorySize", 128)),
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": logging_config.get("LogGroup") or f"/aws/lambda/{name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": f"{datetime.now(UTC):%Y/%m/%d}/[{version}]{uuid.uuid4().hex}",
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{port}",
        "LAMBDA_TASK_ROOT": str(task_root),
        "LAMBDA_RUNTIME_DIR": str(runtime.site),
        "_HANDLER": config["Handler"],
        "PYTHONPATH": os.pathsep.join([str(task_root), *_layer_paths(layers), str(runtime.site)]),
    }
    return {variable: value for variable, value in variables.items() if value}


def _layer_archives(config: dict[str, Any]) -> list[bytes]:
    """Archives of the attached layers, the last one first: on Lambda it covers those before it."""
    archives = []
    for attachment in reversed(config.get("Layers") or []):
        archive = lambda_svc._resolve_layer_zip(attachment)
        if not archive:
            raise lambda_runtime.ProvidedRuntimeError(
                f"There is no content for the layer {attachment}", "Runtime.LayerNotFound"
            )
        archives.append(archive)
    return archives


def _layer_paths(layers: list[Path]) -> list[str]:
    paths: list[str] = []
    for layer in layers:
        paths += [str(layer / "python"), *map(str, (layer / "python").glob("lib/python3.*/site-packages"))]
    return paths


def _existing(layers: list[Path], folder: str) -> list[str]:
    return [str(layer / folder) for layer in layers if (layer / folder).is_dir()]
