"""The grammar of `--input` and of `--arg`."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cnnstat.call_arguments import Inputs, parse_arguments
from cnnstat.cli.shared_options import arguments_of
from cnnstat.errors import UsageError
from cnnstat.inputs import (  # fmt: skip
    DTYPES,
    InputFunction,
    InputSpec,
    InputValue,
    format_shape,
    parse_argument,
    parse_input,
    parse_inputs,
)


@pytest.mark.parametrize(
    ("text", "shape", "dtype", "name"),
    [
        ("1,3,224,224", (1, 3, 224, 224), "float32", None),
        ("1x3x224x224", (1, 3, 224, 224), "float32", None),
        ("1×3×224×224", (1, 3, 224, 224), "float32", None),  # as the reports write it
        ("1,3x224x224", (1, 3, 224, 224), "float32", None),
        (" 1, 3 ", (1, 3), "float32", None),
        ("(1,3,32,32)", (1, 3, 32, 32), "float32", None),
        ("[1, 3, 32, 32]", (1, 3, 32, 32), "float32", None),
        ("torch.Size([1, 3, 32, 32])", (1, 3, 32, 32), "float32", None),
        ("((1, 3),)", (1, 3), "float32", None),
        ("(7,)", (7,), "float32", None),
        ("ids=(1, 128):int64", (1, 128), "int64", "ids"),
        ("7", (7,), "float32", None),
        ("1,128:int64", (1, 128), "int64", None),
        ("ids=1,128", (1, 128), "float32", "ids"),
        ("ids=1,128:int64", (1, 128), "int64", "ids"),
        ("_x2=1x1:bool", (1, 1), "bool", "_x2"),
        ("x=1x1", (1, 1), "float32", "x"),  # `x` is a name here and a separator there
    ],
)
def test_input(text: str, shape: tuple[int, ...], dtype: str, name: str | None) -> None:
    assert parse_input(text) == InputSpec(shape, dtype, name)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_is_one_of_torch(dtype: str) -> None:
    import torch

    assert isinstance(getattr(torch, dtype), torch.dtype)
    assert parse_input(f"2,3:{dtype}").dtype == dtype


@given(
    st.builds(
        InputSpec,
        st.lists(st.integers(1, 10**6), min_size=1, max_size=5).map(tuple),
        st.sampled_from(DTYPES),
        st.none() | st.from_regex(r"[A-Za-z_][A-Za-z_0-9]{0,8}", fullmatch=True),
    )
)
def test_input_reads_back(spec: InputSpec) -> None:
    assert parse_input(str(spec)) == spec


@pytest.mark.parametrize(
    ("text", "position", "reason"),
    [
        ("", 1, "a size is missing"),
        ("1,,3", 3, "a size is missing"),
        ("1,3,", 5, "a size is missing"),
        (",1", 1, "a size is missing"),
        ("1,ab,3", 3, "'ab' is no positive whole number"),
        ("1, ab", 4, "'ab' is no positive whole number"),  # the caret is under the a
        ("1,0", 3, "'0' is no positive whole number"),
        ("1,-3", 3, "'-3' is no positive whole number"),
        ("1,2.5", 3, "'2.5' is no positive whole number"),
        ("1;3", 1, "'1;3' is no positive whole number"),
        ("(1,3", 1, "'(1' is no positive whole number"),
        ("(1,3),x", 1, "'(1' is no positive whole number"),
        ("ids=", 5, "a size is missing"),
        ("ids=1,bc", 7, "'bc' is no positive whole number"),
        ("2d=1,3", 1, "a keyword is a Python name"),
        ("=1,3", 1, "a keyword is a Python name"),
        ("a=b=1,3", 1, "a keyword is a Python name"),
        ("1,3:float", 5, "unknown dtype 'float'; known: float32"),
        ("1,3:", 5, "unknown dtype ''; known: float32"),
        ("ids=1,3:int", 9, "unknown dtype 'int'; known: float32"),
        ("1,3:int64:int64", 5, "unknown dtype 'int64:int64'"),
    ],
)
def test_malformed_input(text: str, position: int, reason: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_input(text)
    message, place, caret, expected = str(caught.value).split("\n")
    assert message.startswith(f"--input {text!r}: {reason}")
    assert place == f"  at position {position}: {text}"
    # The caret stands under the character that the position names.
    assert caret.index("^") == place.rindex(text) + position - 1
    assert expected.strip() == (
        "expected sizes separated by commas, e.g. 1,3,224,224 or ids=1,128:int64"
    )


SEVERAL = [  # (one --input, the inputs)
    ("1 3 32 32", ["1,3,32,32"]),
    ("  1   128:int64 ", ["1,128:int64"]),
    ("x=1 3 H W", ["x=1,3,H,W"]),
    ("(1,3,32,32),(1,10)", ["1,3,32,32", "1,10"]),
    ("[(1, 3, 32, 32), (1, 10)]", ["1,3,32,32", "1,10"]),
    ("torch.Size([1, 3]) torch.Size([1, 10])", ["1,3", "1,10"]),
    ("(1,128):int64 (1,128):bool", ["1,128:int64", "1,128:bool"]),
    ("a photo of 2 cats:str", ["a photo of 2 cats"]),
    ("(1, 2):tuple", ["(1, 2)"]),
]


@pytest.mark.parametrize(("text", "inputs"), SEVERAL)
def test_inputs_of_one_option(text: str, inputs: list[str]) -> None:
    assert [str(parsed) for parsed in parse_inputs(text)] == inputs


@pytest.mark.parametrize(
    ("shape", "text"), [((1, 96, 54, 54), "1×96×54×54"), ((7,), "7"), ((), "scalar")]
)
def test_format_shape(shape: tuple[int, ...], text: str) -> None:
    assert format_shape(shape) == text


@pytest.mark.parametrize(
    ("texts", "arguments"),
    [
        (None, {}),
        (["num_classes=10"], {"num_classes": 10}),
        (["a=1", "b=True", "c=None"], {"a": 1, "b": True, "c": None}),
        (["sizes=(1, 2)"], {"sizes": (1, 2)}),
        (["text='a=b'"], {"text": "a=b"}),  # only the first = separates
        (["rate=-0.5"], {"rate": -0.5}),
    ],
)
def test_arguments(texts: list[str] | None, arguments: dict[str, object]) -> None:
    assert arguments_of(texts) == arguments


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("num_classes", "--arg 'num_classes' is not NAME=VALUE", "--arg num_classes=10"),
        ("=10", "--arg '=10' is not NAME=VALUE", "--arg num_classes=10"),
        ("2x=10", "--arg '2x=10' is not NAME=VALUE", "--arg num_classes=10"),
        ("act=relu", "--arg act: 'relu' is no Python literal", "--arg act='\"relu\"' for a text"),
        ("act=", "--arg act: '' is no Python literal", None),
        ("act=1+", "--arg act: '1+' is no Python literal", None),
        ("act=print(1)", "--arg act: 'print(1)' is no Python literal", None),
        ("act={[]: 1}", "--arg act: '{[]: 1}' is no Python literal", None),  # unhashable key
    ],
)
def test_bad_argument(text: str, message: str, hint: str | None) -> None:
    with pytest.raises(UsageError) as caught:
        arguments_of([text])
    assert caught.value.message == message
    assert hint is None or caught.value.hint == hint


@pytest.mark.parametrize(
    ("text", "value", "name"),
    [
        ("mode=train:str", "train", "mode"),
        ("mode='train':str", "train", "mode"),
        ("train:str", "train", None),
        ("path=a=b, c:str", "a=b, c", "path"),
        ("size=1,3:str", "1,3", "size"),
        ("lane=3:int", 3, "lane"),
        ("-1:int", -1, None),
        ("scale=1:float", 1.0, "scale"),
        ("scale=1e-3:float", 0.001, "scale"),
        ("training=true:bool", True, "training"),
        ("training=False", False, "training"),
        ("mask=None", None, "mask"),
        ("None", None, None),
        ("size=20,24:tuple", (20, 24), "size"),
        ("size=(20, 24):tuple", (20, 24), "size"),
    ],
)
def test_values(text: str, value: object, name: str | None) -> None:
    assert parse_argument(text) == InputValue(value, name)


@pytest.mark.parametrize(
    ("text", "function"),
    [
        ("my_model.py:make_input", InputFunction("my_model.py", "make_input")),
        ("some/where.py:batch", InputFunction("some/where.py", "batch")),
        ("package.module:batch", InputFunction("package.module", "batch")),
        ("module:batch", InputFunction("module", "batch")),
    ],
)
def test_functions(text: str, function: InputFunction) -> None:
    assert parse_argument(text) == function


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("mode=train", "try: --input mode=train:str"),
        ("scale=0.5", "try: --input scale=0.5:float"),
        ("ids=1,2:int", "unknown dtype 'int'"),
        ("flag=maybe:bool", "'maybe' is no positive whole number"),
        ("1,128:int46", "unknown dtype 'int46'"),
    ],
)
def test_malformed_values_say_what_to_type(text: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_argument(text)
    assert says in str(caught.value)


IMAGE = InputSpec((1, 3, 8, 8))


@pytest.mark.parametrize(
    ("inputs", "named", "positional", "by_name"),
    [
        ([(1, 3, 8, 8), (20, 24)], {}, [IMAGE, InputSpec((20, 24))], {}),
        ([IMAGE, (20, 24)], {}, [IMAGE, (20, 24)], {}),  # a pair beside a tensor
        ([(1, 3, 8, 8)], {"size": IMAGE}, [IMAGE], {"size": IMAGE}),
        ([{"x": IMAGE, "size": (20, 24)}], {}, [{"x": IMAGE, "size": (20, 24)}], {}),
        ([[(20, 24), (10, 12)]], {}, [[(20, 24), (10, 12)]], {}),  # inside a list: pairs
        ([{"name": "1,3,8,8"}], {}, [{"name": "1,3,8,8"}], {}),
        (["1,3,8,8", "bilinear"], {}, [IMAGE, "bilinear"], {}),
        (["1,3,8,8", "mode='1,2':str"], {}, [IMAGE], {"mode": "1,2"}),
        (["a photo of 2, maybe 3 cats", "2d", "v1", "x"], {},
         ["a photo of 2, maybe 3 cats", "2d", "v1", "x"], {}),
        ([], {"ids": "2,3:int64", "mode": "train", "scale": 0.5, "none": None, "v": "7"},
         [], {"ids": InputSpec((2, 3), "int64"), "mode": "train", "scale": 0.5, "none": None,
              "v": "7"}),
        ([Inputs(IMAGE, mode="x")], {"flag": True}, [IMAGE], {"mode": "x", "flag": True}),
        ([IMAGE, (-2, -1)], {"dims": (0, 1)}, [IMAGE, (-2, -1)], {"dims": (0, 1)}),
        ([()], {"empty": []}, [()], {"empty": []}),
    ],
)  # fmt: skip
def test_what_becomes_a_tensor(
    inputs: list[object], named: dict[str, object], positional: list[object],
    by_name: dict[str, object],
) -> None:  # fmt: skip
    found = parse_arguments(inputs, named)
    assert (found.positional, found.named) == (positional, by_name)


@pytest.mark.parametrize("alias", ["long", "short", "half", "double"])
def test_other_names_of_dtypes(alias):
    assert f"torch.{parse_input(f'2,3:{alias}').dtype}" == str(getattr(torch, alias))
