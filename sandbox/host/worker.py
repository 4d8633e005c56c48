"""Microsoft's worker library, driven in this process: index an app, invoke its functions."""

import json
import logging
import os
import sys
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import azure_functions_runtime as runtime

from sandbox.host import rpc

log = logging.getLogger("sandbox.host")


class IndexingError(Exception):
    """Azure would not load the app; the text is the official library's own."""


@dataclass(frozen=True)
class Function:
    """One function as the library indexed it; `bindings` as in function.json."""

    name: str
    id: str
    bindings: tuple[dict[str, Any], ...]
    has_retry: bool


@dataclass(frozen=True)
class Outcome:
    """How an invocation ended; `reply` is what an HTTP function returned."""

    succeeded: bool
    reply: rpc.TypedData | None


def _message(**request: Any) -> SimpleNamespace:
    return SimpleNamespace(request=SimpleNamespace(**request), properties={"protos": rpc, "host": "127.0.0.1"})


async def index(app_dir: Path) -> list[Function]:
    """Import the app and return its functions. Once per process: the library's registry, sys.path and the
    working directory are the process's.

    Raises:
        IndexingError: Azure would refuse the app.
    """
    sys.path.insert(0, str(app_dir))
    os.chdir(app_dir)
    request = SimpleNamespace(capabilities={}, function_app_directory=str(app_dir))
    answer = await runtime.worker_init_request(_message(worker_init_request=request))
    if answer.result.status != rpc.StatusResult.Success:
        raise IndexingError(f"{answer.result.exception.message}\n{answer.result.exception.stack_trace}")
    found = (await runtime.functions_metadata_request(_message())).function_metadata_results
    if found is None:
        raise IndexingError(f"there is no function_app.py in {app_dir.name}, or it has no functions")
    return [await _load(metadata) for metadata in found]


async def _load(metadata: rpc.RpcFunctionMetadata) -> Function:
    request = SimpleNamespace(function_id=metadata.function_id, metadata=metadata)
    await runtime.function_load_request(_message(function_load_request=request))
    bindings = tuple(json.loads(raw) for raw in metadata.raw_bindings)
    return Function(metadata.name, metadata.function_id, bindings, metadata.retry_options is not None)


async def invoke(
    function: Function, argument: str, data: rpc.TypedData, metadata: dict[str, rpc.TypedData] | None = None
) -> Outcome:
    """Run one function. What it raises is logged with its traceback, as the real host does, and is an outcome."""
    invocation = str(uuid.uuid4())
    runtime.invocation_id_cv.set(invocation)
    started = time.monotonic()
    answer = await runtime.invocation_request(_message(invocation_request=_invocation(
        function, invocation, rpc.ParameterBinding(argument, data), metadata or {}
    )))  # fmt: skip
    took = round((time.monotonic() - started) * 1000)
    if answer.result.status == rpc.StatusResult.Success:
        log.info("Executed 'Functions.%s' (Succeeded, Id=%s, Duration=%dms)", function.name, invocation, took)
        return Outcome(succeeded=True, reply=answer.return_value)
    trace = answer.result.exception.stack_trace
    log.error("Executed 'Functions.%s' (Failed, Id=%s, Duration=%dms)\n%s", function.name, invocation, took, trace)
    return Outcome(succeeded=False, reply=None)


def _invocation(
    function: Function, invocation: str, value: rpc.ParameterBinding, metadata: dict[str, rpc.TypedData]
) -> SimpleNamespace:
    return SimpleNamespace(
        invocation_id=invocation,
        function_id=function.id,
        input_data=[value],
        trigger_metadata=metadata,
        trace_context=SimpleNamespace(trace_parent="", trace_state="", attributes={}),
        retry_context=SimpleNamespace(retry_count=0, max_retry_count=0, exception=None),
    )


def start_threads() -> None:
    """Open the library's thread pool, in which functions that are not async run."""
    runtime.start_threadpool_executor()


def stop_threads() -> None:
    """Close the thread pool; blocks until its functions have ended."""
    runtime.stop_threadpool_executor()
