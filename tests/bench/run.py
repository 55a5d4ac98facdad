"""The benchmark (`./lab bench`): what labkit costs over the bare programs, as ratios of medians measured in one run."""

import argparse
import datetime
import os
import platform
from collections.abc import Callable, Iterator
from pathlib import Path

import parts
import scale
from table import Row, markdown, not_measured, plain

PARTS: dict[str, Callable[[], Iterator[Row]]] = {
    "opening": parts.opening,
    "grading": parts.grading,
    "foreground": parts.foreground,
    "scale": scale.rows,
}


def machine() -> str:
    """The machine, and what else it was doing."""
    flags = Path("/proc/cpuinfo").read_text()
    model = next((line.partition(": ")[2] for line in flags.splitlines() if line.startswith("model name")), "unknown CPU")
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    date = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
    system = f"Linux {platform.release()}, Python {platform.python_version()}"
    return f"{date}; {os.cpu_count()} × {model}, {memory:.0f} GiB; {system}; load {load} (1, 5, 15 min)"


def measured(name: str) -> list[Row]:
    """The rows of one part; what goes wrong is a row too."""
    found: list[Row] = []
    try:
        for row in PARTS[name]():
            found.append(row)
            print(plain([row]), flush=True)
    except Exception as error:
        found.append(not_measured(name, f"{type(error).__name__}: {error}".splitlines()[0]))
        print(plain(found[-1:]), flush=True)
    return found


def main() -> None:
    """Measure the parts that were asked for and print the table."""
    parser = argparse.ArgumentParser(prog="lab bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)} (all without any)")
    parser.add_argument("--save", type=Path, metavar="FILE", help="also write the table there, as Markdown")
    options = parser.parse_args()
    if unknown := set(options.parts) - PARTS.keys():
        parser.error(f"no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    before = machine()
    rows = [row for name in options.parts or PARTS for row in measured(name)]
    text = f"{before}\n\n{markdown(rows)}\n"
    print("\n" + text)
    if options.save:
        options.save.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
