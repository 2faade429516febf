"""Models of sentence-transformers under its trainer, with the diagnosis as an evaluator."""

import doctest

import pytest
import torch

from contrascope.errors import InputError

pytestmark = pytest.mark.filterwarnings("ignore")
WORDS, TEXTS = 40, 128


@pytest.fixture(autouse=True)
def _importable(torchvision_operators):
    pytest.importorskip("sentence_transformers", reason="the extra `sentence` is not installed")


def texts(*, seed):
    """Pairs of texts: three words of one meaning in both, and four of each one's own."""
    drawn = torch.Generator().manual_seed(seed)
    shared = torch.randint(0, WORDS, (TEXTS, 3), generator=drawn)
    own = torch.randint(WORDS, 2 * WORDS, (2, TEXTS, 4), generator=drawn)
    return [
        [
            " ".join(f"w{word}" for word in (*kept, *mine))
            for kept, mine in zip(shared.tolist(), view, strict=True)
        ]
        for view in own.tolist()
    ]


def model():
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer, models, pre_tokenizers

    known = {f"w{word}": word for word in range(2 * WORDS)} | {"unknown": 2 * WORDS}
    tokenizer = Tokenizer(models.WordLevel(known, unk_token="unknown"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    weights = 0.1 * torch.randn(2 * WORDS + 1, 16, generator=torch.Generator().manual_seed(5))
    return SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_weights=weights)], device="cpu")


def evaluator_with(**options):
    from contrascope.integrations.sentence_transformers import DiagnosisEvaluator

    return DiagnosisEvaluator(texts(seed=1), **{"on_error": "raise", **options})


def trainer_for(trained, folder, evaluator, *, epochs, spoilt_at=99):
    import datasets
    from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
    from transformers import TrainerCallback

    class Spoils(TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            if state.global_step >= spoilt_at:
                with torch.no_grad():
                    trained[0].embedding.weight.fill_(0.1)

    anchors, positives = texts(seed=2)
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(folder),
        num_train_epochs=epochs,
        per_device_train_batch_size=32,
        learning_rate=0.05,
        lr_scheduler_type="constant",
        eval_strategy="epoch",
        save_strategy="epoch",
        logging_strategy="epoch",
        load_best_model_at_end=True,
        metric_for_best_model="eval_contrascope/score",
        report_to=[],
        disable_tqdm=True,
        use_cpu=True,
    )
    return SentenceTransformerTrainer(
        model=trained,
        args=arguments,
        train_dataset=datasets.Dataset.from_dict({"anchor": anchors, "positive": positives}),
        evaluator=evaluator,
        loss=MultipleNegativesRankingLoss(trained),
        callbacks=[Spoils(), evaluator.callback],
    )


def test_a_collapse_half_way_is_stopped_and_the_best_model_is_from_before(tmp_path):
    evaluator = evaluator_with(on_alarm="stop", out=tmp_path / "run")
    monitor, trained = evaluator.monitor, model()
    trainer = trainer_for(trained, tmp_path, evaluator, epochs=8, spoilt_at=17)
    trainer.train()
    assert trainer.state.global_step == 24
    assert [row["contrascope/sound"] for row in monitor.history] == ["sound"] * 4 + ["unsound"] * 2
    assert {row["contrascope/learning"] for row in monitor.history[2:4]} == {"learning"}
    assert trainer.state.best_global_step == monitor.best <= 16
    assert trainer.state.best_metric == pytest.approx(monitor.best_score)
    loaded = evaluator_with()(trainer.model)
    assert loaded["contrascope/score"] == pytest.approx(monitor.best_score)
    assert (tmp_path / "run" / "metrics.jsonl").exists()


def test_a_resumed_training_keeps_the_history(tmp_path):
    first, again = evaluator_with(), evaluator_with()
    trainer_for(model(), tmp_path, first, epochs=2).train()
    trainer_for(model(), tmp_path, again, epochs=3).train(resume_from_checkpoint=True)
    assert [row["contrascope/step"] for row in again.monitor.history] == [4, 8, 12]
    assert again.monitor.history[:2] == first.monitor.history


def test_the_rows_are_those_that_the_model_encodes_and_a_failed_measurement_has_no_score(capsys):
    first, second = texts(seed=1)
    trained = model()
    evaluator = evaluator_with(reference=None)
    found = evaluator(trained, steps=3)
    h = torch.stack([trained.encode(view, convert_to_tensor=True) for view in (first, second)])
    import contrascope

    beside = contrascope.diagnose(h, draws=0).signals.h
    assert found["contrascope/h/retrieval"] == pytest.approx(beside.views.retrieval.value)
    assert found["contrascope/h/rank"] == pytest.approx(beside.effective_rank, rel=1e-4)
    assert evaluator(trained)["contrascope/step"] == 4
    broken = evaluator_with(on_error="say")
    trained.preprocess = None
    assert broken(trained) == {"contrascope/score": -14.0, "contrascope/stop": 0.0}
    assert "this measurement failed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("views", "options", "said"),
    [
        (["a b", "b a"], {}, "views is text"),
        ([["a"] * 20], {}, r"the views have \[20\] texts; expected two"),
        ([["a"] * 20, ["b"] * 19], {}, r"the views have \[20, 19\] texts"),
        ([["a"] * 9, ["b"] * 9], {}, r"the views have \[9\] images; expected equally many and at least 16"),
        ([["a"] * 20, ["b"] * 20], {"encoder": "0"}, "encoder cannot be chosen here"),
        ([["a"] * 20, ["b"] * 20], {"reference": "twin"}, "reference is 'twin'"),
    ],
)
def test_wrong_arguments_are_refused_when_it_is_made(views, options, said):
    from contrascope.integrations.sentence_transformers import DiagnosisEvaluator

    with pytest.raises(InputError, match=said):
        DiagnosisEvaluator(views, **options)


def test_the_docstrings_run():
    from contrascope.integrations import sentence_transformers

    found = doctest.testmod(sentence_transformers)
    assert (found.failed, found.attempted) == (0, 2)
