"""A strict stand-in for a hospital's Epic: two instances, test and production, on one port.

What it imitates and refuses comes from the Epic reference, sections 1 to 3 and 5; what Epic does in a
place nobody has published is refused here. `sandbox.epic.control` lists what a script can ask of it.
"""
