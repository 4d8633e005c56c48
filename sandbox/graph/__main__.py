"""`python -m sandbox.graph`: the stand-in of the run that SANDBOX_PLAN names."""

import asyncio

from sandbox import plan
from sandbox.graph.app import build
from sandbox.peer import serve

if __name__ == "__main__":
    asyncio.run(serve(build(plan.load())))
