"""Pictures and clips of a page, small enough for git.

A clip is an animated WebP: it plays inside a Markdown page, where a video of the repository would not. It is made of
one frame for each thing that somebody does, so no frame shows a page half loaded.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Locator, Page, ViewportSize

VIEW: ViewportSize = {"width": 1280, "height": 800}
#: Clips are watched inside the text: a smaller picture does.
CLIP_WIDTH = 960
FRAME_MS, LAST_MS = 1300, 3500
#: Below 75 the encoder of animations takes the page's grey for white.
QUALITY, CLIP_QUALITY = 75, 80
#: Below the page's bar.
_TO_THE_TOP = "one => scrollTo({ top: one.getBoundingClientRect().top + scrollY - 72, behavior: 'instant' })"
_MARK = "(one, on) => { one.style.outline = on ? '3px solid #c50f1f' : ''; one.style.outlineOffset = on ? '3px' : ''; }"


class Camera:
    """Writes `<name>.webp` for a picture and `<name>-clip.webp` for a clip into a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.taken: list[str] = []
        self._frames: list[Image.Image] = []

    def picture(self, page: Page, name: str, at: Locator | None = None) -> None:
        """The page as it stands, with `at` in view."""
        if at:
            at.evaluate(_TO_THE_TOP)
        self._save(_shot(page), name, quality=QUALITY)

    @contextmanager
    def clip(self, name: str) -> Iterator[None]:
        """Every frame taken meanwhile."""
        self._frames = []
        yield
        first, *rest = self._frames
        times = [FRAME_MS] * len(rest) + [LAST_MS]
        self._save(
            first, f"{name}-clip", quality=CLIP_QUALITY, save_all=True, append_images=rest, duration=times, loop=0
        )

    def frame(self, page: Page) -> None:
        """One frame more."""
        shot = _shot(page)
        self._frames.append(shot.resize((CLIP_WIDTH, shot.height * CLIP_WIDTH // shot.width)))

    def point(self, page: Page, at: Locator) -> None:
        """A frame that shows where somebody presses next."""
        at.scroll_into_view_if_needed()
        at.evaluate(_MARK, True)
        self.frame(page)
        at.evaluate(_MARK, False)

    def _save(self, image: Image.Image, name: str, **options: Any) -> None:
        image.save(self.folder / f"{name}.webp", method=4, **options)
        self.taken.append(f"{name}.webp")


def _shot(page: Page) -> Image.Image:
    return Image.open(BytesIO(page.screenshot(animations="disabled", caret="hide"))).convert("RGB")
