"""Steps that are named and not built. Whoever builds one removes its line here."""

from sandbox.demo.play import not_built

not_built("6", "Who joins and leaves reaches Epic and the audit", "d")
not_built("7", "The visit closes, is erased, and a scan finds nothing", "d")
