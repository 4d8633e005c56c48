"""A function that only puts the bytes it gets on a queue: what HL7v2 intake is compared with."""

import os

import azure.functions as func
from azure.storage.queue import BinaryBase64EncodePolicy
from azure.storage.queue.aio import QueueClient

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
queue = QueueClient.from_connection_string(
    os.environ["BARE_STORAGE"], os.environ["BARE_QUEUE"], message_encode_policy=BinaryBase64EncodePolicy()
)


@app.route("put", methods=["POST"])
async def put(req: func.HttpRequest) -> func.HttpResponse:
    """Durable, then answered: no more and no less."""
    await queue.send_message(req.get_body(), time_to_live=-1)
    return func.HttpResponse("queued")
