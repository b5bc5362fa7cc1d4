"""What a notebook keeps of pictures and of progress, once a kernel has executed it."""

import base64
import io

import nbformat
import pytest
from nbclient import NotebookClient
from PIL import Image

DRAW = 'plots.hubs(np.array([0, 1, 1, 2]), title="{}")'
WAYS = {
    "shown": f"{DRAW.format('shown')}; plt.show()",
    "displayed": f"figure = {DRAW.format('displayed')}.figure; display(figure); plt.close(figure)",
    "drawn": f"{DRAW.format('drawn')};",
}
PROGRESS = """
for _ in progress_bar(range(3), total=3, description="count", unit="step"):
    pass
"""
CELLS = [
    "import matplotlib.pyplot as plt\nimport numpy as np\nfrom gtzan_helpers import plots\n"
    "from gtzan_helpers.workers import progress_bar\nplots.use_style()",
    *WAYS.values(),
    PROGRESS,
]


@pytest.fixture(scope="module")
def executed():
    """The outputs of each cell."""
    cells = [nbformat.v4.new_code_cell(code) for code in CELLS]
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("TQDM_DISABLE")
        notebook = NotebookClient(nbformat.v4.new_notebook(cells=cells)).execute()
    return [cell.outputs for cell in notebook.cells]


@pytest.mark.parametrize("way", WAYS)
def test_a_picture_carries_what_it_shows(executed, way):
    (output,) = (o for o in executed[1 + list(WAYS).index(way)] if "image/png" in o.data)
    kept = output.metadata["image/png"]
    assert kept["alt"].startswith(f"{way}: bars; these neighbours: longest 1 (2), shortest 0 (1)")
    with Image.open(io.BytesIO(base64.b64decode(output.data["image/png"]))) as picture:
        assert picture.mode == "P"  # a third of the bytes
        assert picture.width // 2 == kept["width"] and picture.height // 2 == kept["height"]


def test_progress_leaves_nothing_behind(executed):
    assert [output.data for output in executed[-1]] == [{}]
