"""The steps of the visit. Importing this package registers all of them with `sandbox.demo.play`."""

from sandbox.demo.steps import closing, launches, presence, scheduling, set_up, standing, texts

__all__ = ["closing", "launches", "presence", "scheduling", "set_up", "standing", "texts"]
