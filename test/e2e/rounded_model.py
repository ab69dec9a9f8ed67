"""The same ONNX model as a format's arithmetic makes it: matrices rounded to the
format, and what they are multiplied with rounded to int8.

Matrices are rounded by the gguf package; those of a type that it only decodes, or
whose columns take another type instead, are encoded by lq and decoded by gguf."""

import re
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import onnx
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, quants
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


def round_by_gguf(rows, type_name):
    """The rows as the package rounds them; None where it cannot."""
    kind = GGMLQuantizationType.__members__.get(type_name.upper())
    if kind is None or rows.shape[1] % GGML_QUANT_SIZES[kind][0]:
        return None
    try:
        return quants.dequantize(quants.quantize(rows, kind), kind)
    except NotImplementedError:
        return None


def round_by_lq(matrices, format_name, tools):
    """{name: rows} as lq encodes them in the format or its fallback."""
    names = list(matrices)
    with tempfile.TemporaryDirectory() as folder:
        folder, offset, weights, body = Path(folder), 0, [], []
        with open(folder / "weights.bin", "wb") as file:
            for i, name in enumerate(names):
                rows, columns = matrices[name].shape
                file.write(np.ascontiguousarray(matrices[name], np.float32).tobytes())
                kind = f"tensor<{rows}x{columns}xf32>"
                weights.append(f'lq.weight @w{i} : {kind} from "weights.bin" at {offset}')
                body.append(f"""func.func private @f{i}(%x: tensor<1x{columns}xf32>) -> tensor<1x{rows}xf32> {{
  %w = lq.get @w{i} : {kind}
  %y = lq.linear %x, %w : (tensor<1x{columns}xf32>, {kind}) -> tensor<1x{rows}xf32>
  return %y : tensor<1x{rows}xf32>
}}""")
                offset += 4 * rows * columns
        (folder / "model.mlir").write_text("\n".join(weights + body))
        result = subprocess.run(
            [tools / "lq-opt", folder / "model.mlir",
             f"--lq-quantize-rtn=format={format_name} archive={folder / 'encoded.bin'}"],
            capture_output=True, text=True, check=True)
        pattern = r"lq\.weight @w(\d+) : tensor<(\d+)x(\d+)xf32, #lq\.\w+<(\w+)>> from \S+ at (\d+)"
        rounded = {}
        for i, rows, columns, kind, at in re.findall(pattern, result.stdout):
            kind = GGMLQuantizationType[kind.upper()]
            block, size = GGML_QUANT_SIZES[kind]
            row_bytes = int(columns) // block * size
            encoded = np.fromfile(folder / "encoded.bin", np.uint8, int(rows) * row_bytes,
                                  offset=int(at)).reshape(int(rows), row_bytes)
            rounded[names[int(i)]] = quants.dequantize(encoded, kind)
        return rounded


def round_matrices(matrices, format_name, tools):
    """{name: rows} rounded along the rows."""
    rounded = {}
    for name, rows in matrices.items():
        by_gguf = round_by_gguf(rows, format_name)
        if by_gguf is not None:
            rounded[name] = by_gguf
    rest = {name: rows for name, rows in matrices.items() if name not in rounded}
    return rounded | (round_by_lq(rest, format_name, tools) if rest else {})


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


def rounded_axes(proto, weights):
    """({name: axis} of the matrices to round, {result: name} of those transposed).
    What is shared by two operators through a Transpose is rounded through it."""
    transposed = {n.output[0]: n.input[0] for n in proto.graph.node
                  if n.op_type == "Transpose" and n.input[0] in weights}
    axes = {}
    for node in proto.graph.node:
        found = rounded_axis(node, weights | transposed)
        if found:
            name, axis = found
            axes[transposed.get(name, name)] = 1 - axis if name in transposed else axis
    return axes, transposed


def write_rounded(model, format_name, folder, tools):
    """Writes the rounded model to `folder` / model.onnx and returns the folder.
    `tools` is the folder of lq's tools."""
    path = Path(model) / "model.onnx" if Path(model).is_dir() else Path(model)
    proto = onnx.load(path)
    weights = {w.name: w for w in proto.graph.initializer}
    weights = {n: w for n, w in weights.items() if len(w.dims) == 2 and w.data_type == 1}
    axes, transposed = rounded_axes(proto, weights)
    matrices = {}
    for name, axis in axes.items():
        matrix = numpy_helper.to_array(weights[name])
        if matrix.shape[axis] % 32 == 0:
            matrices[name] = np.ascontiguousarray(np.moveaxis(matrix, axis, -1), np.float32)
    rounded = round_matrices(matrices, format_name, tools)
    for name, rows in rounded.items():
        matrix = np.ascontiguousarray(np.moveaxis(rows, -1, axes[name]))
        weights[name].CopyFrom(numpy_helper.from_array(matrix, name))
    names = set(rounded) | {result for result, name in transposed.items() if name in rounded}
    round_activations(proto, names)
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(proto, folder / "model.onnx", save_as_external_data=True, location="model.data",
              size_threshold=1024)
    return folder
