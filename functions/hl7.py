"""The HL7v2 door (role hl7): an interface engine posts scheduling messages."""

import azure.functions as func

from shared.bootstrap import deps
from shared.errors import Code, Refused
from shared.web import answered
from shared.workflows import intake

bp = func.Blueprint()


@bp.route("hl7v2/{connection}", methods=["POST"])
@answered
async def hl7v2(req: func.HttpRequest) -> func.HttpResponse:
    """Take one message or a batch; each gets its HL7 answer once it is durable in the queue."""
    if req.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Refused(
            Code.CONTENT_TYPE
        )  # read as it is, it would be answered AE, and the engine would go on without it
    posted = intake.Posted(
        connection=req.route_params["connection"],
        body=req.get_body(),
        content_type=req.headers.get("Content-Type", ""),
        certificate=req.headers.get("X-ARR-ClientCert") if deps().settings.certificate_from_front_end else None,
    )
    reply = await intake.accept(posted, deps())
    return func.HttpResponse(reply.answer, headers={"Content-Type": reply.content_type})
