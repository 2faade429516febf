"""Encoders of sentences: padding, dropout that is keyed, pooling, and models of the hub."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contrascope.errors import InputError
from contrascope.text.dropout import kept, random_bytes, threshold
from contrascope.text.encoder import TextEncoder, build_text_encoder
from contrascope.text.packed import KEY, PLACE, TOKEN, packed, real, stacked, text_rows, without_dropout
from contrascope.text.policy import build_text_policies
from contrascope.text.settings import TextEncoderSettings, TextViewSettings
from contrascope.text.transformer import TextTransformer
from contrascope.text.views import make_text_views
from contrascope.text.vocabulary import Vocabulary

PLAIN = Vocabulary.of(["[PAD]", "[CLS]", "[SEP]", "[MASK]", *(f"w{k}" for k in range(30))])
POOLS = ("cls", "mean", "sif", "embeddings-last", "first-last")
each_pool = pytest.mark.parametrize("pool", POOLS)


def encoder(pool="mean", *, width=16, depth=2, dropout=0.1, seed=0, **more):
    torch.manual_seed(seed)
    chosen = TextEncoderSettings(
        width=width, depth=depth, heads=2, pool=pool, dropout=dropout, attention_dropout=dropout, **more
    )
    made = build_text_encoder(chosen, PLAIN)
    made.count(torch.arange(PLAIN.size) ** 3)
    return made


def views(seed=0, batch=4, most=12, words=(), **more):
    source = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, most + 1, (batch,), generator=source)
    ids = torch.randint(4, PLAIN.size, (batch, int(lengths.max())), generator=source)
    policies = build_text_policies(TextViewSettings(first=words))
    return make_text_views(
        [(ids, lengths)], policies, PLAIN, ids=torch.arange(batch), seed=0, epoch=0, **more
    )[0]


@each_pool
@settings(derandomize=True, deadline=None, max_examples=4)
@given(
    seed=st.integers(0, 10_000),
    training=st.booleans(),
    words=st.sampled_from([(), ("shuffle", "cut-features=0.3")]),
)
def test_padding_and_batch_mates_change_no_embedding(pool, seed, training, words):
    network = encoder(pool).train(training)
    batch = views(seed, words=words, num_views=1)[0]
    together = network(batch)
    for place, row in enumerate(batch):
        alone = network(row[None, : int(real(batch)[place].sum())])
        assert (alone[0] - together[place]).abs().max() < 1e-6
    longer = stacked([batch, batch.new_zeros(len(batch), batch.shape[1] + 9, 4)], pad=0)[0]
    assert (network(longer) - together).abs().max() < 1e-6


def test_sif_is_a_weighted_mean_in_which_special_tokens_weigh_nothing():
    network, batch = encoder("sif").eval(), views(3, num_views=1)[0]
    states, counts = network.states(batch).last.double(), torch.arange(PLAIN.size).double() ** 3
    for place, row in enumerate(batch):
        stands = [at for at in range(int(real(row[None]).sum())) if row[at, TOKEN] > 3]
        weights = torch.tensor([1e-3 / (1e-3 + counts[row[at, TOKEN]] / counts.sum()) for at in stands])
        by_hand = (states[place, stands] * weights[:, None].double()).sum(0) / weights.sum()
        torch.testing.assert_close(network(batch)[place].double(), by_hand, rtol=0, atol=1e-6)


def test_a_sentence_of_special_tokens_alone_has_a_finite_vector_under_sif():
    nothing = packed(
        text_rows(torch.zeros(1, 0, dtype=torch.long), torch.tensor([0])), first=1, last=2, pad=0
    )
    assert torch.equal(encoder("sif").eval()(nothing), torch.zeros(1, 16))


def test_nobody_pools_by_counts_that_nobody_made():
    network = encoder("mean")
    assert network.weights is None
    network.pool = "sif"
    with pytest.raises(InputError, match="nobody has counted them for this encoder"):
        network(views()[0])
    network.count(torch.ones(PLAIN.size, dtype=torch.long))
    assert network(views()[0]).shape == (4, 16)


def test_a_network_that_forgets_the_mask_is_noticed():
    network, batch = encoder("mean"), views(1, num_views=1)[0]
    broken = batch.clone()
    broken[..., PLACE] = broken[..., PLACE].clamp_min(0)  # padding taken for tokens
    short = real(batch).sum(1) < batch.shape[1]
    assert ((network(batch) - network(broken)).abs().amax(1) > 1e-4).tolist() == short.tolist()


def test_dropout_differs_in_every_pass_and_is_the_same_on_replay():
    network, two = encoder().train(), views()
    first, again = network(two.flatten(0, 1)), network(two.flatten(0, 1))
    assert torch.equal(first, again)
    assert ((first[:4] - first[4:]).abs().amax(1) > 1e-3).all()
    same = views(same_mask=True)
    equal = network(same.flatten(0, 1))
    assert torch.equal(equal[:4], equal[4:])


def test_evaluation_and_sentences_without_key_drop_nothing():
    network, two = encoder(), views()
    calm = network.eval()(two[0])
    assert torch.equal(network.eval()(two[1]), calm)
    torch.testing.assert_close(network.train()(without_dropout(two[0])), calm)
    torch.testing.assert_close(encoder(dropout=0.0).train()(two[0]), encoder(dropout=0.0).eval()(two[0]))


def test_masks_drop_their_share_and_two_layers_have_two_masks():
    keys = torch.arange(64) * 7919
    factor = kept(keys, share=0.25, site=3, width=30, per=20)
    assert (factor == 0).float().mean().item() == pytest.approx(0.25, abs=0.01)
    assert factor.max().item() == pytest.approx(1 / 0.75)
    assert factor.mean().item() == pytest.approx(1.0, abs=0.02)
    assert (
        random_bytes(keys, site=3, width=30, per=20) != random_bytes(keys, site=4, width=30, per=20)
    ).float().mean() > 0.99
    assert torch.equal(kept(keys, share=0.25, site=3, width=30, per=5), factor[:, :5])
    assert threshold(0.1) == 26
    for share in (1.0, 0.001):
        with pytest.raises(InputError, match=f"the share of dropout is {share}"):
            threshold(share)


@pytest.mark.parametrize("pool", [pool for pool in POOLS if pool != "sif"])
def test_pooling_by_hand(pool):
    network, batch = encoder(pool).eval(), views(3, num_views=1)[0]
    states, h = network.states(batch), network(batch)
    for place, row in enumerate(batch):
        n = int((row[:, PLACE] >= 0).sum())
        mine = [each[place, :n].double() for each in (states.embedded, states.first, states.last)]
        expected = {
            "cls": mine[2][0],
            "mean": mine[2].sum(0) / n,
            "embeddings-last": ((mine[0] + mine[2]) / 2).sum(0) / n,
            "first-last": ((mine[1] + mine[2]) / 2).sum(0) / n,
        }[pool]
        torch.testing.assert_close(h[place].double(), expected, rtol=1e-5, atol=1e-6)


def test_the_embedding_is_cut_as_the_view_says():
    network = encoder().train()
    batch = views(5, batch=2, words=("cut-tokens=0.5", "cut-features=0.25"), num_views=1)[0]
    seen = []
    network.trunk.drop.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    network(batch)
    for states, row in zip(seen[0], batch, strict=True):
        stands = row[:, PLACE] >= 0
        dead_rows = (states[stands] == 0).all(1)
        assert dead_rows.sum() == int(0.5 * stands.sum())
        assert (states[stands][~dead_rows] == 0).all(0).sum() == 4  # a quarter of 16 columns


def test_gradients_are_right_through_masks_and_attention():
    network = encoder(width=4, depth=1).double().train()
    batch = views(6, batch=2, most=3, num_views=1)[0]

    def out(weight):
        return torch.func.functional_call(network, {"trunk.tokens.weight": weight}, (batch,))

    weight = network.trunk.tokens.weight.detach().clone().requires_grad_()
    assert torch.autograd.gradcheck(out, (weight,), fast_mode=True)


def test_too_long_a_sentence_and_wrong_networks_are_refused():
    ids, lengths = torch.full((1, 20), 5), torch.tensor([20])
    batch = packed(text_rows(ids, lengths), first=1, last=2, pad=0)
    with pytest.raises(InputError, match="a sentence has 22 tokens, and the encoder positions for 16"):
        encoder(positions=16)(batch)
    with pytest.raises(
        InputError, match="there is no text encoder 'resnet18'; expected transformer, or hf:NAME"
    ):
        build_text_encoder(TextEncoderSettings(name="resnet18"), PLAIN)
    with pytest.raises(InputError, match="Linear is no network over tokens"):
        TextEncoder(torch.nn.Linear(2, 2), PLAIN)
    with pytest.raises(InputError, match="the heads must divide the width"):
        TextEncoderSettings(width=10, heads=4)


@pytest.fixture(scope="module")
def hub_folder(tmp_path_factory, torchvision_operators):
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=PLAIN.size,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
    )
    folder = tmp_path_factory.mktemp("bert")
    transformers.BertModel(config).save_pretrained(folder)
    return folder


@pytest.mark.slow  # transformers takes seconds to import
@pytest.mark.filterwarnings("ignore")
def test_a_model_in_the_layout_of_the_hub_is_an_encoder(hub_folder, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    network = build_text_encoder(TextEncoderSettings(name=f"hf:{hub_folder}", pool="mean"), PLAIN)
    batch = views(2)
    assert network.dim == 16
    calm = network.eval()(batch[0])
    alone = network(batch[0, :1, : int(real(batch[0])[0].sum())])
    assert (alone[0] - calm[0]).abs().max() < 1e-6
    network.train()
    state = torch.get_rng_state()
    first, again, other = network(batch[0]), network(batch[0]), network(batch[1])
    assert torch.equal(first, again)
    assert (first - other).abs().max() > 1e-3
    assert torch.equal(torch.get_rng_state(), state)
    torch.testing.assert_close(network(without_dropout(batch[0])), calm)
    shuffled = views(2, words=("shuffle",))
    assert (network.eval()(shuffled[0]) - calm).abs().max() > 1e-4
    with pytest.raises(InputError, match="cut-tokens and cut-features act inside the network of ours"):
        network(views(2, words=("cut-features=0.3",))[0])
    with pytest.raises(InputError, match="there is no model 'no-such-model-here'"):
        build_text_encoder(TextEncoderSettings(name="hf:no-such-model-here"), PLAIN)


def test_the_keys_of_a_batch_fill_its_padding():
    batch = views(1)
    assert (batch[..., KEY] == batch[:, :, :1, KEY]).all()
    assert isinstance(encoder().trunk, TextTransformer)
