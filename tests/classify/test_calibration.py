"""What a confidence means: shares that stay shares, chances between 0 and 1, thresholds that keep their budget."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.classify.calibration import (
    Grouping,
    Reliability,
    calibration_bins,
    calibration_error,
    signals,
    softmax,
    threshold_for,
)
from app.classify.drift import drift
from app.classify.evaluate import sign_test
from app.classify.predict import spread
from app.classify.train import alarm_threshold, fit_reliability, tenths

LAW = settings(derandomize=True, deadline=None, database=None)
SCORES = st.lists(st.floats(-5, 5), min_size=2, max_size=40)


@LAW
@given(SCORES, st.floats(0, 1))
def test_spread_shares_sum_to_one_and_none_passes_the_first(scores: list[float], confidence: float) -> None:
    shares = softmax(np.array(scores))
    found = spread(shares, confidence)
    assert found.sum() == pytest.approx(1)
    assert (found >= 0).all()
    assert found.argmax() == shares.argmax()
    assert found.max() == pytest.approx(max(confidence, 1 / len(scores)))


@LAW
@given(SCORES, st.floats(0, 1))
def test_spread_keeps_the_order_of_the_others(scores: list[float], confidence: float) -> None:
    shares = softmax(np.array(scores))
    order = np.argsort(-shares, kind="stable")[1:]
    assert (np.diff(spread(shares, confidence)[order]) <= 1e-9).all()


def test_one_class_alone_is_certain() -> None:
    assert spread(np.array([1.0]), 0.2) == pytest.approx([1.0])


def test_groups_sum_and_peak_over_their_own_classes() -> None:
    grouping = Grouping(["b", "a", "b"])
    assert grouping.groups == ("a", "b")
    assert grouping.sums(np.array([[1.0, 2.0, 4.0]])).tolist() == [[2.0, 5.0]]
    assert grouping.maxima(np.array([[1.0, 2.0, 4.0]])).tolist() == [[2.0, 4.0]]


def test_signals_tell_share_score_lead_and_length() -> None:
    grouping = Grouping(["a", "a", "b"])
    scores = np.array([[0.5, -0.2, -0.4]])
    shares = grouping.sums(softmax(scores))
    found = signals(scores, shares, np.array([9]), grouping)[0]
    share = shares.max()
    assert found == pytest.approx([np.log(share / (1 - share)), 0.5, 0.9, np.log(10)])


def test_reliability_learns_that_a_narrow_lead_is_wrong_more_often() -> None:
    rng = np.random.default_rng(0)
    found = rng.normal(size=(2000, 4))
    right = rng.random(2000) < 1 / (1 + np.exp(-2 * found[:, 2]))
    reliability = fit_reliability(found, right)
    wide, narrow = reliability.confidence(np.array([[0, 0, 2, 0], [0, 0, -2, 0.0]]))
    assert wide > 0.95
    assert narrow < 0.05
    assert calibration_error(reliability.confidence(found), right) < 0.03  # type: ignore[operator]


@pytest.mark.parametrize(("right", "low", "high"), [(True, 0.9, 1), (False, 0, 0.1)])
def test_reliability_of_answers_that_were_all_right_or_all_wrong(right: bool, low: float, high: float) -> None:
    reliability = fit_reliability(np.zeros((5, 4)), np.full(5, right))
    assert low < reliability.confidence(np.zeros((1, 4)))[0] < high


def test_bins_say_how_many_how_sure_how_right() -> None:
    sure, right = np.array([0.95, 0.97, 0.15]), np.array([True, False, False])
    assert calibration_bins(sure, right) == [(1, 0.15, 0.0), (2, pytest.approx(0.96), 0.5)]
    assert calibration_error(sure, right) == pytest.approx((0.15 + 2 * 0.46) / 3)
    assert calibration_error(sure[:0], right[:0]) is None


@LAW
@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60), st.floats(0, 0.5))
def test_a_threshold_never_lets_more_than_its_budget_through_wrong(
    rows: list[tuple[float, bool]], budget: float
) -> None:
    sure, right = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    order = np.argsort(-sure, kind="stable")
    threshold = threshold_for(sure, right, budget)
    if threshold <= 1:
        passed = order[: int(np.flatnonzero(sure[order] == threshold)[-1]) + 1]
        first = int(np.flatnonzero(sure[order] == threshold)[0]) + 1
        shares = [(~right[passed[:count]]).mean() for count in range(first, len(passed) + 1)]
        assert min(shares) <= budget


def test_the_alarm_threshold_spends_the_false_alarm_budget() -> None:
    sure = np.linspace(0, 1, 1001)
    truth, batch = np.zeros(1001, dtype=bool), np.full(1001, "a")
    assert (sure >= alarm_threshold(sure, truth, batch)).mean() == pytest.approx(0.05, abs=0.002)
    assert alarm_threshold(sure[:0], truth[:0], batch[:0]) == 0.5


def test_a_batch_about_danger_does_not_count_for_the_false_alarms() -> None:
    sure = np.concatenate([np.linspace(0, 0.5, 500), np.linspace(0.5, 1, 100)])
    truth = np.concatenate([np.zeros(500, dtype=bool), np.arange(100) % 2 == 0])
    batch = np.array(["plain"] * 500 + ["danger"] * 100)
    assert alarm_threshold(sure, truth, batch) < 0.5


def test_drift_is_nothing_for_the_same_confidences_and_large_for_others() -> None:
    rng = np.random.default_rng(0)
    then, same, other = rng.beta(8, 2, 5000), rng.beta(8, 2, 500), rng.beta(2, 4, 500)
    expected = tenths(then)
    assert sum(expected) == pytest.approx(1)
    assert drift(expected, same.tolist()) < 0.1  # type: ignore[operator]
    assert drift(expected, other.tolist()) > 0.25  # type: ignore[operator]
    assert drift(expected, same.tolist()[:10]) is None
    assert drift((), same.tolist()) is None


@pytest.mark.parametrize(("successes", "trials", "chance"), [(0, 0, 1), (5, 5, 1 / 32), (4, 5, 6 / 32), (0, 9, 1)])
def test_the_sign_test_is_the_binomial_tail(successes: int, trials: int, chance: float) -> None:
    assert sign_test(successes, trials) == pytest.approx(chance)


def test_a_reliability_is_a_logistic_function() -> None:
    assert Reliability((1.0, 0.0, 0.0, 0.0), 0.0).confidence(np.array([[0.0, 9, 9, 9]]))[0] == 0.5
