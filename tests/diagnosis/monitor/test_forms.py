"""What views may be, what a model may return, and where its networks may be."""

from collections import namedtuple

import monitor_cases
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import contrascope
from contrascope.diagnosis.monitor.model import embedded, networks_in
from contrascope.diagnosis.monitor.outputs import rows_in
from contrascope.diagnosis.monitor.probe_views import ProbeViews, read_views
from contrascope.errors import InputError

VIEWS = monitor_cases.views(images=40)


def paired():
    """Batches of ([view, view], labels), as many loaders give them."""
    return [(list(VIEWS[:, ids]), torch.zeros(len(ids))) for ids in torch.arange(40).split(16)]


class Endless:
    """Fails where more is read than is needed."""

    def __iter__(self):
        yield from paired()
        raise AssertionError("read too far")


@pytest.mark.parametrize(
    "source",
    [
        VIEWS,
        VIEWS.numpy(),
        list(VIEWS),
        iter(paired()),
        lambda: VIEWS,
        lambda: iter(paired()),
        Endless(),
        ([VIEWS[0], VIEWS[1]], torch.zeros(40)),
        DataLoader(TensorDataset(VIEWS[0], VIEWS[1]), batch_size=16),
        iter([(VIEWS[:, :32], torch.zeros(32)), (VIEWS[:, 32:], torch.zeros(8))]),
    ],
)
def test_views_come_in_many_forms(source):
    found = read_views(source, images=36)
    assert found.count == 36
    assert all(torch.equal(found.part(view, 0, 36), VIEWS[view, :36]) for view in (0, 1))


def test_views_with_names_are_kept_by_name():
    first, second = (
        {"ids": torch.full((40, 5), view), "attention_mask": torch.ones(40, 5)} for view in (0, 1)
    )
    found = read_views(iter([[first, second], [first, second]]), images=64)
    assert found.count == 64
    assert found.part(1, 0, 4)["ids"].tolist() == [[1] * 5] * 4


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (torch.zeros(4, 3), r"views has shape \(4, 3\)"),
        ("folder", "views is a str"),
        ({"a": VIEWS}, "views is a dict"),
        ([VIEWS[0], VIEWS[1, :3]], r"a tensor \[40, 32\], a tensor \[3, 32\]"),
        ([], "is a list"),
        (iter([]), r"batches of \[\] views"),
        (iter([list(VIEWS), [*VIEWS, VIEWS[0]]]), r"batches of \[2, 3\] views"),
        (iter([list(VIEWS[:, :4]), list(VIEWS[:, :4, :5])]), "do not fit together"),
        (lambda: 3, "views is a int"),
    ],
)
def test_views_that_are_none_are_refused_with_what_came(source, said):
    with pytest.raises(InputError, match=said):
        read_views(source, images=64)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (torch.zeros(64), r"views has shape \(64,\)"),
        (torch.zeros(64, 8).numpy(), r"views has shape \(64, 8\)"),
        ([torch.zeros(64), torch.zeros(64)], r"a tensor \[64\], a tensor \[64\]"),
        (torch.zeros(2, 8, 4), r"the views have \[8\] images; expected equally many and at least 16"),
        ("folder", "views is a str"),
        ({"a": VIEWS}, "views is a dict"),
    ],
)
def test_what_can_be_seen_to_be_no_views_is_refused_when_the_monitor_is_made(source, said):
    with pytest.raises(InputError, match=said):
        contrascope.Monitor(source)


def test_a_loader_is_not_read_and_a_function_not_called_when_the_monitor_is_made():
    def views():
        raise AssertionError("called too early")

    contrascope.Monitor(views)
    source = iter(paired())
    contrascope.Monitor(source)
    assert len(list(source)) == 3


H = torch.arange(12.0).view(4, 3)
Output = namedtuple("Output", "hidden logits")


