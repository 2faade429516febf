"""Is a representation sound, is it learning, is it useful?"""

from dataclasses import replace
from typing import Any

from contrascope.data.memory import Labels
from contrascope.diagnosis.diagnosis import Diagnosis
from contrascope.diagnosis.diagnosis import diagnose as diagnose_arrays
from contrascope.diagnosis.settings import DiagnosisSettings
from contrascope.errors import InputError
from contrascope.extras import named_extras
from contrascope.features.rows import are_rows
from contrascope.progress import Progress, silent
from contrascope.verbs.given import Device, Policy, policy_of


def diagnose(
    h: Any,
    z: Any = None,
    labels: Labels = None,
    *,
    images: Any = None,
    policy: Policy = None,
    reference: Any = None,
    reference_z: Any = None,
    step: int | None = None,
    settings: DiagnosisSettings | None = None,
    draws: int | None = None,
    seed: int = 0,
    method: Any = None,
    device: Device = None,
    progress: Progress = silent,
) -> Diagnosis:
    """Say whether a representation is sound and learning, without labels, and useful, with a few.

    Of embeddings, a run, a file, an encoder or a model. Embeddings: `diagnose(h, z, labels)`, [n dim] or
    [views n dim]; with `reference`, what the same model gives with random weights for the same views, it can be said
    whether it has learnt. Anything else stands in place of `h`: `diagnose("runs/x")`, `diagnose(model, images,
    policy=...)`; a run has its own images and policy. `draws` and `seed` are of the intervals, in place of `settings`.

    >>> import contrascope, torch
    >>> print(contrascope.diagnose([[0.0, 1.0]] * 30, draws=0).verdict.sound)
    unsound: few distinct rows
    >>> found = contrascope.diagnose(torch.nn.Flatten(), torch.rand(20, 1, 8, 8), policy="digits", draws=0)
    >>> found.verdict.learning.word
    'cannot be told'
    """
    chosen = DiagnosisSettings(seed=seed) if settings is None else settings
    chosen = chosen if draws is None else replace(chosen, draws=draws)
    if are_rows(h):
        if images is not None or policy is not None or isinstance(labels, str):
            raise InputError(
                "embeddings in memory take no images, no policy and no column by name: give labels=VALUES."
            )
        values: Any = labels
        return diagnose_arrays(
            h,
            z,
            values,
            reference=reference,
            reference_z=reference_z,
            method=method,
            draws=chosen.draws,
            seed=chosen.seed,
        )
    if reference is not None or reference_z is not None:
        raise InputError(
            "a reference stands beside embeddings; what has networks makes its own. Leave it out."
        )
    return _of_subject(
        h,
        data=z if images is None else images,
        policy=policy,
        labels=labels,
        step=step,
        settings=chosen,
        device=device,
        progress=progress,
    )


@named_extras()
def _of_subject(
    thing: Any,
    *,
    data: Any,
    policy: Policy,
    labels: Labels,
    step: int | None,
    settings: DiagnosisSettings,
    device: Device,
    progress: Progress,
) -> Diagnosis:
    # what opens runs and images is slow to import, and embeddings need neither
    from contrascope.subjects.diagnose import diagnose_subject
    from contrascope.subjects.open import open_subject

    subject = open_subject(thing, data=data, policy=policy_of(policy), labels=labels, step=step)
    return diagnose_subject(subject, settings=settings, device=device, progress=progress).diagnosis
