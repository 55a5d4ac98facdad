"""A picture in a notebook: shown once, with words, on soft paper, leaving nothing behind."""

import base64
import io
import warnings

import matplotlib
import nbformat
import pytest
from IPython.core.formatters import DisplayFormatter
from matplotlib.colors import to_rgb
from nbconvert import HTMLExporter
from PIL import Image, ImageChops

from labkit.show import Picture, plots
from labkit.show.picture import with_alt_texts
from labkit.show.style import PAPER, colour_of

from .samples import traffic


@pytest.fixture
def picture() -> Picture:
    """Three requests, one of which failed."""
    return plots.shares(traffic("backend1", "backend2", "refused"))


def exported(picture: Picture, theme: str) -> str:
    """The body of the page that nbconvert makes of a cell whose result is the picture."""
    data, metadata = DisplayFormatter().format(picture)
    output = nbformat.v4.new_output("execute_result", data, metadata=metadata, execution_count=1)
    cell = nbformat.v4.new_code_cell("picture", outputs=[output])
    notebook = nbformat.v4.new_notebook(cells=[cell])
    html, _ = HTMLExporter(theme=theme, preprocessors=[with_alt_texts]).from_notebook_node(notebook)
    return html[html.index("<body") :]


def test_jupyter_gets_a_png_and_the_words(picture: Picture) -> None:
    """IPython's formatter gives one PNG, the alt text as plain text, and half of the PNG's pixels as its size."""
    data, metadata = DisplayFormatter().format(picture)
    assert set(data) == {"image/png", "text/plain"}
    assert data["text/plain"] == picture.alt == repr(picture) == metadata["image/png"]["alt"]
    image = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    assert image.size == (2 * metadata["image/png"]["width"], 2 * metadata["image/png"]["height"])


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_exported_page_has_the_picture_once_with_its_words(picture: Picture, theme: str) -> None:
    """nbconvert writes a single <img>, and its alt attribute says the finding, in both themes; quotes and tags stay text."""
    html = exported(Picture(picture.figure, 'a "quoted" <script>'), theme)
    assert html.count("<img") == 1 and "No description" not in html
    assert """alt='a "quoted" &lt;script&gt;'""" in html


def test_a_picture_is_soft_and_small_whatever_the_learner_set() -> None:
    """A dark style of the learner's own changes neither the paper nor the size, and is left as it was."""
    plain = plots.shares(traffic("backend1")).png()
    dark = {"figure.facecolor": "black", "font.size": 30, "xtick.major.size": 30}
    with matplotlib.rc_context(dark):
        assert plots.shares(traffic("backend1")).png() == plain
        assert matplotlib.rcParams["font.size"] == 30
    image = Image.open(io.BytesIO(plain)).convert("RGBA")
    assert image.getpixel((0, 0)) == (*(round(255 * part) for part in to_rgb(PAPER)), 255)
    assert len(plain) < 60_000


def test_a_small_mark_keeps_its_colour() -> None:
    """The PNG's palette does not trade the colour of the few for shades of the many."""
    png = plots.sequence(traffic(*["backend1"] * 999, "backend2")).png()
    colours = {colour for _, colour in Image.open(io.BytesIO(png)).convert("RGB").getcolors(256)}
    for name in ("backend1", "backend2"):
        wanted = [round(255 * part) for part in to_rgb(colour_of(name))]
        off = [max(abs(a - b) for a, b in zip(wanted, one, strict=True)) for one in colours]
        assert min(off) <= 4


def test_pyplot_knows_nothing_of_the_pictures() -> None:
    """More pictures than pyplot lets be open leave no open figure and raise no warning."""
    from matplotlib import pyplot

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(22):
            plots.sequence(traffic("backend1", "timeout"))
    assert pyplot.get_fignums() == []


def test_a_quick_png_is_the_same_picture(picture: Picture, tmp_path) -> None:
    """It has the size and, within the palette's 4 of 255, the colours of the small one, which `save` writes."""
    path = picture.save(tmp_path / "shares.png")
    files = io.BytesIO(picture.quick_png()), path
    quick, small = (Image.open(file).convert("RGB") for file in files)
    assert quick.size == small.size and path.read_bytes() == picture.png()
    assert max(high for _, high in ImageChops.difference(quick, small).getextrema()) <= 4
