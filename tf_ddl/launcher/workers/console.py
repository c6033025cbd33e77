"""Where the workers' output goes: one terminal for all, a file each, or the notebook."""

from __future__ import annotations

import codecs
import contextlib
import pathlib
import re
import shutil
import sys
from typing import BinaryIO, Protocol, TextIO

from tf_ddl import errors
from tf_ddl.launcher.workers import lines

__all__ = ["Console", "Files", "FirstRank", "Output"]

_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")


class Output(Protocol):
    """Takes what the workers print."""

    def write(self, rank: int, stream: str, data: bytes, final: bool = False) -> None:
        """Takes bytes of `stream` ("stdout" or "stderr"); `final`: nothing follows."""

    def close(self) -> None:
        """All workers have ended."""


class Console:
    """All ranks' lines on the launcher's own stdout and stderr, each with its rank in front.

    Lines appear whole. A line that is still being drawn (a progress bar) is shown only on a
    terminal and only from rank 0: below the finished lines, drawn anew as it changes. Of other
    ranks' progress bars nothing is shown, unless `all_progress`.
    """

    def __init__(self, num_workers: int, *, prefix: bool = True, all_progress: bool = False):
        self._width = len(str(num_workers - 1)) if prefix else 0
        self._all_progress = all_progress
        self._buffers: dict[tuple[int, str], lines.LineBuffer] = {}
        self._screens = {"stdout": _Screen(sys.stdout), "stderr": _Screen(sys.stderr)}
        if self._screens["stdout"].is_terminal and self._screens["stderr"].is_terminal:
            self._screens["stderr"] = self._screens["stdout"]

    def write(self, rank: int, stream: str, data: bytes, final: bool = False) -> None:
        buffer = self._buffers.setdefault((rank, stream), lines.LineBuffer())
        prefix = f"[{rank:>{self._width}}] " if self._width else ""
        finished = []
        for line in buffer.feed(data, final):
            if not line.redrawn:
                finished.append(prefix + line.text)
            elif rank == 0 or self._all_progress:
                # Keras colours its bars and pads them with blanks, terminal or not.
                coloured = self._screens[stream].is_terminal
                text = line.text if coloured else _ESCAPE.sub("", line.text).rstrip()
                finished.append(prefix + text)
        live = None
        if rank == 0:
            live = prefix + buffer.partial if buffer.partial else ""
        self._screens[stream].show(finished, live)

    def close(self) -> None:
        for screen in self._screens.values():
            screen.show([], "")


class _Screen:
    """One stream of the launcher; a terminal has a live line at the bottom."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.is_terminal = stream.isatty()
        self._live = ""

    def show(self, finished: list[str], live: str | None) -> None:
        """Adds lines; `live` replaces the live line ("": none, None: stays as it is)."""
        live = self._live if live is None else live
        if not self.is_terminal:
            live = ""
        if not finished and live == self._live:
            return
        clear = "\r\x1b[K" if self._live else ""
        text = clear + "".join(f"{line}\n" for line in finished)
        if live:
            text += _cut(live, shutil.get_terminal_size().columns - 1)
        self._live = live
        _write(self._stream, text)


def _cut(text: str, columns: int) -> str:
    """`text` cut to fit one row of a terminal; a line that wraps could not be drawn anew."""
    room, position, kept = columns, 0, []
    for escape in _ESCAPE.finditer(text):
        kept += [text[position : min(escape.start(), position + room)], escape[0]]
        room = max(0, room - (escape.start() - position))
        position = escape.end()
    return "".join(kept) + text[position : position + room]


def _write(stream: TextIO, text: str) -> None:
    # The workers wrote UTF-8; a launcher in the C locale must not fail to repeat it.
    binary = getattr(stream, "buffer", None)
    if binary is None:
        stream.write(text)
    else:
        stream.flush()
        binary.write(text.encode("utf-8", errors="replace"))
    stream.flush()


class Files:
    """`rank.N.out` and `rank.N.err` in a directory, byte for byte what each rank printed.

    Raises:
      InvalidArgumentError: the directory cannot be made or written to.
    """

    def __init__(self, directory: str, num_workers: int) -> None:
        self.directory = pathlib.Path(directory)
        self._files: dict[tuple[int, str], BinaryIO] = {}
        with contextlib.ExitStack() as opened:
            try:
                self.directory.mkdir(parents=True, exist_ok=True)
                for rank in range(num_workers):
                    for stream in ("stdout", "stderr"):
                        path = self.directory / f"rank.{rank}.{stream[3:]}"
                        file = opened.enter_context(open(path, "wb", buffering=0))
                        self._files[rank, stream] = file
            except OSError as error:
                raise errors.InvalidArgumentError(
                    f"cannot write to the output directory {directory}: {error}"
                ) from error
            self._opened = opened.pop_all()

    def write(self, rank: int, stream: str, data: bytes, final: bool = False) -> None:
        self._files[rank, stream].write(data)

    def close(self) -> None:
        self._opened.close()


class FirstRank:
    """Rank 0's output, unchanged, on the present `sys.stdout` and `sys.stderr` (a notebook's)."""

    def __init__(self) -> None:
        self._streams = {"stdout": sys.stdout, "stderr": sys.stderr}
        make = codecs.getincrementaldecoder("utf-8")
        self._decoders = {name: make(errors="replace") for name in self._streams}

    def write(self, rank: int, stream: str, data: bytes, final: bool = False) -> None:
        if rank != 0:
            return
        text = self._decoders[stream].decode(data, final)
        if text:
            self._streams[stream].write(text)
            self._streams[stream].flush()

    def close(self) -> None:
        """Nothing is held back."""
