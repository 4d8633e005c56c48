"""HL7v2 scheduling intake: bytes in, scheduling events and answers out (epic.md section 4). Pure."""
