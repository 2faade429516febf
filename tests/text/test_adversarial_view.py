"""The adversarial view of sentences: where it moves, by finite differences of the method's own loss."""

import pytest
import torch

from contrascope.encoders.settings import ProjectorSettings
from contrascope.errors import InputError
from contrascope.methods.build import build_method
from contrascope.methods.text.adversarial import adversarial_offset
from contrascope.methods.text.consert_settings import ConSERTSettings
from contrascope.methods.text.simcse_settings import SimCSESettings
from contrascope.text.encoder import build_text_encoder
from contrascope.text.packed import real
from contrascope.text.settings import TextEncoderSettings
from contrascope.text.vocabulary import Vocabulary
from contrascope.training.text_views import text_views

PLAIN = Vocabulary.of(["[PAD]", "[CLS]", "[SEP]", "[MASK]", *(f"w{k}" for k in range(30))])
HEAD = ProjectorSettings(hidden=(), out=8, activation="tanh", activation_out=True)


def method_of(settings, seed=0):
    torch.manual_seed(seed)
    encoder = build_text_encoder(TextEncoderSettings(width=8, depth=1, heads=2), PLAIN)
    return build_method(settings, encoder).double().train()


def views_of(method, epoch=0):
    source = torch.Generator().manual_seed(1)
    rows = torch.randint(4, PLAIN.size, (4, 7), generator=source), torch.tensor([3, 7, 5, 6])
    maker = text_views(method, ((), ()), PLAIN, num_views=2, seed=0)
    return maker((rows,), ids=torch.arange(4), epoch=epoch)


def loss_with(method, views, offset):
    """The method's loss, its embeddings moved by hand."""
    with method.encoder.trunk.moved(offset):
        return method.terms(method.embed(views)[1], None).total.item()


@pytest.mark.parametrize(
    "settings", [ConSERTSettings(adversarial=0.3), SimCSESettings(projector=HEAD, adversarial=0.3)]
)
def test_each_token_of_view_one_is_moved_by_its_length_along_the_slope_of_the_loss(settings):
    method = method_of(settings)
    views = views_of(method)
    offset = adversarial_offset(method, method.encoder, views, size=0.3).unflatten(0, (2, 4))
    stands = real(views.groups[0][0])
    torch.testing.assert_close(offset[0].norm(dim=-1)[stands], torch.full((int(stands.sum()),), 0.3).double())
    assert not offset[0][~stands].any()
    assert not offset[1].any()
    for sentence, token in ((0, 0), (1, 3), (2, 6)):
        slope = []
        for entry in range(8):
            ends = []
            for sign in (1, -1):
                moved = torch.zeros_like(offset)
                moved[0, sentence, token, entry] = sign * 1e-5
                ends.append(loss_with(method, views, moved.flatten(0, 1)))
            slope.append((ends[0] - ends[1]) / 2e-5)
        slope = torch.tensor(slope).double()
        torch.testing.assert_close(
            offset[0, sentence, token], 0.3 * slope / slope.norm(), rtol=1e-4, atol=1e-6
        )


def test_the_loss_of_a_step_is_that_of_the_moved_view_and_larger():
    method = method_of(ConSERTSettings(adversarial=0.05))
    views = views_of(method)
    plain = loss_with(method, views, torch.zeros(8, 9, 8).double())
    offset = adversarial_offset(method, method.encoder, views, size=0.05)
    found = method(views).terms.total
    assert found.item() == pytest.approx(loss_with(method, views, offset), rel=1e-12)
    assert found.item() > plain
    found.backward()
    assert method.encoder.trunk.tokens.weight.grad.any()
    assert method_of(ConSERTSettings())(views).terms.total.item() == pytest.approx(plain, rel=1e-12)


def test_it_repeats_to_the_bit_and_is_another_in_another_epoch():
    method = method_of(ConSERTSettings(adversarial=0.1))
    one, again, other = views_of(method), views_of(method), views_of(method, epoch=1)
    first = adversarial_offset(method, method.encoder, one, size=0.1)
    assert torch.equal(first, adversarial_offset(method, method.encoder, again, size=0.1))
    assert not torch.equal(first, adversarial_offset(method, method.encoder, other, size=0.1))
    assert torch.equal(method(one).terms.total, method_of(ConSERTSettings(adversarial=0.1))(one).terms.total)
    assert all(parameter.grad is None for parameter in method.parameters())


def test_nothing_is_moved_while_a_method_is_measured():
    method = method_of(ConSERTSettings(adversarial=0.5))
    views, plain = views_of(method), method_of(ConSERTSettings())
    method.eval(), plain.eval()
    assert torch.equal(method(views).terms.total, plain(views).terms.total)
    method.train()
    with torch.no_grad():
        assert torch.equal(method(views).terms.total, plain.train()(views).terms.total)


def test_what_cannot_be_moved_is_refused():
    with pytest.raises(InputError, match=r"method.adversarial is -1.0; expected a length of 0 or more"):
        ConSERTSettings(adversarial=-1.0)
    with pytest.raises(InputError, match="moves all views in one pass"):
        ConSERTSettings(adversarial=0.1, joint_pass=False)
    method = method_of(ConSERTSettings(adversarial=0.1))
    assert "the loss of the whole batch" in method.parts_problem()
    assert method_of(ConSERTSettings()).parts_problem() is None
