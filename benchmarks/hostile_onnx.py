"""ONNX files that are valid, nearly valid, and not at all."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import onnx
from hostile_cases import NUMBERS, TEXTS, Case, damaged
from onnx import TensorProto, helper, numpy_helper

FORMATS = ("table", "table", "json", "markdown", "csv", "latex", "html")


def onnx_case(rng: random.Random) -> Case:
    model = rng.choices((_known, _random_graph, _bomb), (5, 6, 1))[0](rng)
    for _ in range(rng.choice((0, 1, 1, 2, 4))):
        _mutate(rng, model)
    content = model.SerializeToString()
    if rng.random() < 0.15:
        content = damaged(rng, content)
    command = ["shapes", "m.onnx", "--format", rng.choice(FORMATS)]
    if rng.random() < 0.2:
        command += [
            "--input",
            rng.choice(("1,3,8,8", "1,3,8,8:int64", "5", "x=2,3,8,8", "N,3,8,8")),
        ]
    if rng.random() < 0.1:
        command[0:2] = rng.choice((["explain", "m.onnx", "y"], ["compare", "m.onnx", "m.onnx"],
                                   ["roofline", "m.onnx", "--device", "h100"]))  # fmt: skip
        if command[0] == "roofline":
            command = command[:4]
    return Case(command, {"m.onnx": content})


# Graphs


def _model(
    nodes: Sequence[Any], inputs: Sequence[Any], stored: Sequence[Any] = (),
    outputs: Sequence[str] = ("y",), opset: int = 20, functions: Sequence[Any] = (),
) -> Any:  # fmt: skip
    results = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
    graph = helper.make_graph(list(nodes), "g", list(inputs), results, list(stored))
    imports = [helper.make_opsetid(d, v) for d, v in
               (("", opset), ("com.microsoft", 1), ("ai.onnx.ml", 3), ("f", 1))]  # fmt: skip
    return helper.make_model(graph, opset_imports=imports, functions=list(functions))


def _image(name: str = "x", *shape: Any) -> Any:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape or (1, 3, 8, 8)))


def _array(name: str, value: Any, dtype: Any = np.float32) -> Any:
    return numpy_helper.from_array(np.asarray(value, dtype), name)


node = helper.make_node


def _known(rng: random.Random) -> Any:
    """A small network as exporters write it."""
    return rng.choice((_network, _shapes, _recurrent, _branches, _functions, _named))()


def _network() -> Any:
    nodes = [
        node("Conv", ["x", "w", "b"], ["c"], name="/stem/Conv", pads=[1] * 4, strides=[2, 2]),
        node("BatchNormalization", ["c", "s", "s", "s", "s"], ["n"], name="/stem/norm"),
        node("Relu", ["n"], ["r"], name="/stem/Relu"),
        node("MaxPool", ["r"], ["p"], name="/pool/MaxPool", kernel_shape=[2, 2], strides=[2, 2]),
        node("GlobalAveragePool", ["p"], ["a"]),
        node("Flatten", ["a"], ["f"], axis=1),
        node("Gemm", ["f", "v"], ["y"], name="/head/Gemm", transB=1),
    ]
    stored = [_array("w", np.zeros((4, 3, 3, 3))), _array("b", np.zeros(4)),
              _array("s", np.ones(4)), _array("v", np.zeros((10, 4)))]  # fmt: skip
    return _model(nodes, [_image()], stored)


def _shapes() -> Any:
    nodes = [
        node("Shape", ["x"], ["s"]), node("Gather", ["s", "i"], ["n"], axis=0),
        node("Unsqueeze", ["n", "z"], ["u"]), node("Concat", ["u", "m"], ["t"], axis=0),
        node("Reshape", ["x", "t"], ["r"]), node("Transpose", ["r"], ["q"], perm=[1, 0]),
        node("MatMul", ["r", "q"], ["k"]), node("Softmax", ["k"], ["y"], axis=-1),
    ]  # fmt: skip
    stored = [_array("i", 0, np.int64), _array("z", [0], np.int64), _array("m", [-1], np.int64)]
    return _model(nodes, [_image("x", "N", 3, 8, 8)], stored)


def _recurrent() -> Any:
    nodes = [
        node("LSTM", ["x", "w", "r", "b"], ["h", "", ""], hidden_size=4, name="/rnn/LSTM"),
        node("Squeeze", ["h", "one"], ["q"]), node("LayerNormalization", ["q", "g"], ["l"]),
        node("Slice", ["l", "st", "en", "ax"], ["y"]),
    ]  # fmt: skip
    stored = [
        _array("w", np.zeros((1, 16, 8))), _array("r", np.zeros((1, 16, 4))),
        _array("b", np.zeros((1, 32))), _array("g", np.ones(4)), _array("one", [1], np.int64),
        _array("st", [0], np.int64), _array("en", [2], np.int64), _array("ax", [0], np.int64),
    ]  # fmt: skip
    return _model(nodes, [_image("x", 5, 2, 8)], stored)


def _branches() -> Any:
    def branch(op: str) -> Any:
        out = helper.make_tensor_value_info("o", TensorProto.FLOAT, None)
        return helper.make_graph([node(op, ["x"], ["o"])], op, [], [out])

    body = helper.make_graph(
        [node("Add", ["a", "a"], ["d"]), node("Identity", ["k"], ["go"])], "body",
        [helper.make_tensor_value_info("n", TensorProto.INT64, []),
         helper.make_tensor_value_info("k", TensorProto.BOOL, []), _image("a")],
        [helper.make_tensor_value_info("go", TensorProto.BOOL, []), _image("d")],
    )  # fmt: skip
    nodes = [
        node("If", ["t"], ["i"], then_branch=branch("Relu"), else_branch=branch("Tanh")),
        node("Loop", ["trips", "t", "i"], ["y"], body=body),
    ]
    stored = [_array("t", True, np.bool_), _array("trips", 10**9, np.int64)]
    return _model(nodes, [_image()], stored)


def _functions() -> Any:
    imports = [helper.make_opsetid("", 20), helper.make_opsetid("f", 1)]
    inner = helper.make_function("f", "Inner", ["a"], ["b"], [node("Relu", ["a"], ["b"])], imports)
    outer = helper.make_function(
        "f", "Outer", ["a"], ["b"],
        [node("Inner", ["a"], ["m"], domain="f"), node("Inner", ["m"], ["b"], domain="f")], imports,
    )  # fmt: skip
    return _model([node("Outer", ["x"], ["y"], domain="f")], [_image()], functions=[inner, outer])


def _named() -> Any:
    model = _network()
    for index, item in enumerate(model.graph.node):
        scopes = ["", "body", f"body.{index // 2}", item.name]
        classes = ["m.Net", "m.Body", "torch.nn.modules.conv.Conv2d", "aten.x"]
        for key, value in (("pkg.torch.onnx.name_scopes", scopes),
                           ("pkg.torch.onnx.class_hierarchy", classes)):  # fmt: skip
            entry = item.metadata_props.add()
            entry.key, entry.value = key, repr(value)
    return model


@cache
def _operators() -> list[Any]:
    return [schema for schema in onnx.defs.get_all_schemas() if not schema.deprecated]


def _random_graph(rng: random.Random) -> Any:
    """A few operators, each on values that exist, with attributes of its schema."""
    inputs = [_image("x", *rng.choice(((1, 3, 8, 8), (4, 6), (5,), (2, 3, 4), ("N", 3, 8, 8), ())))]
    stored = [
        _array("w4", np.zeros((3, 3, 3, 3))), _array("w2", np.zeros((8, 8))),
        _array("w1", np.zeros(3)), _array("n0", 2, np.int64), _array("n1", [1, -1], np.int64),
        _array("n2", [0, 0, 2, 2], np.int64), _array("f1", [1.0, 1.0, 2.0, 2.0]),
        _array("t", True, np.bool_),
    ]  # fmt: skip
    names = ["x", "x", *(tensor.name for tensor in stored)]
    nodes = []
    for number in range(rng.choice((1, 1, 2, 4, 8))):
        schema = rng.choice(_operators())
        count = rng.randint(schema.min_input, min(schema.max_input, schema.min_input + 3, 9))
        operands = [rng.choice(names) for _ in range(count)]
        if operands and rng.random() < 0.5:
            operands[0] = "x"
        results = [f"y{number}_{i}" for i in range(max(schema.min_output, rng.choice((1, 1, 2))))]
        item = node(schema.name, operands, results, domain=schema.domain)
        for attribute in schema.attributes.values():
            if attribute.required or rng.random() < 0.4:
                _add_attribute(rng, item, attribute)
        nodes.append(item)
        names += results
    opset = rng.choice((9, 11, 13, 17, 20, 22))
    return _model(nodes, inputs, stored, [names[-1]], opset)


def _add_attribute(rng: random.Random, item: Any, attribute: Any) -> None:
    small = (0, 1, 1, 2, 3, -1)
    kind = str(attribute.type).rpartition(".")[2]
    value: Any = {
        "INT": lambda: rng.choice((*small, *small, *NUMBERS)),
        "INTS": lambda: [rng.choice(small) for _ in range(rng.choice((0, 1, 2, 2, 4, 4)))],
        "FLOAT": lambda: rng.choice((0.0, 1.0, 0.5, -1.0, float("nan"), float("inf"))),
        "FLOATS": lambda: [rng.choice((0.0, 1.0, 2.0)) for _ in range(rng.randrange(5))],
        "STRING": lambda: rng.choice(("SAME_UPPER", "linear", "ij,jk->ik", "sum", *TEXTS)),
        "STRINGS": lambda: [rng.choice(("Tanh", *TEXTS)) for _ in range(rng.randrange(3))],
        "TENSOR": lambda: _array("", [rng.choice((0, 3, 10**9))], np.int64),
        "GRAPH": lambda: helper.make_graph([node("Relu", ["x"], ["o"])], "b", [], [_image("o")]),
    }.get(kind, lambda: 1)()
    if rng.random() < 0.05:
        value = rng.choice((1, 1.5, "x", [1, 2], _array("", [1.0])))
    try:
        item.attribute.append(helper.make_attribute(attribute.name, value))
    except (ValueError, TypeError):  # an empty list
        return


# Graphs that are small in the file and large when followed


def _bomb(rng: random.Random) -> Any:
    return rng.choice((_doubling, _chain, _expanding, _constants, _deep_names, _fan, _huge))(rng)


def _doubling(rng: random.Random) -> Any:
    imports = [helper.make_opsetid("", 20), helper.make_opsetid("f", 1)]
    depth = rng.choice((3, 12, 40, 200))
    functions = [
        helper.make_function("f", "F0", ["a"], ["b"], [node("Relu", ["a"], ["b"])], imports)
    ]
    for level in range(1, depth):
        calls = [node(f"F{level - 1}", [a], [b], domain="f") for a, b in (("a", "m"), ("m", "b"))]
        functions.append(helper.make_function("f", f"F{level}", ["a"], ["b"], calls, imports))
    if rng.random() < 0.3:  # a function that runs itself
        functions[0].node[0].op_type, functions[0].node[0].domain = f"F{depth - 1}", "f"
    return _model(
        [node(f"F{depth - 1}", ["x"], ["y"], domain="f")], [_image()], functions=functions
    )


def _chain(rng: random.Random) -> Any:
    length = rng.choice((100, 2000, 5000))
    op, operands = rng.choice((("Relu", []), ("Add", ["w1"]), ("Identity", [])))
    names = ["x", *(f"v{i}" for i in range(length - 1)), "y"]
    nodes = [node(op, [a, *operands], [b]) for a, b in itertools.pairwise(names)]
    return _model(nodes, [_image("x", 1, 3)], [_array("w1", np.zeros(3))])


def _constants(rng: random.Random) -> Any:
    """A chain of constants, each with a tensor of its own."""
    length = rng.choice((50, 1000))
    stored = [_array(f"w{i}", np.zeros(3)) for i in range(length)]
    names = ["w0", *(f"v{i}" for i in range(1, length))]
    nodes = [node("Add", [names[i - 1], f"w{i}"], [names[i]]) for i in range(1, length)]
    return _model([*nodes, node("Add", ["x", names[-1]], ["y"])], [_image("x", 1, 3)], stored)


def _expanding(rng: random.Random) -> Any:
    """Constants that a careless evaluator would make as large as memory."""
    big = rng.choice((10**6, 10**9, 10**12, 2**62))
    stored = [_array("n", [big], np.int64), _array("one", [1.0]), _array("s", big, np.int64),
              _array("zero", 0, np.int64), _array("st", 1, np.int64), _array("i", [1, 2], np.int64),
              _array("im", np.zeros((1, 1, 2, 2))), _array("v", [0, 1], np.float32),
              _array("text", np.array(["a" * 30 + "!"], dtype=object), object)]  # fmt: skip
    item = rng.choice((
        node("Expand", ["one", "n"], ["c"]), node("Tile", ["one", "n"], ["c"]),
        node("ConstantOfShape", ["n"], ["c"]), node("Range", ["zero", "s", "st"], ["c"]),
        node("Pad", ["one", "p"], ["c"]), node("OneHot", ["i", "s", "v"], ["c"]),
        node("HannWindow", ["s"], ["c"]), node("Upsample", ["one", "one"], ["c"], mode="nearest"),
        node("MaxPool", ["im"], ["c"], kernel_shape=[10**6] * 2, pads=[10**6] * 4,
        strides=[10**6] * 2),
        node("AveragePool", ["im"], ["c"], kernel_shape=[10**5] * 2, pads=[10**5] * 4,
             strides=[10**5] * 2),
        node("Resize", ["one", "", "n"], ["c"]), node("Pow", ["s", "s"], ["c"]),
        node("BitShift", ["s", "s"], ["c"], direction="LEFT"),
        node("ConvTranspose", ["im", "im"], ["c"], strides=[10**6] * 2),
        node("Multinomial", ["im"], ["c"], sample_size=10**9),
        node("RegexFullMatch", ["text"], ["c"], pattern="(a+)+$"),
        node("Col2Im", ["im", "i", "i"], ["c"]), node("DFT", ["im", "s"], ["c"]),
        node("SequenceConstruct", ["one"] * 50, ["c"]), node("Unsqueeze", ["one", "n"], ["c"]),
        node("Einsum", ["one"] * 8, ["c"], equation="a,b,c,d,e,f,g,h->abcdefgh"),
    ))  # fmt: skip
    stored.append(_array("p", [big, big], np.int64))
    return _model([item, node("Add", ["x", "c"], ["y"])], [_image("x", 1)], stored)


def _deep_names(rng: random.Random) -> Any:
    model = _network()
    depth = rng.choice((50, 1500, 20_000))
    for item in model.graph.node:
        item.name = "/".join(f"m{i}" for i in range(depth)) + f"/{item.op_type}"
    if rng.random() < 0.5:
        for item in _named().graph.node[:1]:
            entry = model.graph.node[0].metadata_props.add()
            entry.key = "pkg.torch.onnx.name_scopes"
            entry.value = rng.choice(
                ("[" * depth, str(list(range(depth))), "1+" * depth + "1", "{}")
            )
            other = model.graph.node[0].metadata_props.add()
            other.key, other.value = "pkg.torch.onnx.class_hierarchy", item.metadata_props[1].value
    return model


def _fan(rng: random.Random) -> Any:
    """One operator with thousands of operands or outputs."""
    count = rng.choice((100, 5000))
    if rng.random() < 0.5:
        return _model([node("Concat", ["x"] * count, ["y"], axis=0)], [_image("x", 1, 3)])
    names = [f"o{i}" for i in range(count)]
    return _model([node("Split", ["x"], names, axis=0, num_outputs=count)],
                  [_image("x", count, 3)], outputs=[names[0]])  # fmt: skip


def _huge(rng: random.Random) -> Any:
    """Tensors of absurd sizes without content."""
    sizes = rng.choice(((2**62, 3, 3, 3), (4, 3, 2**40, 2**40), (-1, 3, 3, 3), (0, 3, 3, 3)))
    weight = TensorProto(name="w", data_type=1, dims=sizes)
    if rng.random() < 0.5:
        weight.data_location = TensorProto.EXTERNAL
        for key, value in (("location", "../../../etc/passwd"), ("offset", "-1")):
            entry = weight.external_data.add()
            entry.key, entry.value = key, value
    return _model([node("Conv", ["x", "w"], ["y"])], [_image("x", 1, 3, 2**30, 2**31)], [weight])


# Changes of a graph


def _mutate(rng: random.Random, model: Any) -> None:
    change: Callable[[random.Random, Any], None] = rng.choice(_CHANGES)
    change(rng, model)


def _change_dim(rng: random.Random, model: Any) -> None:
    infos = [*model.graph.input, *model.graph.output, *model.graph.value_info]
    dims = [dim for info in infos for dim in info.type.tensor_type.shape.dim]
    if dims:
        dim = rng.choice(dims)
        if rng.random() < 0.3:
            dim.dim_param = rng.choice(TEXTS)
        else:
            dim.dim_value = rng.choice(NUMBERS)


def _change_stored(rng: random.Random, model: Any) -> None:
    if not model.graph.initializer:
        return
    tensor = rng.choice(model.graph.initializer)
    change = rng.randrange(6)
    if change == 0 and tensor.dims:
        tensor.dims[rng.randrange(len(tensor.dims))] = rng.choice(NUMBERS)
    elif change == 1:
        tensor.data_type = rng.choice((0, 1, 7, 8, 9, 14, 16, 17, 22, 25, 99, 2**31 - 1))
    elif change == 2:
        tensor.raw_data = tensor.raw_data[: rng.randrange(len(tensor.raw_data) + 1)]
    elif change == 3:
        tensor.name = rng.choice(TEXTS)
    elif change == 4:
        tensor.data_location = 1
    else:
        model.graph.initializer.append(tensor)


def _change_node(rng: random.Random, model: Any) -> None:
    if not model.graph.node:
        return
    item = rng.choice(model.graph.node)
    change = rng.randrange(9)
    operands = item.input if rng.random() < 0.6 else item.output
    if change == 0 and operands:
        operands[rng.randrange(len(operands))] = rng.choice((*TEXTS, "x", "y", "w"))
    elif change == 1 and operands:
        del operands[rng.randrange(len(operands))]
    elif change == 2:
        operands.extend(rng.choice(("x", "y", "")) for _ in range(rng.choice((1, 3, 50))))
    elif change == 3:
        item.op_type = rng.choice(TEXTS) if rng.random() < 0.3 else rng.choice(_operators()).name
    elif change == 4:
        item.domain = rng.choice(("ai.onnx", "com.microsoft", "f", "ai.onnx.ml", *TEXTS))
    elif change == 5:
        item.name = rng.choice(TEXTS)
    elif change == 6:
        model.graph.node.append(item)
    elif change == 7:
        model.graph.node.remove(item)
    else:
        nodes = list(model.graph.node)
        rng.shuffle(nodes)
        del model.graph.node[:]
        model.graph.node.extend(nodes)


def _change_attribute(rng: random.Random, model: Any) -> None:
    items = [item for item in model.graph.node if item.attribute]
    if not items:
        return
    item = rng.choice(items)
    attribute = rng.choice(item.attribute)
    change = rng.randrange(6)
    if change == 0:
        item.attribute.remove(attribute)
    elif change == 1:
        attribute.type = rng.choice((0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14))
    elif change == 2 and attribute.ints:
        attribute.ints[rng.randrange(len(attribute.ints))] = rng.choice(NUMBERS)
    elif change == 3 and attribute.ints:
        del attribute.ints[rng.randrange(len(attribute.ints)) :]
    elif change == 4:
        attribute.name = rng.choice(("kernel_shape", "axis", "perm", *TEXTS))
    else:
        attribute.i = rng.choice(NUMBERS)


def _change_model(rng: random.Random, model: Any) -> None:
    change = rng.randrange(9)
    if change == 0:
        del model.opset_import[:]
    elif change == 1 and model.opset_import:
        model.opset_import[0].version = rng.choice((0, 1, 7, 99, 2**62, -1))
    elif change == 2:
        model.graph.name = rng.choice(TEXTS)
    elif change == 3:
        del model.graph.input[:]
    elif change == 4:
        del model.graph.output[:]
    elif change == 5 and model.graph.output:
        model.graph.output[0].name = rng.choice(TEXTS)
    elif change == 6 and model.graph.input:
        model.graph.input[0].type.tensor_type.elem_type = rng.choice((0, 7, 8, 16, 99))
    elif change == 7 and model.graph.input:
        model.graph.input[0].name = rng.choice(TEXTS)
    elif model.graph.input:
        model.graph.input.append(model.graph.input[0])


def _change_metadata(rng: random.Random, model: Any) -> None:
    entries = [entry for item in model.graph.node for entry in item.metadata_props]
    if entries:
        entry = rng.choice(entries)
        values = ("[]", "{}", "1", "None", "['', 'a']", "[1, 2, 3]", "[['a'], 'b', 'c']",
                  repr([*TEXTS]), "'abc'", "[" * 500, "(" * 200 + ")" * 200, *TEXTS)  # fmt: skip
        entry.value = rng.choice(values)
    elif model.graph.node:
        rng.choice(model.graph.node).name = "/".join(rng.choice(TEXTS) for _ in range(4))


_CHANGES = (_change_dim, _change_stored, _change_node, _change_node, _change_attribute,
            _change_attribute, _change_model, _change_metadata)  # fmt: skip
