"""``report.html``: what a reader finds in it, and what a hostile name cannot do to it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.workers.report import examples
from workers.report.html import CONTENT_SECURITY_POLICY, render, write_html
from workers.report.schema import Report, Stage

EXAMPLES = ("verified", "unproven", "mismatched", "refused_source", "refused_target", "unknown", "hostile")
VOID = {"meta", "br", "col", "link", "img", "input", "hr"}
# SVG shapes are written as <rect .../>.
SHAPES = {"rect", "line", "circle", "polyline", "path"}
OURS = {
    "html", "head", "meta", "title", "style", "body", "header", "main", "footer", "section", "article", "div", "p",
    "br", "span", "h1", "h2", "h3", "h4", "ul", "ol", "li", "dl", "dt", "dd", "strong", "small", "code", "i", "table",
    "thead", "tbody", "tr", "th", "td", "col", "colgroup", "details", "summary", "figure", "figcaption", "svg", "text",
    *SHAPES,
}  # fmt: skip


class Page(HTMLParser):
    """The page's tags, attributes and text; unbalanced tags are an error."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def classed(self, name: str) -> Iterator[dict[str, str | None]]:
        for _, attributes in self.tags:
            if name in (attributes.get("class") or "").split():
                yield attributes


def page(example: str) -> Page:
    return Page(render(getattr(examples, example)()))


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_page_is_well_formed_and_has_only_our_own_elements(example: str) -> None:
    assert {tag for tag, _ in page(example).tags} <= OURS


@pytest.mark.parametrize("example", EXAMPLES)
def test_nothing_runs_and_nothing_is_loaded(example: str) -> None:
    text = render(getattr(examples, example)())
    assert "<script" not in text.lower()
    for tag, attributes in Page(text).tags:
        assert not {"src", "href", "srcset", "action", "formaction", "background", "poster", "data"} & set(
            attributes
        ), tag
        assert not [name for name in attributes if name.startswith("on")], tag
    style = text.partition("<style>")[2].partition("</style>")[0]
    assert "url(" not in style and "@import" not in style


