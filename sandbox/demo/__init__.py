"""One virtual visit, played on the sandbox and looked at from the far side."""
