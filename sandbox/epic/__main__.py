"""Run the stand-in: python -m sandbox.epic (SANDBOX_PLAN names the plan)."""

import asyncio

from sandbox import plan
from sandbox.epic.server import build
from sandbox.peer import serve

if __name__ == "__main__":
    asyncio.run(serve(build(plan.load())))
