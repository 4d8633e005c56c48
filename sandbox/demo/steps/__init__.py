"""The steps of the visit. Importing this package registers all of them with `sandbox.demo.play`."""

from sandbox.demo.steps import planned, scheduling, set_up, standing, texts

__all__ = ["planned", "scheduling", "set_up", "standing", "texts"]
