"""What ddlrun makes of its workers' output."""

import io
import os
import re

import pytest

from tf_ddl import errors
from tf_ddl.launcher.workers import console, lines


def feed(*chunks):
    buffer = lines.LineBuffer()
    found = []
    for chunk in chunks:
        found += buffer.feed(chunk)
    return found + buffer.feed(b"", final=True)


def test_lines_survive_any_chunking():
    data = "erste Zeile\nzweite ━━ Zeile\n\nrest".encode()
    expected = ["erste Zeile", "zweite ━━ Zeile", "", "rest"]
    for size in (1, 2, 3, 7, len(data)):
        chunks = [data[i : i + size] for i in range(0, len(data), size)]
        assert [line.text for line in feed(*chunks)] == expected
        assert not any(line.redrawn for line in feed(*chunks))


def test_bytes_that_are_no_text_are_shown_somehow():
    assert [line.text for line in feed(b"a\xff\xfeb\n\xe2")] == ["a\ufffd\ufffdb", "\ufffd"]


def test_windows_line_ends_are_no_progress_bar():
    assert feed(b"one\r", b"\ntwo\r\n") == [lines.Line("one"), lines.Line("two")]


@pytest.mark.parametrize("size", [1, 5, 1000])
def test_a_progress_bar_is_its_last_state(size):
    bar = "".join("\b" * 9 * bool(n) + f"\r {n}/9 ━━━━" for n in range(1, 10)) + " loss: 1\nnext\n"
    data = bar.encode()
    chunks = [data[i : i + size] for i in range(0, len(data), size)]
    assert feed(*chunks) == [lines.Line(" 9/9 ━━━━ loss: 1", redrawn=True), lines.Line("next")]


def test_backspaces_overwrite():
    assert feed(b"wait |\b/\b-\b\\\n")[0].text == "wait \\"
    assert feed(b"abc\b\b\n")[0].text == "abc"


def test_a_progress_bar_without_end_takes_no_memory():
    buffer = lines.LineBuffer()
    for n in range(10_000):
        buffer.feed(b"\b" * 50 + b"\r%50d" % n)
    assert len(buffer._rest) < 200
    assert buffer.partial.strip() == "9999"


def test_an_endless_line_is_cut():
    buffer = lines.LineBuffer()
    found = [line for _ in range(40) for line in buffer.feed(b"x" * 65536)]
    assert found and len(buffer._rest) <= 1 << 20


def test_tail_keeps_the_last_lines_of_both_streams_in_order():
    tail = lines.Tail(max_lines=3)
    tail.feed("stdout", b"one\ntwo\n")
    tail.feed("stderr", b"three\n")
    tail.feed("stdout", b"four\nunfinished")
    assert tail.lines() == ["two", "three", "four", "unfinished"]
    assert tail.lines(2) == ["four", "unfinished"]


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def streams(monkeypatch):
    def make(kind):
        out, err = kind(), kind()
        monkeypatch.setattr("sys.stdout", out)
        monkeypatch.setattr("sys.stderr", err)
        return out, err

    return make


def test_console_prefixes_every_line(streams):
    out, err = streams(io.StringIO)
    shown = console.Console(12)
    shown.write(0, "stdout", b"from zero, ")
    shown.write(11, "stdout", b"from eleven\n")
    shown.write(0, "stdout", b"in two parts\n")
    shown.write(3, "stderr", b"trouble")
    shown.write(3, "stderr", b"", True)
    shown.close()
    assert out.getvalue() == "[11] from eleven\n[ 0] from zero, in two parts\n"
    assert err.getvalue() == "[ 3] trouble\n"


BAR = b"\r1/2 half" + b"\b" * 8 + b"\r2/2 done\n"


def test_console_shows_one_progress_bar_and_its_end_only(streams):
    out, _ = streams(io.StringIO)
    shown = console.Console(2)
    for rank in (0, 1):
        shown.write(rank, "stdout", BAR)
        shown.write(rank, "stdout", b"\rone that is not finished")
        shown.write(rank, "stdout", b"", True)
    assert out.getvalue() == "[0] 2/2 done\n[0] one that is not finished\n"


