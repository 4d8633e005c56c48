"""A Functions app that does nothing: what ours are compared with."""

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route("hello", methods=["GET"])
async def hello(req: func.HttpRequest) -> func.HttpResponse:
    """Answer."""
    del req
    return func.HttpResponse("hello")
