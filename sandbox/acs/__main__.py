"""`python -m sandbox.acs`: the stand-in for Communication Services of the plan in SANDBOX_PLAN."""

import asyncio

from sandbox import plan
from sandbox.acs.service import Acs
from sandbox.peer import serve

if __name__ == "__main__":
    asyncio.run(serve(Acs(plan.load())))