def test_console_shows_all_progress_bars_when_asked(streams):
    out, _ = streams(io.StringIO)
    console.Console(2, all_progress=True).write(1, "stdout", BAR)
    assert out.getvalue() == "[1] 2/2 done\n"


def test_a_progress_bar_in_a_file_has_no_colours(streams):
    out, _ = streams(io.StringIO)
    shown = console.Console(1)
    shown.write(0, "stdout", b"\r\x1b[1m9/9\x1b[0m \x1b[32m==\x1b[0m   \nnot a \x1b[1mbar\x1b[0m\n")
    assert out.getvalue() == "[0] 9/9 ==\n[0] not a \x1b[1mbar\x1b[0m\n"


def test_console_without_prefix(streams):
    out, _ = streams(io.StringIO)
    console.Console(2, prefix=False).write(1, "stdout", b"plain\n")
    assert out.getvalue() == "plain\n"


def on_screen(text):
    """The rows that a terminal shows after `text`."""
    rows = [[]]
    cursor = 0
    for part in re.findall(r"\x1b\[K|\r|\n|[^\x1b\r\n]", text):
        if part == "\n":
            rows.append([])
            cursor = 0
        elif part == "\r":
            cursor = 0
        elif part == "\x1b[K":
            del rows[-1][cursor:]
        else:
            rows[-1][cursor : cursor + 1] = [part]
            cursor += 1
    return ["".join(row) for row in rows]


def test_console_keeps_the_progress_bar_at_the_bottom_of_a_terminal(streams):
    out, err = streams(Terminal)
    # Both streams are the same terminal.
    err.write = out.write
    shown = console.Console(2)
    shown.write(0, "stdout", b"\r 1/10 slow and long")
    assert on_screen(out.getvalue()) == ["[0]  1/10 slow and long"]
    shown.write(1, "stderr", b"a warning\n")
    assert on_screen(out.getvalue()) == ["[1] a warning", "[0]  1/10 slow and long"]
    shown.write(0, "stdout", b"\b" * 20 + b"\r 2/10 short")
    assert on_screen(out.getvalue()) == ["[1] a warning", "[0]  2/10 short"]
    shown.write(0, "stdout", b"\r10/10 end\n")
    shown.close()
    assert on_screen(out.getvalue()) == ["[1] a warning", "[0] 10/10 end", ""]


def test_a_line_being_drawn_never_wraps(streams, monkeypatch):
    out, _ = streams(Terminal)
    monkeypatch.setattr("shutil.get_terminal_size", lambda *_, **__: os.terminal_size((20, 24)))
    console.Console(2).write(0, "stdout", b"\r\x1b[1m12/20\x1b[0m " + b"=" * 50)
    assert on_screen(re.sub(r"\x1b\[\d*m", "", out.getvalue())) == ["[0] 12/20 ========="]
    assert "\x1b[1m12/20\x1b[0m" in out.getvalue()


def test_files_hold_the_bytes_of_each_rank(tmp_path):
    files = console.Files(str(tmp_path / "a" / "b"), 2)
    files.write(1, "stdout", BAR)
    files.write(0, "stderr", b"\xff")
    files.close()
    assert (tmp_path / "a/b/rank.1.out").read_bytes() == BAR
    assert (tmp_path / "a/b/rank.0.err").read_bytes() == b"\xff"
    assert (tmp_path / "a/b/rank.0.out").read_bytes() == b""


def test_an_output_directory_that_cannot_be_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(errors.InvalidArgumentError, match="output directory"):
        console.Files(str(tmp_path / "file"), 1)


def test_first_rank_passes_unchanged(streams):
    out, _ = streams(io.StringIO)
    first = console.FirstRank()
    first.write(0, "stdout", BAR + "━".encode()[:1])
    first.write(1, "stdout", b"not shown")
    first.write(0, "stdout", "━".encode()[1:])
    first.close()
    assert out.getvalue() == BAR.decode() + "━"
