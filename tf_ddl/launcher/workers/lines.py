"""Splits what a process prints into lines, progress bars included.

A progress bar draws its line again and again: it moves back with carriage returns or backspaces
and ends with one newline. `LineBuffer` keeps what a terminal would show of such a line.
"""

from __future__ import annotations

import codecs
import collections
import dataclasses

__all__ = ["Line", "LineBuffer", "Tail"]

_MAX_LINE = 1 << 20  # characters; a line that never ends must not fill the memory


@dataclasses.dataclass(frozen=True)
class Line:
    """One finished line.

    Attributes:
      text: what a terminal shows of it, without the newline; may hold colour codes.
      redrawn: whether it was drawn more than once, as progress bars are.
    """

    text: str
    redrawn: bool = False


class LineBuffer:
    """Turns chunks of bytes into lines."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._rest = ""
        self._redrawn = False

    def feed(self, data: bytes, final: bool = False) -> list[Line]:
        """The lines finished by `data`; with `final` the last one needs no newline."""
        *finished, rest = (self._rest + self._decoder.decode(data, final)).split("\n")
        lines = [self._finish(text) for text in finished]
        if (final and rest) or len(rest) > _MAX_LINE:
            lines.append(self._finish(rest))
            rest = ""
        # Forget what has been drawn over, or a long-lived progress bar grows for ever. A carriage
        # return at the very end may still turn out to belong to a newline.
        start = rest[:-1].rfind("\r") + 1
        if start:
            self._redrawn = True
        self._rest = rest[start:]
        return lines

    @property
    def partial(self) -> str:
        """What a terminal shows of the line that is not finished yet."""
        return _visible(self._rest)

    def _finish(self, text: str) -> Line:
        text = text.removesuffix("\r")
        redrawn = self._redrawn or "\r" in text
        self._redrawn = False
        return Line(_visible(text), redrawn)


def _visible(text: str) -> str:
    drawn = [part for part in text.split("\r") if part.strip("\b")]
    text = drawn[-1] if drawn else ""
    if "\b" not in text:
        return text
    # Backspaces move the cursor, later characters overwrite; at the ends they change nothing.
    shown: list[str] = []
    cursor = 0
    for character in text.strip("\b"):
        if character == "\b":
            cursor = max(0, cursor - 1)
        else:
            shown[cursor : cursor + 1] = [character]
            cursor += 1
    return "".join(shown)


class Tail:
    """The last lines of a process, both of its streams together in the order they came."""

    def __init__(self, max_lines: int = 1000) -> None:
        self._buffers = {"stdout": LineBuffer(), "stderr": LineBuffer()}
        self._lines: collections.deque[str] = collections.deque(maxlen=max_lines)

    def feed(self, stream: str, data: bytes, final: bool = False) -> None:
        self._lines.extend(line.text for line in self._buffers[stream].feed(data, final))

    def lines(self, count: int | None = None) -> list[str]:
        """The last `count` lines (all that are kept: None), oldest first."""
        kept = list(self._lines) + [b.partial for b in self._buffers.values() if b.partial]
        return kept if count is None else kept[-count:]
