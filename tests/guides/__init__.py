"""The pictures of the guides in docs/guides, made by walking through the whole set-up on the running page.

`python -m tests.guides` (or `make guides`) starts a sandbox without a hospital, sets one up in Chromium as the people
of the guides do, and writes a picture and a clip of each step. The test walks the same way and throws both away.
"""
