"""Numbers in words, log tails, the chart's points, and what is kept out of logs."""

from __future__ import annotations

import logging
import re
from datetime import UTC, datetime, timedelta

import pytest
from streamlit.testing.v1 import AppTest

from backend.domain import LogChunk, MetricPoint
from streamlit_app.redaction import redact, redact_logs
from streamlit_app.ui import loss_chart, numbers
from streamlit_app.ui.log_view import tail


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "Estimating…"),
        (float("nan"), "Estimating…"),
        (4, "A few seconds"),
        (28, "About 30 seconds"),
        (58, "About 1 minute"),
        (532.4, "About 9 minutes"),
        (3600, "About 1 hour"),
        (9 * 3600, "About 9 hours"),
    ],
)
def test_an_estimate_is_said_in_words(seconds: float | None, words: str) -> None:
    assert numbers.about(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(40, "40 s"), (100, "1 min 40 s"), (840, "14 min"), (3900, "1 h 5 min"), (7200, "2 h"), (90000, "1 day 1 h")],
)
def test_a_duration_has_at_most_two_units(seconds: float, words: str) -> None:
    assert numbers.duration(seconds) == words


def test_numbers_have_thousands_separators_and_unknown_ones_a_dash() -> None:
    assert numbers.count(1204) == "1,204"
    assert numbers.short_count(3_821_079_552) == "3.8 B"
    assert numbers.size(7_642_159_104) == "7.6 GB"
    assert numbers.decimals(float("inf")) == "–"
    assert numbers.ago(datetime.now(UTC) - timedelta(seconds=90)) == "1 min 30 s ago"


def test_a_log_tail_keeps_the_last_lines_and_the_last_state_of_progress_bars() -> None:
    chunk = LogChunk("one\n 10%\r 50%\r100%\nlast\n", 0, 30)
    assert tail(chunk, 2) == "100%\nlast"


def test_thinning_keeps_the_ends_and_the_peaks() -> None:
    points = [(step, 1.0) for step in range(10_000)]
    points[5_000] = (5_000, 9.0)
    kept = loss_chart.thin(points)
    assert len(kept) < 1_400
    assert kept[0] == (0, 1.0)
    assert kept[-1] == (9_999, 1.0)
    assert (5_000, 9.0) in kept


def test_a_step_measured_again_after_a_resume_counts_once() -> None:
    points = [MetricPoint(1, "train", 5, {"loss": 2.0}), MetricPoint(2, "train", 5, {"loss": 1.0})]
    assert loss_chart.series(points) == [{"step": 5, "loss": 1.0, "series": loss_chart.TRAIN}]


def test_secrets_are_hidden_in_text() -> None:
    text = redact("hf_abcdefghijkl Authorization: Bearer pd-123456789 /?token=abc_DEF-1 mine", ["mine"])
    for secret in ("abcdefghijkl", "123456789", "abc_DEF-1", "mine"):
        assert secret not in text


def test_secrets_are_hidden_in_logged_messages_and_tracebacks(caplog: pytest.LogCaptureFixture) -> None:
    before = logging.getLogRecordFactory()
    redact_logs(["top-secret"])
    try:
        try:
            raise ValueError("it was top-secret")
        except ValueError:
            logging.getLogger("phidesk.test").exception("with %s", "top-secret")
    finally:
        logging.setLogRecordFactory(before)
    assert "with [hidden]" in caplog.text
    assert "top-secret" not in caplog.text


def test_an_unexpected_error_shows_a_number_and_none_of_its_words(caplog: pytest.LogCaptureFixture) -> None:
    def script() -> None:
        from streamlit_app.ui.errors import on_script_error

        on_script_error(ValueError("/home/ada/secret"))

    page = AppTest.from_function(script, default_timeout=30).run()
    [shown] = page.error
    number = re.search(r"look for number ([0-9a-f]{8})", shown.value)
    assert number is not None
    assert number[1] in caplog.text
    assert "ada" not in str(page)