@pytest.mark.parametrize(
    ("returned", "output"),
    [
        (H, None),
        ((H, H[:, :1]), 0),
        ({"h": H}, "h"),
        (Output(H, None), "hidden"),
        (Output(None, H), 1),
        ({"tokens": H[:, None].expand(4, 7, 3)}, "tokens"),
        ({"map": H[..., None, None].expand(4, 3, 2, 5)}, "map"),
        ({"deep": [H]}, lambda out: out["deep"][0]),
    ],
)
def test_the_representation_is_taken_out_of_what_a_model_returns(returned, output):
    assert torch.allclose(rows_in(returned, 4, output)[0], H)


def test_a_function_may_give_both_layers():
    h, z = rows_in({"h": H, "z": -H}, 4, lambda out: (out["h"], out["z"]))
    assert torch.equal(h, -z)


@pytest.mark.parametrize(
    ("returned", "output", "said"),
    [
        ({"h": H, "loss": 1}, None, "with 'h', 'loss'. Say which"),
        ((H, H), None, "with 0, 1. Say which"),
        ({"h": H}, "z", "output='z' is not in the dict .* it has 'h'"),
        ((H,), 3, "output=3 is not in the tuple"),
        (H, "h", "output='h' is not in the Tensor"),
        (H[:, None], None, r"a tensor of shape \(4, 1, 3\) for 4 images"),
        ({"h": "x"}, "h", "the encoder returned str"),
    ],
)
def test_what_is_not_a_representation_is_said(returned, output, said):
    with pytest.raises(InputError, match=said):
        rows_in(returned, 4, output)


def test_tokens_that_fill_up_a_sentence_do_not_count():
    tokens = torch.stack((H, 100 * torch.ones(4, 3)), dim=1)
    mask = torch.tensor([[1, 0]]).expand(4, 2)

    class Sentences(nn.Module):
        def forward(self, ids, attention_mask):
            return {"last_hidden_state": tokens[: len(ids)]}

    view = {"ids": torch.zeros(4, 2), "attention_mask": mask}
    both = ProbeViews(views=(view, view), count=4)
    h, z = embedded(networks_in(Sentences()), both, output="last_hidden_state")
    assert torch.equal(h, H.expand(2, 4, 3))
    assert z is None


def test_a_model_of_transformers_is_measured_by_a_field(torchvision_operators):
    transformers = pytest.importorskip("transformers")
    small = transformers.BertConfig(
        vocab_size=50, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8
    )
    model = transformers.BertModel(small, add_pooling_layer=False)
    ids = torch.randint(0, 50, (2, 20, 6), generator=torch.Generator().manual_seed(0))
    views = read_views([{"input_ids": one, "attention_mask": torch.ones_like(one)} for one in ids], images=20)
    h, _ = embedded(networks_in(model), views, output="last_hidden_state")
    model.eval()
    expected = model(input_ids=ids[1]).last_hidden_state.mean(dim=1)
    torch.testing.assert_close(h[1], expected.detach())
    with pytest.raises(InputError, match=r"'last_hidden_state'\. Say which"):
        embedded(networks_in(model), views)


def test_networks_are_found_and_what_is_none_is_said():
    model = monitor_cases.Model()
    found = networks_in(model, "backbone", lambda whole: whole.head)
    assert found.encoder is model.backbone
    assert found.projector is model.head
    for where, said in (
        ("trunk", "no part 'trunk' for the encoder; its parts: backbone, head, norm"),
        (lambda whole: whole.training, "encoder= gave a bool"),
    ):
        with pytest.raises(InputError, match=said):
            networks_in(model, where)
    with pytest.raises(InputError, match="the model is a function"):
        networks_in(lambda images: images)


def test_weights_in_bfloat16_are_given_what_they_take():
    model = monitor_cases.Model(skill=0.9).to(torch.bfloat16)
    h, _ = embedded(networks_in(model, "backbone"), read_views(VIEWS, images=40))
    assert h.dtype == torch.float32
    assert torch.isfinite(h).all()
