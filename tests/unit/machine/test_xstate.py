"""The ptrace wrapper of User-Mode Linux, which CPUs with a large extended state need."""

import ctypes
import shutil
from pathlib import Path

import pytest

from labkit.errors import LabError
from labkit.machine import uml as xstate
from labkit.machine.uml import build, cache_folder, needs_wrapper, xstate_library

OLD = "processor\t: 0\nvendor_id\t: GenuineIntel\nflags\t\t: fpu vme sse2 avx avx512f\nbugs\t\t: spectre_v1\n"


@pytest.mark.parametrize(
    ("cpuinfo", "needed"),
    [
        (OLD, False),
        (OLD.replace("avx512f", "avx512f amx_bf16 avx512_fp16 amx_tile amx_int8"), True),
        (OLD.replace("avx512f", "apx"), True),
        (OLD.replace("spectre_v1", "amx_tile"), False),
        (OLD.replace("sse2", "not_amx_tile_really apxf"), False),
        ("flags\t\t:\n", False),
        ("flags", False),
        ("", False),
        ("Features\t: fp asimd\n", False),
    ],
)  # fmt: skip
def test_needs_wrapper(cpuinfo: str, needed: bool) -> None:
    """Only whole words among the CPU's flags decide."""
    assert needs_wrapper(cpuinfo) is needed


def test_wrapper_is_built_once_for_each_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's compiler makes a library that has ptrace(); the next lab takes it without any; a new version is built anew."""
    first = build(tmp_path / "new" / "folder")
    assert ctypes.CDLL(str(first)).ptrace and list(first.parent.iterdir()) == [first]
    made = first.stat().st_mtime_ns
    with monkeypatch.context() as patch:
        patch.setenv("PATH", "")
        assert build(first.parent) == first and first.stat().st_mtime_ns == made
    source = tmp_path / "xstate.c"
    source.write_text(xstate.SOURCE.read_text() + "/* newer */\n")
    monkeypatch.setattr(xstate, "SOURCE", source)
    assert build(first.parent) != first


def test_wrapper_that_cannot_be_built_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A source that does not compile ends in the compiler's own words, with no half library; without one it is named."""
    (tmp_path / "xstate.c").write_text("this is no C\n")
    monkeypatch.setattr(xstate, "SOURCE", tmp_path / "xstate.c")
    with pytest.raises(LabError) as caught:
        build(tmp_path / "cache")
    assert "error:" in caught.value.words and list((tmp_path / "cache").iterdir()) == []
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LabError, match="no C compiler") as caught:
        build(tmp_path / "other")
    assert "apt-get install gcc" in caught.value.way_out


def test_wrapper_that_lies_with_its_source_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An image that was built with the wrapper in it needs no compiler, and no folder to write to."""
    monkeypatch.setattr(xstate, "SOURCE", Path(shutil.copy(xstate.SOURCE, tmp_path)))
    made = build(tmp_path)
    monkeypatch.setenv("PATH", "")
    assert build(tmp_path / "cache") == made
    assert not (tmp_path / "cache").exists()


def test_built_files_are_kept_where_the_user_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """XDG_CACHE_HOME is honoured, and ~/.cache is the default."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "labkit"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "ann"))
    assert cache_folder() == tmp_path / "ann" / ".cache" / "labkit"


def test_without_a_compiler_only_the_cpus_that_need_it_go_without_a_lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wrapper makes any guest faster, and is missed only where the guest would panic without it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(xstate, "SOURCE", Path(shutil.copy(xstate.SOURCE, tmp_path)))
    monkeypatch.setattr(xstate, "needs_wrapper", lambda _text: False)
    assert xstate_library() is None
    monkeypatch.setattr(xstate, "needs_wrapper", lambda _text: True)
    with pytest.raises(LabError, match="no C compiler"):
        xstate_library()
