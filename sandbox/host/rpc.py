"""The messages between Microsoft's worker library and its host, without protobuf.

`azure_functions_runtime` is handed this module as `protos`. Only what it uses is here; a field it does not
know is a TypeError, and asking a message for an attribute it lacks is an AttributeError, as with protobuf.
Names and fields follow FunctionRpc.proto.
"""

from dataclasses import dataclass, field, fields
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, ClassVar

_Bytes = bytes
_Int = int


@dataclass
class RpcException:
    message: str
    stack_trace: str = ""
    source: str = ""


@dataclass
class StatusResult:
    Failure: ClassVar = 0
    Success: ClassVar = 1
    Cancelled: ClassVar = 2
    status: int
    exception: RpcException | None = None


@dataclass
class WorkerMetadata:
    runtime_name: str
    runtime_version: str
    worker_version: str
    worker_bitness: str
    custom_properties: dict[str, str]


@dataclass
class WorkerInitResponse:
    capabilities: dict[str, str]
    worker_metadata: WorkerMetadata
    result: StatusResult


@dataclass
class BindingInfo:
    undefined: ClassVar = 0
    out: ClassVar = 1
    inout: ClassVar = 2
    type: str
    data_type: int | None
    direction: int


@dataclass
class RpcRetryOptions:
    max_retry_count: int
    retry_strategy: str
    delay_interval: timedelta | None = None
    minimum_interval: timedelta | None = None
    maximum_interval: timedelta | None = None


@dataclass
class RpcFunctionMetadata:
    name: str
    function_id: str
    managed_dependency_enabled: bool
    directory: str
    script_file: str
    entry_point: str
    is_proxy: bool
    language: str
    bindings: dict[str, BindingInfo]
    raw_bindings: list[str]
    retry_options: RpcRetryOptions | None
    properties: dict[str, str]


@dataclass
class FunctionMetadataResponse:
    use_default_metadata_indexing: bool
    function_metadata_results: list[RpcFunctionMetadata] | None
    result: StatusResult


@dataclass
class FunctionLoadResponse:
    function_id: str
    result: StatusResult


@dataclass
class NullableString:
    value: str


@dataclass
class NullableBool:
    value: bool


@dataclass
class NullableDouble:
    value: float


@dataclass
class Timestamp:
    seconds: int


@dataclass
class NullableTimestamp:
    value: Timestamp


@dataclass
class RpcHttpCookie:
    """One Set-Cookie; a `same_site` of None (0) means that the app said nothing."""

    SameSite: ClassVar = SimpleNamespace(**{"None": 0, "Lax": 1, "Strict": 2, "ExplicitNone": 3})
    name: str
    value: str
    domain: NullableString | None = None
    path: NullableString | None = None
    expires: NullableTimestamp | None = None
    secure: NullableBool | None = None
    http_only: NullableBool | None = None
    same_site: int = 0
    max_age: NullableDouble | None = None


@dataclass
class TypedData:
    """One value: exactly one field is set."""

    string: str | None = None
    json: str | None = None
    bytes: _Bytes | None = None
    http: "RpcHttp | None" = None
    int: _Int | None = None
    double: float | None = None

    def WhichOneof(self, _group: str) -> str | None:  # noqa: N802 - protobuf's name for it
        """The name of the field that is set."""
        return next((one.name for one in fields(self) if getattr(self, one.name) is not None), None)


@dataclass
class RpcHttp:
    method: str = ""
    url: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    body: TypedData = field(default_factory=TypedData)
    status_code: str = ""
    cookies: list[RpcHttpCookie] | None = None
    enable_content_negotiation: bool = False


@dataclass
class ParameterBinding:
    name: str
    data: TypedData

    def WhichOneof(self, _group: str) -> str:  # noqa: N802 - protobuf's name for it
        """Shared memory is not offered, so the value is always in `data`."""
        return "data"


@dataclass
class InvocationResponse:
    invocation_id: str
    result: StatusResult
    return_value: TypedData | None = None
    output_data: list[Any] = field(default_factory=list)
