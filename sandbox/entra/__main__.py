"""`python -m sandbox.entra`: serve until SIGTERM, as the plan says."""

import asyncio

from sandbox import plan
from sandbox.entra.service import Entra
from sandbox.peer import serve

if __name__ == "__main__":
    asyncio.run(serve(Entra(plan.load())))
