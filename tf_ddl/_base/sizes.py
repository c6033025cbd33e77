"""Bytes as people write them: "100MB", "4 KiB"."""

from __future__ import annotations

import argparse
import re

__all__ = ["parse_size", "size_argument", "size_in_words"]

_UNITS = {
    "": 1, "B": 1,
    "KB": 10**3, "MB": 10**6, "GB": 10**9,
    "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30,
}  # fmt: skip


def parse_size(text: str) -> int:
    """Bytes in "4096", "4KiB" (2^10), "1.5 MB" (10^6).

    Raises:
      ValueError: it is no size.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", text)
    unit = _UNITS.get(match[2].upper()) if match else None
    if not match or not unit or not (float(match[1]) * unit).is_integer():
        raise ValueError(f"{text!r} is not a size such as 16384, 4KiB or 100MB")
    return int(float(match[1]) * unit)


def size_argument(text: str) -> int:
    """`parse_size` as a `type` of argparse, with its message."""
    try:
        return parse_size(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def size_in_words(size: int) -> str:
    """4096 -> "4 KiB", 100000000 -> "100 MB"."""
    for unit in ("GIB", "GB", "MIB", "MB", "KIB"):
        count = _UNITS[unit]
        if size >= count and size % count == 0:
            return f"{size // count} {unit.replace('IB', 'iB')}"
    return f"{size} B"
