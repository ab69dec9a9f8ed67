"""The same ONNX model as a format's arithmetic makes it: matrices rounded to a GGUF
type by the gguf package, and what they are multiplied with rounded to int8."""

from pathlib import Path

import numpy as np
import onnx
from gguf import GGMLQuantizationType, quants
from onnx import helper, numpy_helper

# Operators that multiply by a matrix or look up its rows: the operand, and the
# axis of the matrix that is summed over (of rows, the other).
OPERANDS = {"MatMul": (1, 0), "Gemm": (1, 0), "Gather": (0, 1)}


def rounded_axis(node, weights):
    """(name, axis) of the matrix that the node uses, rounded along the axis."""
    if node.op_type not in OPERANDS:
        return None
    operand, axis = OPERANDS[node.op_type]
    name = node.input[operand]
    if any(a.name == "transB" and a.i for a in node.attribute):
        axis = 1
    return (name, axis) if name in weights else None


def round_along(matrix, axis, kind):
    rows = np.ascontiguousarray(np.moveaxis(matrix, axis, -1), np.float32)
    rounded = quants.dequantize(quants.quantize(rows, kind), kind)
    return np.moveaxis(rounded, -1, axis)


def int8_nodes(graph, x, opset):
    """(nodes, result) that round x to int8, a scale for each 32 numbers of a row."""
    def constant(name, values):
        if not any(w.name == name for w in graph.initializer):
            graph.initializer.append(numpy_helper.from_array(np.array(values), name))
        return name

    groups = constant("int8_groups", np.array([-1, 32], np.int64))
    largest = constant("int8_largest", np.array(127, np.float32))
    least = constant("int8_least", np.array(1e-30, np.float32))
    axis = constant("int8_axis", np.array([1], np.int64))
    name = {step: f"{x}.int8.{step}" for step in
            ("rows", "abs", "max", "bound", "scale", "divided", "codes", "product", "shape", "y")}

    def node(op, inputs, output, **attributes):
        return helper.make_node(op, inputs, [name[output]], **attributes)

    reduce = (node("ReduceMax", [name["abs"], axis], "max") if opset >= 18
              else node("ReduceMax", [name["abs"]], "max", axes=[1]))
    nodes = [
        node("Reshape", [x, groups], "rows"),
        node("Abs", [name["rows"]], "abs"),
        reduce,
        node("Max", [name["max"], least], "bound"),
        node("Div", [name["bound"], largest], "scale"),
        node("Div", [name["rows"], name["scale"]], "divided"),
        node("Round", [name["divided"]], "codes"),
        node("Mul", [name["codes"], name["scale"]], "product"),
        node("Shape", [x], "shape"),
        node("Reshape", [name["product"], name["shape"]], "y"),
    ]
    return nodes, name["y"]


def round_activations(proto, rounded):
    """Puts int8 rounding before each product with a matrix named in `rounded`."""
    opset = next(o.version for o in proto.opset_import if not o.domain)
    made, nodes = {}, []
    for node in proto.graph.node:
        if node.op_type in ("MatMul", "Gemm") and node.input[1] in rounded:
            x = node.input[0]
            if x not in made:
                before, made[x] = int8_nodes(proto.graph, x, opset)
                nodes.extend(before)
            node.input[0] = made[x]
        nodes.append(node)
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)


def write_rounded(model, type_name, folder):
    """Writes the rounded model to `folder` / model.onnx and returns the folder. What
    is shared by two operators through a Transpose is rounded through it."""
    kind = GGMLQuantizationType[type_name.upper()]
    path = Path(model) / "model.onnx" if Path(model).is_dir() else Path(model)
    proto = onnx.load(path)
    weights = {w.name: w for w in proto.graph.initializer}
    weights = {n: w for n, w in weights.items() if len(w.dims) == 2 and w.data_type == 1}
    transposed = {n.output[0]: n.input[0] for n in proto.graph.node
                  if n.op_type == "Transpose" and n.input[0] in weights}
    axes = {}
    for node in proto.graph.node:
        found = rounded_axis(node, weights | transposed)
        if found:
            name, axis = found
            axes[transposed.get(name, name)] = 1 - axis if name in transposed else axis
    rounded = set()
    for name, axis in axes.items():
        matrix = numpy_helper.to_array(weights[name])
        if matrix.shape[axis] % 32 == 0:
            matrix = np.ascontiguousarray(round_along(matrix, axis, kind))
            weights[name].CopyFrom(numpy_helper.from_array(matrix, name))
            rounded.add(name)
    rounded |= {result for result, name in transposed.items() if name in rounded}
    round_activations(proto, rounded)
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(proto, folder / "model.onnx", save_as_external_data=True, location="model.data",
              size_threshold=1024)
    return folder
