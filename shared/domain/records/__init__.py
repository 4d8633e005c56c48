"""Integration records: what is typed into Epic so that its buttons lead here (F4, epic.md 1.2 and 1.3). Pure.

record         the records of a connection, made of what was approved
registration   what Epic must know of the three apps before anybody can approve
pasted         what somebody copied out of Epic, read back into launch URL, client id and context
differences    every difference that a record in Epic may have, and what each does
check          the differences of one record
migration      the smallest change to a record of the public product
"""
