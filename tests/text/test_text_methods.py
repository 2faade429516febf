"""Methods of sentences: each objective by hand, beside loops in float64, and by its gradient; and through the loop."""

import math

import pytest
import torch
from torch.nn import functional as F

from contrascope.encoders.build import build_encoder
from contrascope.encoders.settings import EncoderSettings, ProjectorSettings
from contrascope.errors import InputError
from contrascope.losses.contrastive import nt_xent
from contrascope.methods.build import build_method
from contrascope.methods.settings import discover, method_settings
from contrascope.methods.text.clear_settings import CLEARSettings
from contrascope.methods.text.consert_settings import ConSERTSettings
from contrascope.methods.text.declutr_settings import DeCLUTRSettings
from contrascope.methods.text.masked_head import masked_loss
from contrascope.methods.text.mlm_settings import MLMSettings
from contrascope.methods.text.simcse_settings import SimCSESettings
from contrascope.methods.text.simcse_supervised_settings import SupervisedSimCSESettings
from contrascope.runs.text_load import count_tokens
from contrascope.text.encoder import build_text_encoder
from contrascope.text.masking import SEEN
from contrascope.text.packed import real
from contrascope.text.policy import build_text_policies
from contrascope.text.settings import SpanSettings, TextEncoderSettings, TextViewSettings
from contrascope.text.vocabulary import Vocabulary
from contrascope.training.text_views import text_views

PLAIN = Vocabulary.of(["[PAD]", "[CLS]", "[SEP]", "[MASK]", *(f"w{k}" for k in range(30))])
HEAD = ProjectorSettings(hidden=(), out=8, activation="tanh", activation_out=True)
SMALL = {"projector": ProjectorSettings(hidden=(8,), out=6)}
SPANS = SpanSettings(shortest=3, longest=6)
METHODS = {
    "mlm": MLMSettings(),
    "simcse": SimCSESettings(projector=HEAD),
    "simcse_supervised": SupervisedSimCSESettings(projector=HEAD),
    "consert": ConSERTSettings(),
    "clear": CLEARSettings(**SMALL),
    "declutr": DeCLUTRSettings(spans=SPANS),
    "cert": type(method_settings("cert"))(queue_size=12, **SMALL),
}
each_method = pytest.mark.parametrize("name", METHODS)


def encoder(seed=0, dropout=0.1):
    torch.manual_seed(seed)
    settings = TextEncoderSettings(width=8, depth=1, heads=2, dropout=dropout, attention_dropout=dropout)
    return build_text_encoder(settings, PLAIN)


def rows(batch=6, columns=1, least=26, seed=0):
    source = torch.Generator().manual_seed(seed)
    made = []
    for _ in range(columns):
        lengths = torch.randint(least, least + 8, (batch,), generator=source)
        made.append((torch.randint(4, PLAIN.size, (batch, int(lengths.max())), generator=source), lengths))
    return tuple(made)


def built(settings, **more):
    method = build_method(settings, encoder(**more))
    return method.train()


def views_of(method, *, batch=6, columns=1, num_views=2, epoch=0, words=()):
    policies = build_text_policies(TextViewSettings(first=words))
    maker = text_views(method, policies, PLAIN, num_views=num_views, seed=0)
    return maker(rows(batch, columns), ids=torch.arange(batch), epoch=epoch)


def cosine(x, y):
    return (x @ y / x.norm() / y.norm()).item()


def rows_of(method, views):
    """Head outputs of each view, one sentence at a time, in float64."""
    return [
        [method.projector(method.encoder(row[None, : int(real(row[None]).sum())]))[0] for row in view]
        for view in views
    ]


def test_the_methods_of_sentences_are_these_and_those_of_images_are_not_among_them():
    assert set(discover("sentences")) == set(METHODS)
    assert not set(discover("sentences")) & set(discover())


def test_simcse_is_the_published_sum_over_one_sentence_at_a_time():
    method = built(SimCSESettings(projector=HEAD)).double()
    views = views_of(method)
    a, b = rows_of(method, views.only)
    scores = [[math.exp(cosine(x, y) / 0.05) for y in b] for x in a]
    expected = sum(-math.log(row[i] / sum(row)) for i, row in enumerate(scores)) / 6
    assert method(views).terms.total.item() == pytest.approx(expected, rel=1e-9)


def test_simcse_without_dropout_has_equal_views():
    method = built(SimCSESettings(projector=HEAD), dropout=0.0)
    terms = method(views_of(method)).terms
    torch.testing.assert_close(terms.align, torch.full((6,), -20.0))  # -1 / 0.05


def test_supervised_simcse_meets_every_contradiction():
    settings = SupervisedSimCSESettings(projector=HEAD, hard_weight=2.0)
    method = built(settings).double()
    views = views_of(method, columns=3, num_views=3)
    a, b, c = rows_of(method, views.only)
    losses = []
    for i, x in enumerate(a):
        near = [math.exp(cosine(x, y) / 0.05) for y in b]
        hard = [math.exp(cosine(x, y) / 0.05) * (2.0 if i == j else 1.0) for j, y in enumerate(c)]
        losses.append(-math.log(near[i] / (sum(near) + sum(hard))))
    assert method(views).terms.total.item() == pytest.approx(sum(losses) / 6, rel=1e-9)


def test_consert_is_a_fraction_of_nt_xent_and_has_no_head():
    method = built(ConSERTSettings()).double()
    out = method(views_of(method, words=("cut-features=0.2", "shuffle")))
    assert torch.equal(out.z, out.h)
    expected = 0.15 * 2 * nt_xent(out.h, temperature=0.1).total  # two directions summed, times 0.15
    assert out.terms.total.item() == pytest.approx(expected.item(), rel=1e-9)


