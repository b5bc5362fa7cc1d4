"""The report in headless Chromium, where there is one: links lead somewhere, pictures are there."""

import json
import shutil
import subprocess
from html.parser import HTMLParser
from urllib.parse import unquote

import pytest

pytestmark = pytest.mark.browser

# Pages of the disk may only be looked into by a page that the browser trusts.
WRAPPER = """<!doctype html><title>wrapper</title><script>
async function look(address) {
  const frame = document.createElement("iframe");
  frame.width = 390;
  const loaded = new Promise(done => { frame.onload = done; });
  frame.src = address;
  document.body.append(frame);
  await loaded;
  const page = frame.contentDocument;
  return {
    title: page.title,
    images: page.images.length,
    broken: [...page.images].filter(image => !image.naturalWidth).length,
    links: [...page.querySelectorAll("a[href]")].map(link => link.getAttribute("href")),
    focusable: page.querySelectorAll("a[href], [tabindex]").length,
    wide: page.documentElement.scrollWidth,
  };
}
window.onload = async () => {
  const found = await look("index.html");
  document.body.innerHTML = "<pre></pre>";
  document.querySelector("pre").textContent = JSON.stringify(found);
};
</script><body></body>"""


class Said(HTMLParser):
    """The text of the page's only <pre>."""

    def __init__(self):
        super().__init__()
        self.inside, self.text = False, ""

    def handle_starttag(self, tag, attrs):
        self.inside = tag == "pre"

    def handle_data(self, data):
        if self.inside:
            self.text += data


@pytest.fixture
def chromium(tmp_path):
    """Load a page of the disk in Chromium; returns its document when scripts have run."""
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), "")
    if not program:
        pytest.skip("there is no Chromium")

    def load(path):
        flags = ["--headless", "--no-sandbox", "--allow-file-access-from-files"]
        flags += ["--disable-web-security", f"--user-data-dir={tmp_path / 'profile'}"]
        command = [program, *flags, "--virtual-time-budget=30000", "--dump-dom", path.as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
        return done.stdout

    return load


def test_the_report_is_whole_links_lead_somewhere_and_it_fits_a_phone(chromium, smoke_run):
    wrapper = smoke_run / "wrapper.html"
    wrapper.write_text(WRAPPER, encoding="utf-8")
    said = Said()
    said.feed(chromium(wrapper))
    wrapper.unlink()
    page = json.loads(said.text)
    assert page["images"] >= 1 and page["broken"] == 0
    assert page["wide"] <= 400  # the table scrolls, the page does not
    assert page["focusable"] > len(set(page["links"]))  # the table can be scrolled by keys
    assert len(set(page["links"])) >= 10
    for link in page["links"]:
        name, _, anchor = unquote(link).partition("#")
        target = (smoke_run / name).read_text(encoding="utf-8")
        assert len(target) > 10_000, link
        assert not anchor or f'id="{anchor}"' in target, link
