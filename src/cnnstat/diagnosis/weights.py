"""The weights by which edits that all work are ranked, in bits: one bit more is half as likely.

A row has a weight, its condition, and the reason. If the condition is a number, the weight counts
for each unit of it. `ranking.py` and the kinds of edits in `edits/` compute what is weighed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Weight(Generic[T]):
    bits: float
    condition: Callable[[T], float]
    why: str


def total(table: Iterable[Weight[T]], subject: T) -> float:
    """The bits of all rows that apply to `subject`."""
    bits = 0.0
    for row in table:
        bits += row.bits * row.condition(subject)
    return bits


# The windows of a layer, one for each axis


@dataclass(frozen=True, slots=True)
class Window:
    """`reach` is the distance between the first and the last element that the kernel reads."""

    kernel: int
    stride: int
    padding: int
    reach: int
    is_transposed: bool

    @property
    def is_patch(self) -> bool:
        return self.kernel == self.stride

    @property
    def pads_otherwise(self) -> bool:
        """Whether it has a padding, and not the one that keeps the size at stride 1."""
        return self.padding not in (0, self.reach // 2)


IMPOSSIBLE = 20.0  # a width or kernel below 1, a negative padding
_POOLS = {(2, 2), (3, 2), (3, 1)}  # kernel and stride
_KERNELS = {1: 0.2, 2: 0.8, 3: 0.0, 4: 0.8, 5: 0.5, 7: 0.8}

POOLING: tuple[Weight[Window], ...] = (
    Weight(3.0, lambda w: w.stride > w.kernel, "it skips elements"),
    Weight(1.0, lambda w: w.kernel > 3, "pools are 2 or 3 wide"),
    Weight(1.0, lambda w: w.stride == 1 != w.kernel, "pools reduce the size"),
    Weight(2.0, lambda w: w.pads_otherwise, "padding keeps the size or is none"),
    Weight(1.0, lambda w: w.kernel == 1, "it pools nothing"),
    Weight(1.5, lambda w: (w.kernel, w.stride) not in _POOLS, "nearly all pools are one of these"),
)

CONVOLUTION: tuple[Weight[Window], ...] = (
    Weight(3.0, lambda w: w.kernel % 2 == 0 and not w.is_patch and not w.is_transposed,
           "an even kernel has no center"),
    Weight(-0.5, lambda w: w.is_patch and w.stride > 1, "patches are of any size"),
    Weight(3.0, lambda w: w.pads_otherwise and not w.is_transposed,
           "padding keeps the size or is none"),
    Weight(2.0, lambda w: w.stride > 2 and w.kernel < 7 and not w.is_patch,
           "strides above 2 belong to the large kernels that begin a network"),
    Weight(1.0, lambda w: w.kernel > 5 and w.stride == 1, "large kernels have a stride"),
    Weight(3.0, lambda w: w.stride > w.kernel and w.is_transposed, "it leaves holes"),
    Weight(2.0, lambda w: w.stride > w.kernel != 1, "it skips elements"),
    Weight(1.0, lambda w: _KERNELS.get(w.kernel, 1.5), "3 is the most frequent kernel, then 1"),
    Weight(0.4, lambda w: w.padding == 0 and w.kernel > 1 and w.stride == 1,
           "kernels above 1 mostly have padding"),
)  # fmt: skip

AXES_DIFFER = 1.5  # the windows of a layer are the same along all axes
KNOWN_WINDOW = 0.3  # at most, for a window that another layer has
NEW = 0.5  # a width or window that no other layer has

# The sizes of a layer

ODD_FACTOR = 1.6  # free: the factor 3 of 6, 12, 24, 96, 192
KNOWN_WIDTH = 0.5  # at most, for a width that another layer has

OUTPUT_SIZES: dict[Any, float] = {
    1: 0.0, (1, 1): 0.0,  # one value for each channel is usual
    7: 0.7, (7, 7): 0.7,  # VGG
    6: 1.0, (6, 6): 1.0,  # AlexNet
}  # fmt: skip
OTHER_OUTPUT_SIZE = 1.5
UNEQUAL_OUTPUT_SIZES = 1.0

STEP: tuple[Weight[float], ...] = (
    Weight(0.2, lambda octaves: abs(octaves - round(octaves)),
           "the next width is the same, the double or the half"),
    Weight(0.5, lambda octaves: min(max(abs(octaves) - 1, 0), 2), "steps of one octave at most"),
)  # fmt: skip
"""From one width to the next, in octaves."""
TURN = 0.4  # widths grow or shrink along a network, and seldom do both
NARROWING = 0.6  # a convolution with a window makes more channels, not fewer


# Edits


class Prior(Enum):
    """The bits of each kind of edit, to which those of its `Features` are added, and the reason."""

    LAYER_SETTING = 0.0, "most mistakes are a number that a layer is created with"
    WRITTEN_OUT_SIZE = 0.15, "16 * 5 * 5 for a layer: its value follows from what flows in"
    WRITTEN_OUT_ARGUMENT = 0.3, "the same for a function, where it may be another axis"
    FLATTENED_SIDES = 0.2, "the sides of a map follow from what runs before"
    FUNCTION_ARGUMENT = 0.5, "less often wrong than a setting"
    OUTPUT_PADDING = -0.6, "a transposed convolution of stride 2 makes 2n - 1 of n without it"
    UNWRITTEN_PADDING = 0.4, "a convolution loses its border without padding"
    UNWRITTEN_STRIDE = 0.8, "a stride that is not written was left out more often than forgotten"
    CEIL_MODE = 2.4, "few networks round up"
    BATCH_FIRST = -0.2, "most code has the batch first, and most layers of sequences do not"
    WIDTHS_OF_ATTENTION = -0.2, "keys of another width than the queries need kdim and vdim"

    VIEW_AND_LAYER = -1.2, "both follow from the map; who wrote its size twice changes both"
    STATE_BY_INPUT = 0.0, "a state has the batch of the input and the rows of the layer"
    STATE_BY_NUMBER = 0.2, "its number of rows or its width, and no size of the input"
    TABLE_BY_INPUT = -0.5, "a table of positions is as long as the input, an image as large"
    TABLE_SIZE = 0.5, "another number with which the table has the size that fits"
    JOINED_AXIS = -0.4, "without dim, cat joins along the batch"
    OTHER_FUNCTION = -0.2, "mm takes matrices; matmul takes any number of axes"
    MODE = -0.4, "the modes of interpolation are for one number of axes"
    LAYER_CLASS = -0.4, "BatchNorm2d behind a linear layer: its input has another number of axes"
    MAP_OF_NAME = -0.5, "the channels of a flattened map are a name, and its sides were forgotten"
    TWICE_A_NAME = -0.2, "both directions, or two parts that are concatenated"
    WIDTH_BEFORE = -0.6, "what the layer before was created with is what flows in"
    NAMESAKE = -0.4, "a constructor that takes an argument of this name passes it on"
    SCALE_FACTOR = -0.2, "maps that meet are enlarged to one size"
    WIDTHS_JOINED = -0.8, "what is concatenated is as wide as its parts together"
    OTHER_NAME = 0.0, "another name in scope has the value that fits"
    MULTIPLE_OF_NAME = 0.5, "a multiple or part of the name has it, or a sum of two"
    NUMBER_FOR_NAME = 1.2, "a number where a name was written fits one configuration alone"

    LOCAL_NUMBER = 2.0, "only the message connects it with the failure"

    FLATTENED = -1.0, "all elements of an example are exactly what the layer takes"
    FLATTENED_MAP = -0.2, "a linear layer behind a map takes all of its elements"
    POOLED = -0.4, "a classifier takes the mean of each channel, and its size fits that"
    MOVED_AXIS_IN_CODE = 0.0, "channels last, where the layer takes them first, or the reverse"
    MOVED_AND_BACK = -0.3, "the same, and what follows takes them as before"
    LINEAR_PER_POSITION = 2.4, "a linear layer for each position of a map, where nothing else runs"
    FORGOTTEN_AXIS = 0.3, "an axis of one channel or one step was forgotten, or is too many"
    BATCH_AXIS_IN_CODE = 1.3, "the batch axis is rather missing in the input"
    UNFLATTENED = 0.2, "a vector is the map that a convolution takes"
    TOKENS = 0.4, "the positions of a map are the steps of a sequence"
    STEPS_AS_BATCH = 0.5, "the frames of a video are examples for a layer of images"

    STRIDES = -1.0, "the elements fit, and reshape takes any strides"
    SQUEEZED_BATCH = -0.6, "squeeze() without an axis removes a batch of one example"
    CREATED_WITH_DTYPE = -0.2, "numpy and .double() make float64, layers have float32"
    CONVERSION = 0.4, "a tensor is converted where it is used"

    UNREAD_VARIABLE = -0.9, "what is computed is read"
    OTHER_VARIABLE = 1.0, "another variable of the function fits"
    UNCALLED_LAYER = -0.9, "a layer that is created is called"
    SWAPPED_ARGUMENTS = 0.0, "what a layer takes is written first, then what it returns"
    SUPERFLUOUS_AXES = 0.8, "who wrote it thought of the axes"
    ROWS_OF_VIEW = -0.2, "a view with -1 for the batch has its other sizes from smaller images"
    HALVES = 0.0, "mean and variance are the halves of one output"
    DROPPED_RESULT = -0.8, "a result that no name gets is lost, so nobody writes one"
    LATER_STATEMENT = 0.1, "what the layer needs is computed, one line too late"
    EARLIER_STATEMENT = -0.6, "a name is computed anew before another one that follows from it"
    UNPOOLED_SIZE = -0.5, "two sizes of a map are pooled to one, and unpooling needs to know which"
    SUBSCRIPTS = -0.4, "a weight is written with its axes in one order and read in the other"
    PADDING_MASK = -0.6, "a mask for each example is that of its padding"
    BATCH_IN_VIEW = -0.3, "a view with a 1 for the batch was written for one example"
    ASSIGNED_LAYER = -0.8, "a size that is assigned changes no weight"
    STATES = -0.3, "an LSTM has two states, and each an axis of layers"
    UNPACKED = -0.5, "recurrent layers and attention return a pair"
    LAST_STATE = 0.0, "the state of an LSTM: of the pair the first, of it the last layer"
    ITEM = 0.2, "the value is a tuple or dict, of which one item is meant"
    RETURN = -0.5, "a function without return returns None"
    CREATED_AND_CALLED = -0.5, "nn.ReLU(x) is a layer, nn.ReLU()(x) is its output"
    SEQUENTIAL = -0.3, "layers in a row that are called as one"
    LOOP = -0.2, "the same, written out"
    BRACKETS = -0.5, "cat takes one list"
    IDENTITY = -0.4, "a layer that does nothing is nn.Identity()"
    JOINED_INPUTS = 0.3, "layers in a row take one tensor"
    STAR = -0.4, "the items of a list are the arguments"

    MISSPELT = -1.0, "an existing name is close to the one that does not exist"
    FUNCTION_OF_LAYER = -0.6, "an activation has no parameters: its function does the same"
    SELF = -1.1, "self. was forgotten where the attribute is read or assigned"
    IMPORT = -1.0, "most files import this by the same name"
    CLASS_DEFINITION = -0.8, "nn.Module asks for super().__init__(), self and a method forward"
    TRAILING_COMMA = -0.9, "a comma at the end of a line makes a tuple"
    SIZE_OF_AXIS = -1.0, "size is a method, shape is a tuple"
    FLOAT_SIZE = -0.9, "sizes are whole numbers, and / makes a float"
    SYNTAX = -1.0, "with one more sign it parses"

    OTHER_AXIS = -0.6, "a table is cut to the length of the sequence, not to the batch"
    TRANSPOSED = -0.3, "a product of rows with rows needs one side transposed"
    BROADCAST_AXIS = -0.3, "weights for channels have no sides yet"
    RESIZED_ROUNDED = -1.0, "sides are halved, rounded down, and doubled: any size runs then"
    PADDED = -0.8, "the same, with zeros at the border"
    RESCALED = 0.8, "an upper level of a pyramid has half the sides"
    RESIZED = 0.3, "maps of a decoder are resized to those of the encoder"
    PROJECTED = -0.3, "a shortcut past layers that change the size has a layer of 1×1"

    INDICES = 0.2, "an embedding takes int64"
    DTYPE = 0.6, "an input of another dtype"
    SECOND_EXAMPLE = 0.4, "a norm in training needs more than one value for each channel"
    UNBATCHED = 0.0, "the first convolution took the input for a single map"
    BATCH_AXIS = 1.0, "a batch axis was forgotten"
    CHANNEL_AXIS = 1.1, "a channel axis was forgotten"
    BATCH_AND_CHANNEL_AXES = 1.3, "both were forgotten"
    CHANNELS_LAST = -0.5, "channels are last, and their number is that which the layer takes"
    MOVED_AXIS = 1.2, "channels are last, and their number does not fit"
    INPUT_SIZE = 1.5, "another number of channels or features"
    FLATTENED_INPUT = 2.0, "the model takes vectors"
    INPUT_LENGTH = 1.2, "a sequence is longer than the table of positions"
    INPUT_SIDES = 2.0, "an image of another size"
    NUMBER_OF_INPUTS = 0.5, "forward takes more or fewer"

    def __init__(self, bits: float, why: str) -> None:
        self.bits = bits
        self.why = why


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """The properties of an edit that are weighed; each kind of edit sets those that it has."""

    prior: Prior
    surprisal: float = 0.0  # of the changed layers, less that before the change
    is_elsewhere: bool = False
    further_layers: int = 0
    further_places: int = 0  # of the source that change with it
    becomes_pointwise: bool = False
    projects_shortcut: bool = False  # a layer beside others gets a kernel of 1
    stride_and_width: bool = False  # one of the two changes alone
    others_write_it: bool = False  # the other layers of a model have the argument that is added
    is_residual: bool = False  # a sum with the input of the block
    loses_padding: bool = False
    gains_padding: bool = False  # where 0 was written
    is_largest_padding: bool = False  # that a pool allows, where more was written
    multiplies_again: bool = False  # a transposed convolution now multiplies the sides exactly
    overshoots: bool = False  # it no longer does
    changes_window: bool = False
    was_planned: bool = False
    is_chosen: bool = False
    further_back: int = 0  # names in scope between the number and the failure
    joins_branches: bool = False
    is_half_precision: bool = False
    change: float = 0.0  # of a number `ranking.relative_change`, of an input the octaves
    added_inputs: int = 0
    is_undecided: bool = False  # whether it fits is found by tracing only
    is_short_view: bool = False
    width_surprisal: float = 0.0
    is_default: bool = False  # the number is the default of an argument
    input_is_argument: bool = False  # the model takes the size of the input as an argument


OF_INPUTS = {
    Prior.INPUT_SIZE, Prior.FLATTENED_INPUT, Prior.INPUT_SIDES, Prior.NUMBER_OF_INPUTS,
    Prior.MOVED_AXIS, Prior.INPUT_LENGTH,
}  # fmt: skip
"""Other inputs, of which many fit; not the axes that are usual."""

EDIT: tuple[Weight[Features], ...] = (
    Weight(1.0, lambda e: e.prior.bits, "some kinds of edits are more frequent"),
    Weight(1.0, lambda e: e.surprisal, "networks are like other networks"),
    Weight(0.3, lambda e: e.is_elsewhere, "mistakes are mostly where the run fails"),
    Weight(0.1, lambda e: e.further_layers**0.5, "it changes further layers"),
    Weight(0.3, lambda e: e.further_places, "it changes further places"),
    Weight(1.0, lambda e: e.becomes_pointwise, "the kernel no longer sees its neighborhood"),
    Weight(-0.5, lambda e: e.projects_shortcut, "shortcuts have a kernel of 1"),
    Weight(0.5, lambda e: e.stride_and_width, "where a map is halved its channels are doubled"),
    Weight(1.7, lambda e: e.others_write_it, "a layer without it has a kernel of 1"),
    Weight(2.0, lambda e: e.is_residual, "layers beside the identity keep the size of the map"),
    Weight(0.8, lambda e: e.loses_padding, "who wants no padding does not write it"),
    Weight(0.6, lambda e: e.gains_padding, "nor does who wants it write that there is none"),
    Weight(-3.0, lambda e: e.is_largest_padding, "who writes too much padding wants some"),
    Weight(-1.0, lambda e: e.multiplies_again, "sides are doubled, not doubled and one"),
    Weight(2.0, lambda e: e.overshoots, "other inputs, of even sides, no longer fit"),
    Weight(0.7, lambda e: e.was_planned, "the size was computed, so the map before it is wrong"),
    Weight(0.1, lambda e: e.is_chosen, "the size of an input follows, that of an output is chosen"),
    Weight(0.1, lambda e: e.further_back, "numbers near the failure have more to do with it"),
    Weight(1.5, lambda e: e.joins_branches, "sizes where branches join follow from the layers"),
    Weight(1.0, lambda e: e.is_half_precision, "float32 is usual"),
    Weight(1.0, lambda e: e.change * (e.prior is not Prior.LOCAL_NUMBER), "small changes first"),
    Weight(3.0, lambda e: e.change * (e.prior is Prior.LOCAL_NUMBER), "nothing else ranks them"),
    Weight(1.0, lambda e: e.added_inputs, "as few inputs as the error allows"),
    Weight(3.0, lambda e: e.is_undecided, "the record does not show whether it fits"),
    Weight(0.3, lambda e: e.is_short_view, "rows of fewer than 8 elements are rare"),
    Weight(0.1, lambda e: e.width_surprisal, "a number may be a width"),
    Weight(3.0, lambda e: e.input_is_argument, "the model was created for an input of this size"),
)

ALTERNATIVE: tuple[Weight[Features], ...] = (
    Weight(1.7, lambda e: e.changes_window, "kernels and strides are chosen, and not to fit"),
    Weight(1.2, lambda e: e.prior in OF_INPUTS, "the input is what the model is for"),
    Weight(1.0, lambda e: e.is_chosen, "widths are chosen, and not to fit"),
    Weight(1.7, lambda e: e.is_default, "the arguments of a model say what it is for"),
    Weight(1.7, lambda e: e.prior is Prior.NUMBER_FOR_NAME, "a name fits other configurations"),
    Weight(2.0, lambda e: e.prior is Prior.OTHER_VARIABLE, "a call says which tensors it is for"),
    Weight(3.5, lambda e: e.prior is Prior.STAR, "it keeps a tuple that nobody meant"),
)
"""What is weighed as well before an edit is shown below a better one."""


# What a fix does


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """The properties of the network that an edit leaves, as the run with it shows."""

    over_the_sides: bool = False
    channels_as_examples: bool = False
    mixes_the_batch: bool = False
    fixes_the_batch: bool = False
    classifies_positions: bool = False


EFFECT: tuple[Weight[Effects], ...] = (
    Weight(20.0, lambda e: e.over_the_sides, "the columns of a map are no features"),
    Weight(20.0, lambda e: e.channels_as_examples, "the channels of a single map are no batch"),
    Weight(20.0, lambda e: e.mixes_the_batch, "a row of the output is of one example"),
    Weight(3.0, lambda e: e.classifies_positions, "a classifier has one output for each example"),
    Weight(3.0, lambda e: e.fixes_the_batch, "the last batch of a data set is smaller"),
)

MISLEADING = 12.0
"""Edits of at least these bits are not shown: with them it runs, and is not what was meant."""