def test_masked_words_stand_beside_the_loss_and_in_neither_half():
    method = built(CLEARSettings(mlm=0.5, **SMALL)).double()
    views = views_of(method)
    terms, alone = method(views).terms, built(CLEARSettings(mlm=0.0, **SMALL)).double()
    alone.load_state_dict({k: v for k, v in method.state_dict().items() if not k.startswith("head.")})
    plain = alone(views_of(alone)).terms
    assert torch.equal(terms.align, plain.align)
    assert plain.beside is None
    noted = method.noted()["masked_loss"]
    assert (terms.total - plain.total).item() == pytest.approx(0.5 * noted.item(), rel=1e-9)


def test_masked_language_modelling_is_the_mean_over_hidden_tokens():
    method = built(MLMSettings()).double()
    views = views_of(method)
    sentences, targets = views.groups[0][0], views.targets[0][0]
    states = method.encoder.states(sentences).last
    losses = []
    for i, k in (targets != SEEN).nonzero().tolist():
        state = F.layer_norm(
            F.gelu(method.head.turn(states[i, k])), (8,), method.head.norm.weight, method.head.norm.bias
        )
        scores = method.encoder.trunk.tokens.weight @ state + method.head.bias
        losses.append((scores.exp().sum().log() - scores[targets[i, k]]).item())
    terms = method(views).terms
    assert len(losses) > 6
    assert terms.total.item() == pytest.approx(sum(losses) / len(losses), rel=1e-9)
    assert terms.spread.item() == 0.0


def test_masked_language_modelling_begins_at_the_counts_of_its_sentences():
    method = built(MLMSettings())
    counts = torch.zeros(PLAIN.size, dtype=torch.long)
    counts[4], counts[5] = 300, 100
    count_tokens(method, counts)
    with torch.no_grad():
        method.head.turn.weight.zero_()
        method.head.turn.bias.zero_()
    logits = method.head(torch.randn(3, 8), method.encoder.trunk.tokens.weight)
    share = (counts.double() + 0.5) / (400 + 0.5 * PLAIN.size)
    torch.testing.assert_close(logits.softmax(1).double(), share.expand(3, -1), rtol=1e-5, atol=1e-8)


def test_masked_loss_by_hand_and_by_its_gradient():
    logits = torch.tensor([[0.0, math.log(3.0)], [0.0, 0.0]], dtype=torch.float64)
    found = masked_loss(logits, torch.tensor([1, 0]), torch.tensor([0, 1]), 2)
    assert found.tolist() == pytest.approx([math.log(4 / 3), math.log(2)])
    logits = torch.randn(
        5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    ).requires_grad_()
    where = torch.tensor([0, 0, 1, 2, 2])
    assert torch.autograd.gradcheck(
        lambda x: masked_loss(x, torch.tensor([0, 1, 2, 3, 0]), where, 3).mean(), (logits,)
    )


def test_declutr_compares_anchors_with_the_mean_of_their_own_positives():
    method = built(DeCLUTRSettings(spans=SPANS, mlm=0.0)).double()
    views = views_of(method)
    anchors = [[method.encoder(row[None])[0] for row in view] for view in views.groups[0]]
    near = [[method.encoder(row[None])[0] for row in view] for view in views.groups[1]]
    a = [anchors[k][i] for k in range(2) for i in range(6)]
    b = [(near[2 * k][i] + near[2 * k + 1][i]) / 2 for k in range(2) for i in range(6)]
    every = [*a, *b]
    losses = []
    for i, x in enumerate(every):
        scores = [math.exp(cosine(x, y) / 0.05) if i != j else 0.0 for j, y in enumerate(every)]
        losses.append(-math.log(scores[(i + 12) % 24] / sum(scores)))
    assert method(views).terms.total.item() == pytest.approx(sum(losses) / 24, rel=1e-9)


@each_method
def test_a_step_moves_every_weight_and_repeats_to_the_bit(name):
    settings = METHODS[name]
    columns = 3 if name == "simcse_supervised" else 1
    method = built(settings)
    views = views_of(method, columns=columns, num_views=max(2, columns))
    total = method(views).terms.total
    total.backward()
    still = {
        n for n, p in method.named_parameters() if p.requires_grad and (p.grad is None or not p.grad.any())
    }
    # a sentence uses some positions; a mean that a norm follows does not see a shift
    assert {n for n in still if "places" not in n} == set()
    again = built(settings)
    assert torch.equal(again(views_of(again, columns=columns, num_views=max(2, columns))).terms.total, total)
    assert not torch.equal(
        again(views_of(again, columns=columns, num_views=max(2, columns), epoch=1)).terms.total, total
    )


def test_other_methods_take_sentences_and_methods_of_sentences_take_no_images():
    simclr = method_settings("simclr")
    method = build_method(type(simclr)(projector=ProjectorSettings(hidden=(8,), out=6)), encoder())
    assert method(views_of(method)).terms.total.isfinite()
    images = build_encoder(EncoderSettings(name="convnet", width=4), channels=1, size=8)
    with pytest.raises(InputError, match="mlm learns from sentences, and Encoder is no text encoder"):
        build_method(MLMSettings(), images)


def test_wrong_settings_are_refused():
    for wrong in ({"mlm": -1.0}, {"weight": 0.0}):
        with pytest.raises(InputError, match="expected 0 or more, and above 0"):
            SimCSESettings(**wrong)
    with pytest.raises(InputError, match=r"method.rate is 0.0; expected a share above 0 and below 1"):
        MLMSettings(rate=0.0)
    method = built(CLEARSettings(**SMALL))
    with pytest.raises(InputError, match="got sentences without hidden tokens"):
        built(MLMSettings())(torch.zeros(1, 2, 4, 4, dtype=torch.int64))
    assert method.parts_problem() is not None