@pytest.mark.parametrize("example", EXAMPLES)
def test_a_strict_policy_forbids_scripts_and_requests(example: str) -> None:
    policies = [a["content"] for tag, a in page(example).tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert policies == [CONTENT_SECURITY_POLICY]
    assert "default-src 'none'" in CONTENT_SECURITY_POLICY and "script-src" not in CONTENT_SECURITY_POLICY


@pytest.mark.parametrize(
    ("example", "word", "tone"),
    [
        ("verified", "Verified", "good"),
        ("unproven", "Unverified", "warn"),
        ("mismatched", "Mismatched", "bad"),
        ("refused_source", "Not converted", "bad"),
        ("refused_target", "Partly converted", "bad"),
        ("unknown", "Not converted", "bad"),
    ],
)
def test_the_verdict_is_told_in_one_word_and_one_colour(example: str, word: str, tone: str) -> None:
    shown = render(getattr(examples, example)())
    assert f"<h1>{word}</h1>" in shown
    assert [banner["class"] for banner in Page(shown).classed("banner")] == [f"banner {tone}"]


def test_a_conversion_that_was_not_checked_says_so() -> None:
    report = examples.verified().model_copy(update={"verdict": None, "comparisons": [], "targets": []})
    assert "<h1>Not checked</h1>" in render(report)


def test_the_page_tells_what_was_read_changed_written_and_how() -> None:
    text = page("verified").text
    for words in (
        "VGG_ILSVRC_16_layers.caffemodel", examples.DIGEST, "deploy.prototxt is a net of 41 layers",
        "138 M", "float32 batch \u00d7 3 \u00d7 224 \u00d7 224", "drop-identity", "drop6",
        "pytorch/model.safetensors",
        "Rewritten for PyTorch", "normalise", "940 ms", "seccomp: did not hold", "the kernel has no seccomp filter",
        "onnxruntime", "1.32.0", "input_shapes", "samples/sample_0.npz", "upgraded from the V1 layer format",
    ):  # fmt: skip
        assert words in text, words


def test_every_comparison_shows_every_tensor_with_its_numbers() -> None:
    found = page("verified")
    assert len(list(found.classed("comparison"))) == 3
    assert (
        len(
            [
                a
                for a in found.classed("bar")
                if "tolerance" in (a.get("aria-label") or "") or a.get("aria-label") == "no error"
            ]
        )
        == 6
    )
    for words in (
        "Hub model against OpenCV 4.12",
        "PyTorch against torch 2.13",
        "22 %",
        "exact",
        "12.3 ms",
        "batch = 3",
    ):
        assert words in found.text, words
    assert "Tolerance |a\u2212b| ≤ 1e-5 + 1e-4 · max |a|, cosine ≥ 0.99999 · CPUExecutionProvider" in found.text


def test_doubts_about_a_reference_are_listed() -> None:
    assert "OpenCV ignores cont and starts every sequence anew" in page("unproven").text
    assert "PyTorch: verified; Caffe: unverified" in page("unproven").text


def test_a_mismatch_names_the_layer_and_draws_the_errors_along_the_graph() -> None:
    found = page("mismatched")
    assert "First diverging layer: conv13 (ReLU)" in found.text
    assert "pytorch/divergence.onnx" in found.text
    assert len([1 for _ in found.classed("local")]) == 40 + 2
    assert len([a for tag, a in found.tags if tag == "circle" and "bad" in (a["class"] or "")]) == 1


def test_a_curve_of_thousands_of_layers_is_thinned_and_keeps_the_culprit() -> None:
    report = examples.mismatched()
    divergence = report.targets[0].comparisons[0].divergence
    assert divergence is not None
    divergence.layers = examples.layer_errors(culprit=1234, count=5000)
    shown = render(report)
    found = Page(shown)
    assert len([1 for tag, _ in found.tags if tag == "circle"]) <= 240
    assert len([a for tag, a in found.tags if tag == "circle" and "bad" in (a["class"] or "")]) == 1
    assert "and 4 700 more in report.json" in found.text
    assert len(shown) < 300_000


def test_unsupported_operators_are_grouped_with_their_layers_and_reasons() -> None:
    for example in ("refused_source", "refused_target"):
        text = page(example).text
        assert "ROIPooling 2 is no layer of BVLC Caffe or its SSD fork roi_pool5 roi_pool6" in text
        assert "Python 1 runs the user's Python code, which is never executed proposal" in text
        assert "custom_ops.onnxtxt" in text


def test_a_failure_before_anything_was_recognised_still_makes_a_page() -> None:
    text = page("unknown").text
    assert (
        "cat.png begins like a PNG image" in text and "unknown-format" in text and "Name the format with source" in text
    )


def test_a_report_of_nothing_at_all_makes_a_page() -> None:
    assert "Not checked" in Page(render(Report(engine="onnxhub 0.1.0", verdict=None))).text


def test_hostile_names_show_as_what_they_are() -> None:
    text = render(examples.hostile())
    shown = Page(text).text
    for words in ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{7*7}}{% raw %}", "\\u202egnp.exe",
                  "\\x1b[31mred\\x1b[0m\\x07", "</style><script>x</script>", "\\ud800lone", "\\x00nul"):  # fmt: skip
        assert words in shown, words
    assert "49" not in [word.strip() for word in shown.split()]
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]", text)
    assert re.search("A{2000}", text) is None


def test_the_page_of_hostile_names_is_still_small(tmp_path: Path) -> None:
    write_html(examples.hostile(), tmp_path / "report.html")
    assert (tmp_path / "report.html").stat().st_size < 400_000


def test_an_ordinary_page_is_small_and_the_same_each_time() -> None:
    once, again = render(examples.verified()), render(examples.verified())
    assert once == again
    assert len(once.encode()) < 64_000


def test_times_add_up_to_a_timeline() -> None:
    report = Report(
        engine="onnxhub",
        verdict=None,
        stages=[
            Stage(name=name, status="succeeded", seconds=seconds) for name, seconds in (("read", 1.0), ("write", 3.0))
        ],
    )
    bars = [a for tag, a in Page(render(report)).tags if tag == "rect" and a.get("class") == "amount"]
    assert [(bar["x"], bar["width"]) for bar in bars] == [("0.00%", "25.00%"), ("25.00%", "75.00%")]
