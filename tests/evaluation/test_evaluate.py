import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from contrascope.errors import InputError
from contrascope.evaluation.centres import NearestCentre, few_label_hits
from contrascope.evaluation.evaluate import compare, evaluate
from contrascope.evaluation.knn import KNNClassifier
from contrascope.evaluation.probe import LinearProbe
from contrascope.evaluation.protocol import Protocol
from contrascope.features.features import Features
from contrascope.intervals import share_interval
from contrascope.linalg import unit_rows

PROTOCOL = Protocol(k=5, probe_grid=(0.1, 1.0), shots=(1, 3), draws=20, bootstrap=200)


def features(count, *, views=1, seed=0, noise=0.6, z=True):
    source = torch.Generator().manual_seed(seed)
    y = torch.arange(count) % 3
    h = torch.eye(6)[y] + noise * torch.randn(views, count, 6, generator=source)
    return Features(h=h, z=h[:, :, :2] if z else None, y={"label": y, "half": y % 2}, ids=torch.arange(count))


def test_scores_are_those_of_the_probes():
    train, test = features(60), features(45, seed=1)
    scores = {score.name: score for score in evaluate(train, test, PROTOCOL)}
    assert list(scores) == ["knn", "nearest_centre", "linear", "few_labels_1", "few_labels_3"]
    (h, y), (t, u) = (train.h[0], train.labels()), (test.h[0], test.labels())
    assert scores["knn"].value == pytest.approx(KNNClassifier(k=5, temperature=0.1).fit(h, y).score(t, u))
    assert scores["nearest_centre"].value == pytest.approx(
        NearestCentre(normalise=True).fit(h, y).score(t, u)
    )
    linear = LinearProbe(grid=(0.1, 1.0)).fit(h, y)
    assert scores["linear"].value == pytest.approx(linear.score(t, u))
    assert scores["linear"].chosen == linear.inverse_penalty_
    hits = few_label_hits(unit_rows(h), y, unit_rows(t), u, shots=3, draws=20).double()
    assert scores["few_labels_3"].value == pytest.approx(hits.mean().item())
    assert scores["few_labels_3"].std == pytest.approx(np.std(hits.mean(dim=1).numpy(), ddof=1))
    interval = share_interval(hits.mean(dim=0))
    assert (scores["few_labels_3"].low, scores["few_labels_3"].high) == pytest.approx(interval)


def test_every_score_carries_its_context():
    scores = evaluate(features(60), features(45, seed=1), PROTOCOL)
    for score in scores:
        assert score.n == 45
        assert score.protocol == PROTOCOL.hash
        assert score.low < score.value < score.high
    assert json.loads(json.dumps([asdict(score) for score in scores]))[0]["name"] == "knn"


def test_views_are_averaged_over_images():
    train, test = features(30, views=2), features(12, views=3, seed=1, noise=1.0)
    score = evaluate(train, test, replace(PROTOCOL, probes=("nearest_centre",), normalisation="none"))[0]
    probe = NearestCentre().fit(torch.cat(list(train.h)), train.labels().repeat(2))
    means = torch.stack([train.h[:, train.labels() == k].reshape(-1, 6).mean(dim=0) for k in range(3)])
    torch.testing.assert_close(probe.centres_, means)
    each = [probe.score(view, test.labels()) for view in test.h]
    assert score.value == pytest.approx(np.mean(each))
    assert score.n == 12


def test_another_view_of_train_that_says_the_same_changes_nothing():
    train, test = features(30), features(12, seed=1)
    twice = Features(h=train.h.repeat(2, 1, 1), y=train.y, ids=train.ids)
    protocol = replace(PROTOCOL, probes=("nearest_centre", "few_labels"))
    assert evaluate(twice, test, protocol) == evaluate(train, test, protocol)


def test_the_projector_output_and_another_label_column_can_be_asked_for():
    train, test = features(60), features(45, seed=1)
    only = replace(PROTOCOL, probes=("knn",))
    score = evaluate(train, test, replace(only, features="z"), label="half")[0]
    probe = KNNClassifier(k=5, temperature=0.1).fit(train.z[0], train.labels("half"))
    assert score.value == pytest.approx(probe.score(test.z[0], test.labels("half")))
    assert score.output == "z"


def test_a_comparison_names_every_row_and_says_what_was_measured():
    good = features(60, noise=0.1), features(45, seed=1, noise=0.1)
    noise = features(60, noise=50.0, z=False), features(45, seed=1, noise=50.0, z=False)
    protocol = replace(PROTOCOL, probes=("nearest_centre",), features="z")
    rows = compare({"encoder": good, "raw pixels": noise}, protocol)
    assert [(row["of"], row["output"]) for row in rows] == [("encoder", "z"), ("raw pixels", "h")]
    assert rows[0]["value"] > 0.6 > rows[1]["value"]
    assert rows[0]["protocol"] == protocol.hash
    assert rows[1]["protocol"] == replace(protocol, features="h").hash


def test_evaluation_refuses():
    train, test = features(30), features(12, seed=1)
    with pytest.raises(InputError, match="train features have 6 dimensions and test features 5"):
        evaluate(train, Features(h=test.h[:, :, :5], y=test.y, ids=test.ids), PROTOCOL)
    with pytest.raises(InputError, match=r"no label column 'lable'. Did you mean 'label'"):
        evaluate(train, test, PROTOCOL, label="lable")
    with pytest.raises(InputError, match="k=200 neighbours asked of a bank of n_samples = 30"):
        evaluate(train, test, Protocol())
    with pytest.raises(InputError, match="nothing to compare"):
        compare({}, PROTOCOL)


def test_few_label_hits_are_averaged_over_the_views_of_each_test_image():
    train, test = features(30), features(12, views=3, seed=1, noise=1.0)
    score = evaluate(train, test, replace(PROTOCOL, probes=("few_labels",), shots=(2,)))[0]
    views = [
        few_label_hits(
            unit_rows(train.h[0]), train.labels(), unit_rows(view), test.labels(), shots=2, draws=20
        )
        for view in test.h
    ]
    by_image = torch.stack(views).double().mean(dim=(0, 1))
    assert score.value == pytest.approx(by_image.mean().item())
    assert (score.low, score.high) == pytest.approx(share_interval(by_image))


def test_the_linear_probe_holds_out_all_views_of_an_image(monkeypatch):
    seen, fit = [], LinearProbe.fit

    def spy(self, X, y, groups=None):
        seen.append(groups)
        return fit(self, X, y, groups=groups)

    monkeypatch.setattr(LinearProbe, "fit", spy)
    evaluate(features(30, views=2), features(12, seed=1), replace(PROTOCOL, probes=("linear",)))
    assert seen[0].tolist() == [*range(30), *range(30)]
