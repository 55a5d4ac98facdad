"""The ptrace wrapper for CPUs with a large extended state."""

import ctypes
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


def test_wrapper_compiles_and_loads(tmp_path: Path) -> None:
    """The C source compiles with the system's compiler to a library that has ptrace()."""
    library = build(tmp_path / "new" / "folder")
    assert ctypes.CDLL(str(library)).ptrace
    assert [path.name for path in library.parent.iterdir()] == [library.name]


def test_wrapper_is_built_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second lab takes what the first one has built, without any compiler."""
    first = build(tmp_path)
    made = first.stat().st_mtime_ns
    monkeypatch.setenv("PATH", "")
    assert build(tmp_path) == first
    assert first.stat().st_mtime_ns == made


def test_changed_source_is_built_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new version of the wrapper does not take an old build."""
    first = build(tmp_path)
    source = tmp_path / "xstate.c"
    source.write_text(xstate.SOURCE.read_text() + "/* newer */\n")
    monkeypatch.setattr(xstate, "SOURCE", source)
    assert build(tmp_path) != first


def test_no_compiler_is_named_with_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a compiler the error says what to install."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LabError, match="no C compiler") as caught:
        build(tmp_path)
    assert "apt-get install gcc" in caught.value.way_out


def test_failed_build_shows_the_compilers_words_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A source that does not compile ends in the compiler's own words, with no half library."""
    source = tmp_path / "xstate.c"
    source.write_text("this is no C\n")
    monkeypatch.setattr(xstate, "SOURCE", source)
    with pytest.raises(LabError) as caught:
        build(tmp_path / "cache")
    assert "error:" in caught.value.words
    assert list((tmp_path / "cache").iterdir()) == []


def test_other_cpus_build_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the CPU does not need it, nothing is built."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(xstate, "needs_wrapper", lambda _text: False)
    assert xstate_library() is None
    assert list(tmp_path.iterdir()) == []


def test_built_files_are_kept_where_the_user_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """XDG_CACHE_HOME is honoured, and ~/.cache is the default."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "labkit"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "ann"))
    assert cache_folder() == tmp_path / "ann" / ".cache" / "labkit"
