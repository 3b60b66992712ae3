"""Many pictures into one that moves: an SVG that shows them one after the other."""

from __future__ import annotations

import re

_SVG = re.compile(r"<svg\b[^>]*>")


def animated(frames: list[str], seconds: float = 1.0) -> str:
    """Put pictures of one size together.

    Args:
        frames: SVG documents.
        seconds: How long each is shown.

    Returns:
        An SVG document that plays them in a loop, by CSS alone.

    Raises:
        ValueError: There are no frames.
    """
    if not frames:
        raise ValueError("an animation needs a frame")
    opened = _SVG.search(frames[0])
    assert opened is not None
    total = seconds * len(frames)
    share = 100 / len(frames)
    style = (
        "<style>.frame{visibility:hidden;animation:play "
        f"{total:g}s step-end infinite}}"
        f"@keyframes play{{0%{{visibility:visible}}{share:.4f}%{{visibility:hidden}}}}"
        "@media (prefers-reduced-motion:reduce){.frame{animation:none}"
        ".frame:last-child{visibility:visible}}</style>"
    )
    parts = [opened.group(), style]
    for number, frame in enumerate(frames):
        begin = _SVG.search(frame)
        assert begin is not None
        body = frame[begin.end() : frame.rindex("</svg>")]
        delay = number * seconds
        parts.append(f'<g class="frame" style="animation-delay:{delay:g}s">{body}</g>')
    return "".join(parts) + "</svg>\n"
