"""Loops of one's own, with the losses and heads of lightly, and with the savers of timm's train script."""

import csv
from collections import OrderedDict

import pytest
import torch
import trained_elsewhere as elsewhere
from torch import nn

import contrascope

pytestmark = pytest.mark.filterwarnings("ignore")
EPOCHS, BATCH = 12, 48


class Model(nn.Module):
    def __init__(self, head):
        super().__init__()
        self.net, self.head = elsewhere.encoder(), head

    def forward(self, views):
        return [self.head(self.net(view)) for view in views]


def plain():
    """The head and the loss of the loop in the docs."""
    return nn.Identity(), lambda a, b: elsewhere.contrast(torch.stack((a, b)))


def of_lightly():
    heads = pytest.importorskip("lightly.models.modules.heads", reason="lightly is not installed")
    from lightly.loss import NTXentLoss

    with torch.random.fork_rng():
        torch.manual_seed(0)
        return heads.SimCLRProjectionHead(8, 16, 8), NTXentLoss(temperature=0.2)


@pytest.fixture(params=[plain, of_lightly])
def parts(request, torchvision_operators):
    return request.param


def watched(folder):
    return contrascope.Monitor(
        elsewhere.views(),
        encoder="net",
        on_alarm="stop",
        out=folder / "run",
        on_error="raise",
        together=False,
    )


def trained(parts, folder, *, begin=0, epochs=EPOCHS, spoilt_at=99):
    """Epochs of somebody's loop, which keeps the weights of the best step."""
    head, loss_of = parts()
    model, monitor, kept = Model(head), watched(folder), folder / "best.pt"
    if begin:
        model.load_state_dict(torch.load(folder / "last.pt"))
    optimiser = torch.optim.Adam(model.parameters(), lr=0.02)
    for epoch in range(begin, epochs):
        for batch in elsewhere.views(seed=1).split(BATCH, dim=1):
            optimiser.zero_grad()
            loss_of(*model(batch)).backward()
            optimiser.step()
        if epoch >= spoilt_at:
            elsewhere.spoil(model.net)
        step = 4 * (epoch + 1)
        monitor(model, step=step, epoch=epoch + 1)
        if monitor.best == step:
            torch.save(model.state_dict(), kept)
        torch.save(model.state_dict(), folder / "last.pt")
        if monitor.should_stop:
            break
    monitor.close()
    return model, monitor


def test_a_collapse_half_way_stops_the_loop_and_the_kept_weights_are_the_best(parts, tmp_path):
    model, monitor = trained(parts, tmp_path, spoilt_at=6)
    assert [row["contrascope/sound"] for row in monitor.history] == ["sound"] * 6 + ["unsound"] * 2
    assert 0 < monitor.best <= 24
    assert monitor.best_score > monitor.history[0]["contrascope/score"]
    model.load_state_dict(torch.load(tmp_path / "best.pt"))
    again = contrascope.Monitor(elsewhere.views(), encoder="net", on_error="raise")
    assert again(model, step=0)["contrascope/score"] == pytest.approx(monitor.best_score)


def test_a_loop_that_is_begun_again_on_the_folder_keeps_the_history(parts, tmp_path):
    _, first = trained(parts, tmp_path, epochs=3)
    _, again = trained(parts, tmp_path, begin=3, epochs=5)
    assert [row["contrascope/step"] for row in again.history] == [4, 8, 12, 16, 20]
    assert again.history[:3] == first.history


def test_the_saver_and_the_summary_of_timm_take_the_numbers(tmp_path, torchvision_operators):
    """What the patch in docs/your-trainer.md adds to timm's train script, between the parts of timm it stands among."""
    utils = pytest.importorskip("timm.utils", reason="timm is not installed")
    model = Model(nn.Identity())
    optimiser = torch.optim.Adam(model.parameters(), lr=0.02)
    saver = utils.CheckpointSaver(
        model=model, optimizer=optimiser, checkpoint_dir=str(tmp_path), decreasing=False
    )
    monitor = watched(tmp_path)
    for epoch in range(EPOCHS):
        for batch in elsewhere.views(seed=1).split(BATCH, dim=1):
            optimiser.zero_grad()
            elsewhere.contrast(torch.stack(model(batch))).backward()
            optimiser.step()
        if epoch >= 6:
            elsewhere.spoil(model.net)
        eval_metrics = OrderedDict(loss=1.0, top1=50.0, top5=90.0)
        monitor(model, step=4 * (epoch + 1), epoch=epoch + 1, metrics=eval_metrics)
        eval_metrics.update(monitor.numbers)
        utils.update_summary(epoch, {"loss": 1.0}, eval_metrics, filename=str(tmp_path / "summary.csv"))
        best_metric, best_epoch = saver.save_checkpoint(epoch, metric=eval_metrics["contrascope/score"])
        if monitor.should_stop:
            break
    assert epoch == 7
    assert 4 * (best_epoch + 1) == monitor.best
    assert best_metric == pytest.approx(monitor.best_score)
    assert (tmp_path / "model_best.pth.tar").exists()
    with (tmp_path / "summary.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["eval_contrascope/sound"]) for row in rows] == [1.0] * 6 + [0.0] * 2
    assert float(rows[-1]["eval_contrascope/score"]) == -14.0


def test_before_a_measurement_there_is_the_lowest_score():
    assert contrascope.Monitor(elsewhere.views()).numbers == {"contrascope/score": -14.0}
