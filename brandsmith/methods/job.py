"""One training that has been checked and may start: everything that can be known without weights."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from brandsmith.base.base import Base
from brandsmith.base.clip_skip import check_clip_skip
from brandsmith.base.distilled import refuse_training
from brandsmith.base.inpainting import refuse_inpainting
from brandsmith.base.licence_places import check_place
from brandsmith.base.noising import check_snr_weights
from brandsmith.base.sources import family_of, load_tokenizers, resolve_base
from brandsmith.concept.concept import Concept
from brandsmith.concept.crops import check_crops
from brandsmith.core.errors import InvalidConfig
from brandsmith.core.files import sha256_of
from brandsmith.core.notes import warn_once
from brandsmith.core.run import RunDirectory
from brandsmith.methods.attention_loss import check_attention_loss
from brandsmith.methods.buckets import LARGEST_ASPECT
from brandsmith.methods.continuing import Start, check_start, may_grow
from brandsmith.methods.flow_timesteps import check_timesteps
from brandsmith.methods.frozen_storage import check_frozen_storage
from brandsmith.methods.masks import digest_of_boxes
from brandsmith.methods.method import Words
from brandsmith.methods.optimizer_kinds import check_optimizer
from brandsmith.methods.preservation import check_preservation
from brandsmith.methods.processes import ALONE, Processes
from brandsmith.methods.registry import build_config, method_named
from brandsmith.methods.saved_state import check_saved_state
from brandsmith.methods.schedules import check_schedule
from brandsmith.methods.settings import TrainSettings
from brandsmith.methods.tokens import RARE_WORDS, check_apart, check_captions_fit, check_token_is_new


@dataclass(frozen=True)
class TrainingJob:
    """One training that has been checked and may start."""

    config: TrainSettings
    concept: Concept
    run: RunDirectory
    record: dict[str, Any]
    processes: Processes = ALONE
    start: Start | None = None
    """What the training starts from where that is not the base."""

    @property
    def words(self) -> Words:
        return words_of(self.concept)

    def begin(self) -> None:
        """Only under the run's lock."""
        self.run.start(self.record, defaults_of(self.config), equal_means)
        self.run.remove_leftovers()


def check_job(
    config: TrainSettings,
    concept: Concept,
    base: Base | str,
    run_dir: Path | str,
    processes: Processes = ALONE,
    start: Start | None = None,
) -> TrainingJob:
    """Check everything that can be checked without weights; writes nothing. Raises InvalidInput."""
    family = family_of(base)
    refuse_inpainting(base)
    if isinstance(base, str):
        refuse_training(base, resolve_base(base))
        check_place(base, resolve_base(base))
    method_named(config.method).check(config, family)
    check_frozen_storage(config, family, trains_base_weights=method_named(config.method).trains_base_weights)
    check_optimizer(config)
    check_clip_skip(base, config.clip_skip)
    check_schedule(config)
    check_preservation(config)
    check_snr_weights(family.noising, config.min_snr_gamma)
    check_timesteps(config, family.noising)
    tokenizers = load_tokenizers(base)
    check_tokens(tokenizers, words_of(concept).tokens, config)
    for own in concept.every:
        check_captions_fit(tokenizers, own, config.token_vectors)
        check_views(config, own)
    if start:
        check_start(config, base, start)
    check_attention_loss(config, concept, family)
    check_crops(concept, LARGEST_ASPECT if config.buckets else 1.0)
    run = RunDirectory(Path(run_dir))
    run.check_folder()
    record = {
        "base": base if isinstance(base, str) else base.name,
        "concept": describe_concept(concept),
        "settings": config.model_dump(mode="json"),
        **({"processes": processes.count} if processes.count > 1 else {}),
        **({"boxes": digest_of_boxes(concept.all_training_examples)} if config.attention_loss_weight else {}),
        **({"continues": start.adapter_hash} if start else {}),
    }
    run.check_config(record, defaults_of(config), equal_means)
    check_grown(config, run)
    check_saved_state(run, config.steps)
    return TrainingJob(config, concept, run, record, processes, start)


def words_of(concept: Concept) -> Words:
    """The words of a concept, and of those that are taught with it."""
    every = [Words(own.token, own.config.class_word, own.config.expected_text) for own in concept.every]
    return replace(every[0], others=tuple(every[1:]))


def check_tokens(tokenizers: Sequence[Any], tokens: Sequence[str], config: TrainSettings) -> None:
    """Raise InvalidConcept for a token that the base knows, or that meets another one of the training.

    A rare word that guides name is noted where the token stays text: it is taught as any word of several pieces is.
    """
    check_apart(tokens)
    for token in tokens:
        if token in RARE_WORDS and config.token_vectors is None:
            warn_once(f"token '{token}' is a word of the base that captions hardly use: what it means there changes")
            continue
        for tokenizer in tokenizers:
            check_token_is_new(tokenizer, token)


def check_views(config: TrainSettings, concept: Concept) -> None:
    """Raise InvalidConfig for views that would do nothing, or turn lettering round."""
    wanted = [name for name in ("mirror_views", "colour_views", "random_crop") if getattr(config, name)]
    if wanted and config.views == 1:
        raise InvalidConfig(f"{wanted[0]} is set, and views is 1", hint="set views too, such as views=8")
    if config.mirror_views and concept.config.expected_text:
        raise InvalidConfig(
            f"mirror_views would turn '{concept.config.expected_text}' round", hint="leave mirror_views out"
        )
    if config.random_crop and config.buckets:
        raise InvalidConfig(
            "random_crop does not go with buckets: they keep whole pictures", hint="leave one of them out"
        )


def check_grown(config: TrainSettings, run: RunDirectory) -> None:
    """Raise InvalidConfig when a finished run is to go on and has kept no state."""
    if run.status() == "finished" and config.steps > run.step() and not run.state_file.is_file():
        raise InvalidConfig(
            f"run '{run.folder}' is finished and kept no state to go on from",
            hint=f"train a new run with --from {run.folder}; keep_state keeps it the next time",
        )


def defaults_of(config: TrainSettings) -> dict[str, Any]:
    """As a run's record has them: an earlier version did not write the settings that came later."""
    return {"settings": build_config(config.method).model_dump(mode="json")}


def equal_means(have: Mapping[str, Any], want: Mapping[str, Any]) -> set[str]:
    """Keys of settings that may change when a run goes on: they change memory and time, not what is learnt."""
    free = {f"settings.{name}" for name in ("gradient_checkpointing", "offload_optimizer", "offload_blocks")}
    batches = ("settings.batch_size", "settings.accumulate")
    if all(key in known for key in batches for known in (have, want)):
        samples = {known[batches[0]] * known[batches[1]] for known in (have, want)}
        free |= set(batches) if len(samples) == 1 else set()
    free |= {"settings.keep_state"}
    return free | ({"settings.steps"} if may_grow(have, want) else set())


def describe_concept(concept: Concept) -> dict[str, Any]:
    """What of a concept a run depends on; `data` changes with any caption, picture or mask."""
    digest = hashlib.sha256()
    for example in concept.training_examples:
        digest.update(f"{example.caption}\n{sha256_of(example.image)}\n".encode())
        if (example.repeats, example.weight) != (1, 1.0):
            digest.update(f"{example.repeats} {example.weight:g}\n".encode())
        if example.mask:
            digest.update(sha256_of(example.mask).encode())
    return {
        "token": concept.token,
        "class_word": concept.config.class_word,
        "num_images": len(concept.training_examples),
        "data": digest.hexdigest()[:16],
        **({"also": [describe_concept(own) for own in concept.also]} if concept.also else {}),
    }
