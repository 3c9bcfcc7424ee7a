"""Default inputs of models of transformers, with sizes from the configuration."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

from ...errors import UsageError
from ...inputs import InputSpec

MAX_TOKENS = 2048
"""Tokens of the default input, or fewer if the model has fewer positions."""

_SIZED_INPUTS = ("input_ids", "pixel_values", "input_values", "input_features")
"""The inputs whose size is determined by a configuration."""

_SUBCONFIGS = (
    "", "text_config", "vision_config", "audio_config", "encoder", "decoder", "backbone_config",
    "vision_encoder_config", "text_encoder", "audio_encoder",
)  # fmt: skip


def missing_inputs(
    spec: str, model: Any, positional: Sequence[Any], named: Mapping[str, Any]
) -> dict[str, Any]:
    """The keyword inputs to add to the user's; without any from the user, all default inputs.

    To the user's inputs of an encoder-decoder, only `decoder_input_ids` is added.

    Raises:
        UsageError: there is no input and no default, or token ids are not integers.
    """
    parameters = inspect.signature(model.forward).parameters
    provided = dict(zip(parameters, positional, strict=False)) | dict(named)
    _check_ids(provided)
    batch = next((value.shape[0] for value in provided.values() if _has_shape(value)), 1)
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    names = [name for name, p in parameters.items() if p.kind not in variadic]
    required = [name for name in names if parameters[name].default is inspect.Parameter.empty]
    defaults = _Defaults(model, names, required, batch).inputs()
    if provided:
        decoded = {"decoder_input_ids", "decoder_inputs_embeds", "labels"} & set(provided)
        return {
            name: value
            for name, value in defaults.items()
            if name == "decoder_input_ids" and not decoded
        }
    unknown = [name for name in required if name not in defaults]
    if unknown or not defaults:
        unknown = unknown or [model.main_input_name]
        known = [f"--input {value}" for value in defaults.values()]
        raise UsageError(
            f"{spec} needs an input: its configuration does not tell the size of "
            + " and ".join(unknown),
            f"{type(model).__name__} takes {', '.join(names)}",
            hint=" ".join([*known, *(f"--input {name}=SIZES" for name in unknown)]),
        )
    return defaults


def _has_shape(value: Any) -> bool:
    return hasattr(value, "shape") and len(value.shape) > 0


def _check_ids(inputs: Mapping[str, Any]) -> None:
    for name, value in inputs.items():
        dtype = str(getattr(value, "dtype", "int64")).removeprefix("torch.")
        if name.endswith("input_ids") and dtype not in ("int64", "int32"):
            sizes = ",".join(map(str, value.shape))
            raise UsageError(
                f"{name} holds token ids, whole numbers, not {dtype}",
                hint=f"--input {name}={sizes}:int64",
            )


class _Defaults:
    """The default inputs of one model for one batch size."""

    def __init__(self, model: Any, names: list[str], required: list[str], batch: int) -> None:
        self.model = model
        self.names = names
        self.required = required
        self.batch = batch
        self.dtype = str(getattr(model, "dtype", "float32")).removeprefix("torch.")

    def inputs(self) -> dict[str, InputSpec]:
        main = self.model.main_input_name
        if main not in self.names:
            main = next((name for name in _SIZED_INPUTS if name in self.names), main)
        found = {main: self._shape(main)}
        for name in _SIZED_INPUTS:
            if name in self.required or (self._is_pair() and name in self.names):
                found.setdefault(name, self._shape(name))
        if getattr(self.model.config, "is_encoder_decoder", False):
            found["decoder_input_ids"] = self._shape("decoder_input_ids")
        return {
            name: InputSpec(shape, "int64" if name.endswith("_ids") else self.dtype, name)
            for name, shape in found.items()
            if _is_shape(shape) and name in self.names
        }

    def _is_pair(self) -> bool:
        """Whether it compares text with images or sound in two towers, and so needs both inputs."""
        config = self.model.config
        other = hasattr(config, "vision_config") or hasattr(config, "audio_config")
        return other and hasattr(config, "text_config") and not self.model.can_generate()

    def _shape(self, name: str) -> tuple[int, ...] | None:
        try:
            return self._shape_by_fields(name)
        except (TypeError, ValueError, LookupError):  # fields of other types than they should have
            return None

    def _shape_by_fields(self, name: str) -> tuple[int, ...] | None:
        if name.endswith("input_ids"):
            return (self.batch, self._tokens(name.startswith("decoder_")))
        if name == "pixel_values":
            return self._image()
        if name in ("input_values", "input_features"):
            return self._sound(name)
        return None

    def _tokens(self, decoded: bool) -> int:
        of_decoder = ("max_target_positions",) if decoded else ()
        known = (
            *of_decoder,
            "max_position_embeddings",
            "n_positions",
            "max_seq_len",
            "max_seq_length",
        )
        positions = int(self._field(*known) or 512)
        # Models like RoBERTa number positions from 2: 514 positions are for 512 tokens.
        offset = 2 if positions > 2 and (positions - 2).bit_count() == 1 else 0
        return min(positions - offset, MAX_TOKENS)

    def _image(self) -> tuple[int, ...]:
        size = self._field("image_size", "input_size") or 224
        sides = _pair(size)
        channels = self._field("num_channels", "in_channels", "in_chans") or 3
        frames = self._field("num_frames") if "Video" in type(self.model).__name__ else None
        return (self.batch, *([frames] if frames else []), channels, *sides)

    def _sound(self, name: str) -> tuple[int, ...]:
        bins = self._field("num_mel_bins")
        if bins and name == "input_features":  # Whisper: each source position covers two frames
            return (self.batch, bins, 2 * (self._field("max_source_positions") or 1500))
        if bins and (length := self._field("max_length")):  # a spectrogram as an image
            return (self.batch, length, bins)
        if name == "input_features":
            width = self._field("feature_projection_input_dim", "input_feat_per_channel") or 80
            return (self.batch, 1000, width)  # 10 s of frames of 10 ms
        channels = self._field("audio_channels") or 1
        codec = (
            self._field("codebook_size", "audio_channels") is not None
        )  # has a dimension of channels
        samples = self._field("sampling_rate", "sample_rate") or 16_000  # one second
        return (self.batch, *([channels] if codec else []), samples)

    def _field(self, *names: str) -> Any:
        for part in _SUBCONFIGS:
            config = getattr(self.model.config, part, None) if part else self.model.config
            for name in names:
                value = getattr(config, name, None)
                if value is not None:
                    return value
        return None


def _is_shape(shape: Any) -> TypeGuard[tuple[int, ...]]:
    """Whether the sizes are numbers: the fields of a configuration may be anything."""
    return shape is not None and all(type(size) is int and size > 0 for size in shape)


def _pair(size: Any) -> tuple[int, int]:
    if isinstance(size, Mapping):
        return size.get("height", 224), size.get("width", 224)
    if isinstance(size, list | tuple):
        return size[0], size[-1]
    return size, size
