"""Writes small ONNX models for the import tests.

usage: models.py NAME PATH [KEY=VALUE...]: writes the model NAME (a function below)
to PATH; keys and values are those of the external data of the model "external".
"""

import struct
import sys

import onnx
from onnx import TensorProto, helper

FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL


def value(name, dtype=FLOAT, shape=(2, 3)):
    return helper.make_tensor_value_info(name, dtype, shape)


def raw(name, dtype, dims, data):
    tensor = TensorProto(name=name, data_type=dtype, raw_data=data)
    tensor.dims.extend(dims)
    return tensor


def floats(name, dims, data=None):
    count = 1
    for extent in dims:
        count *= extent
    return raw(name, FLOAT, dims, struct.pack(f"<{count}f", *(data or range(count))))


def model(nodes, inputs=(), outputs=(), initializers=(), functions=(), opset=18, **graph):
    graph = helper.make_graph(
        list(nodes), "g", list(inputs), list(outputs), list(initializers), **graph
    )
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("pkg", 1)]
    return helper.make_model(
        graph, opset_imports=opsets, functions=list(functions), ir_version=10,
        producer_name="test",
    )


def basic():
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"], "/MatMul"),
        helper.make_node("Clip", ["h", "", "most"], ["c"], "/Clip"),
        helper.make_node("Unheard", ["c"], ["y", ""], "/Unheard", domain="pkg", alpha=2.0,
                         axes=[1, 2], mode="fast", names=["a", "b"], scales=[0.5]),
    ]
    return model(
        nodes,
        [value("x", shape=("batch", None, 64)), value("w", shape=(64, 32))],
        [value("y", shape=("batch", None, 32))],
        [floats("w", [64, 32]), floats("most", [], [6.0])],
        value_info=[value("h", shape=("batch", None, 32))],
    )


def newer_fields():
    node = helper.make_node("Op", ["x"], ["y"], overload="int", domain="pkg")
    node.metadata_props.add(key="namespace", value="/model/layer")
    device = node.device_configurations.add()
    device.configuration_id = "two"
    return model([node], [value("x")], [value("y")])


# Number of the type, elements, raw bytes, entries of the typed field.
ELEMENTS = [
    (1, "float_data", [1.5, -2.0, 0.0], struct.pack("<3f", 1.5, -2.0, 0.0)),
    (2, "int32_data", [0, 128, 255], bytes([0, 128, 255])),
    (3, "int32_data", [0, -128, 127], struct.pack("<3b", 0, -128, 127)),
    (4, "int32_data", [0, 1, 65535], struct.pack("<3H", 0, 1, 65535)),
    (5, "int32_data", [0, -1, 32767], struct.pack("<3h", 0, -1, 32767)),
    (6, "int32_data", [0, -1, 7], struct.pack("<3i", 0, -1, 7)),
    (7, "int64_data", [0, -1, 1 << 40], struct.pack("<3q", 0, -1, 1 << 40)),
    (9, "int32_data", [1, 0, 1], bytes([1, 0, 1])),
    (10, "int32_data", [0x3C00, 0xC000, 0], struct.pack("<3H", 0x3C00, 0xC000, 0)),
    (11, "double_data", [1.5, -2.0, 0.0], struct.pack("<3d", 1.5, -2.0, 0.0)),
    (12, "uint64_data", [0, 1, 0xFFFFFFFF], struct.pack("<3I", 0, 1, 0xFFFFFFFF)),
    (13, "uint64_data", [0, 1, (1 << 64) - 1], struct.pack("<3Q", 0, 1, (1 << 64) - 1)),
    (14, "float_data", [1, 2, 3, 4, 5, 6], struct.pack("<6f", 1, 2, 3, 4, 5, 6)),
    (15, "double_data", [1, 2, 3, 4, 5, 6], struct.pack("<6d", 1, 2, 3, 4, 5, 6)),
    (16, "int32_data", [0x3F80, 0xC000, 0], struct.pack("<3H", 0x3F80, 0xC000, 0)),
    (17, "int32_data", [0x38, 0xC0, 0], bytes([0x38, 0xC0, 0])),
    (18, "int32_data", [0x40, 0xC8, 0], bytes([0x40, 0xC8, 0])),
    (19, "int32_data", [0x3C, 0xC0, 0], bytes([0x3C, 0xC0, 0])),
    (20, "int32_data", [0x40, 0xC4, 0], bytes([0x40, 0xC4, 0])),
    (21, "int32_data", [0xF1, 0x02], bytes([0xF1, 0x02])),
    (22, "int32_data", [0xF1, 0x02], bytes([0xF1, 0x02])),
    (23, "int32_data", [0xA2, 0x04], bytes([0xA2, 0x04])),
    (24, "int32_data", [127, 128, 126], bytes([127, 128, 126])),
    (25, "int32_data", [0b111001], bytes([0b111001])),
    (26, "int32_data", [0b111001], bytes([0b111001])),
    (27, "int32_data", [0b001000, 0b110000, 0], bytes([0x08, 0x0C, 0x00])),
    (28, "int32_data", [0b001100, 0b110000, 0], bytes([0x0C, 0x0C, 0x00])),
]


def element_types():
    tensors = []
    for number, field, entries, data in ELEMENTS:
        tensors.append(raw(f"raw{number}", number, [3], data))
        typed = TensorProto(name=f"typed{number}", data_type=number, dims=[3])
        getattr(typed, field).extend(entries)
        tensors.append(typed)
    words = TensorProto(name="words", data_type=8, dims=[2], string_data=[b"a", b"\xff\x00"])
    empty = raw("empty", FLOAT, [0, 4], b"")
    values = [helper.make_tensor_value_info(f"x{n}", n, ["n"]) for n in range(1, 29)]
    return model([], values, [], tensors + [words, empty])


def large_typed():
    """A large tensor in a typed field, which has no bytes to refer to."""
    large = TensorProto(name="large", data_type=INT64, dims=[500], int64_data=range(500))
    constant = helper.make_node("Constant", [], ["k"], value=floats("", [20, 30]))
    return model([constant, helper.make_node("Cast", ["large"], ["y"], to=1)],
                 [], [value("y", shape=(500,)), value("k", shape=(20, 30))], [large])


def subgraphs():
    then = helper.make_graph([helper.make_node("Add", ["x", "one"], ["t"])], "then", [],
                             [value("t")], [floats("one", [1])])
    other = helper.make_graph([helper.make_node("Mul", ["x", "w"], ["e"])], "else", [],
                              [value("e")], [floats("one", [1])])
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["more"]),
         helper.make_node("Add", ["v", "w"], ["v2"])],
        "body",
        [value("i", INT64, []), value("go", BOOL, []), value("v")],
        [value("more", BOOL, []), value("v2")])
    cases = helper.make_node("Cases", ["x"], ["s"], domain="pkg")
    cases.attribute.append(helper.make_attribute("cases", [then, other]))
    nodes = [
        helper.make_node("If", ["c"], ["z"], then_branch=then, else_branch=other),
        helper.make_node("Loop", ["n", "c", "z"], ["y"], body=body),
        cases,
    ]
    return model(nodes, [value("c", BOOL, []), value("n", INT64, []), value("x")],
                 [value("y"), value("s")], [floats("w", [2, 3])])


def functions():
    scale = helper.make_node("Scale", ["a"], ["b"], domain="pkg")
    attribute = scale.attribute.add(name="by", ref_attr_name="factor")
    attribute.type = onnx.AttributeProto.FLOAT
    twice = helper.make_function(
        "pkg", "Twice", ["a", "skip"], ["c"],
        [scale, helper.make_node("Add", ["b", "b"], ["c"], "sum")],
        [helper.make_opsetid("", 18), helper.make_opsetid("pkg", 1)], ["factor"])
    constant = helper.make_node("Constant", [], ["k"])
    attribute = constant.attribute.add(name="value_float", ref_attr_name="by")
    attribute.type = onnx.AttributeProto.FLOAT
    scaled = helper.make_function(
        "pkg", "Scale", ["a"], ["b"],
        [constant, helper.make_node("Mul", ["a", "k"], ["b"])],
        [helper.make_opsetid("", 18)], [], [helper.make_attribute("by", 3.0)])
    nodes = [helper.make_node("Twice", ["x"], ["h"], "first", domain="pkg", factor=2.0),
             helper.make_node("Scale", ["h"], ["y"], "second", domain="pkg")]
    return model(nodes, [value("x")], [value("y")], functions=[twice, scaled])


def types():
    kinds = [
        helper.make_sequence_type_proto(helper.make_tensor_type_proto(FLOAT, None)),
        helper.make_optional_type_proto(helper.make_tensor_type_proto(FLOAT, ["n"])),
        helper.make_map_type_proto(INT64, helper.make_tensor_type_proto(8, [])),
        helper.make_sparse_tensor_type_proto(FLOAT, [3, 4]),
        onnx.TypeProto(),
    ]
    opaque = onnx.TypeProto()
    opaque.opaque_type.domain = "d"
    opaque.opaque_type.name = "n"
    inputs = [helper.make_value_info(f"x{i}", kind) for i, kind in enumerate(kinds + [opaque])]
    sparse = helper.make_sparse_tensor(
        floats("values", [2], [1.0, 2.0]), raw("i", INT64, [2], struct.pack("<2q", 1, 5)), [2, 3])
    node = helper.make_node("Op", ["x0"], ["y"], domain="pkg", kind=kinds[0], sparse=sparse,
                            tensors=[floats("", [1]), floats("", [300])])
    return model([node], inputs, [helper.make_value_info("y", onnx.TypeProto())],
                 sparse_initializer=[sparse])


def constant_if():
    then = helper.make_graph([helper.make_node("Squeeze", ["x"], ["t"])], "then", [],
                             [value("t", shape=None)])
    other = helper.make_graph([helper.make_node("Identity", ["x"], ["e"])], "else", [],
                              [value("e", shape=None)])
    false = raw("", BOOL, [], b"\0")
    nodes = [helper.make_node("Constant", [], ["c"], value=false),
             helper.make_node("If", ["c"], ["y"], then_branch=then, else_branch=other)]
    return model(nodes, [value("x")], [value("y")])


# Models that must be refused.

def cycle():
    return model([helper.make_node("Add", ["x", "b"], ["a"], "first"),
                  helper.make_node("Neg", ["a"], ["b"], "second")], [value("x")], [value("b")])


def order():
    return model([helper.make_node("Neg", ["a"], ["b"], "late"),
                  helper.make_node("Neg", ["x"], ["a"], "early")], [value("x")], [value("b")])


def undefined():
    then = helper.make_graph([helper.make_node("Add", ["x", "nowhere"], ["t"], "inner")], "then",
                             [], [value("t")])
    return model([helper.make_node("If", ["c"], ["y"], "outer", then_branch=then,
                                   else_branch=then)],
                 [value("x"), value("c", BOOL, [])], [value("y")])


def duplicate():
    return model([helper.make_node("Neg", ["x"], ["y"]), helper.make_node("Abs", ["x"], ["y"])],
                 [value("x")], [value("y")])


def duplicate_initializer():
    return model([], [], [value("w")], [floats("w", [2, 3]), floats("w", [2, 3])])


def no_output():
    return model([], [value("x")], [value("y")])


def no_operator():
    return model([helper.make_node("", ["x"], ["y"])], [value("x")], [value("y")])


def duplicate_attribute():
    node = helper.make_node("Op", ["x"], ["y"], alpha=1)
    node.attribute.append(node.attribute[0])
    return model([node], [value("x")], [value("y")])


def untyped_attribute():
    node = helper.make_node("Op", ["x"], ["y"])
    node.attribute.add(name="alpha")
    return model([node], [value("x")], [value("y")])


def unknown_element():
    return model([], [], [], [raw("w", 99, [1], b"\0")])


def negative_extent():
    return model([], [], [], [raw("w", FLOAT, [-3], b"")])


def overflow():
    return model([], [], [], [raw("w", FLOAT, [1 << 40, 1 << 40], b"")])


def short_raw():
    return model([], [], [], [raw("w", FLOAT, [2, 3], b"\0" * 20)])


def short_typed():
    return model([], [], [], [TensorProto(name="w", data_type=FLOAT, dims=[3], float_data=[1])])


def short_strings():
    return model([], [], [], [TensorProto(name="w", data_type=8, dims=[3], string_data=[b"a"])])


def opset_twice():
    result = basic()
    result.opset_import.append(helper.make_opsetid("", 17))
    return result


def negative_shape():
    return model([], [value("x", shape=(-2, 3))], [])


def external(name, dims, **entries):
    tensor = TensorProto(name=name, data_type=FLOAT, dims=dims,
                         data_location=TensorProto.EXTERNAL)
    for key, entry in entries.items():
        tensor.external_data.add(key=key, value=entry)
    return tensor


def with_external(location="weights.bin", **entries):
    """Weights of 1024 floats at byte 64 of an external file."""
    tensor = external("w", [32, 32], location=location, **entries)
    return model([], [], [value("w", shape=(32, 32))], [tensor])


def strange_names():
    """Names that protobuf's Python classes refuse, put in afterwards."""
    data = basic().SerializeToString()
    for old, new in ((b"/MatMul", b"\xff\"\n\x00\\xx"), (b"alpha", b"al\xffh\""),
                     (b"Unheard", b"Un\x00hea\n"), (b"batch", b"b\xfftch"), (b"fast", b"f\xff\x00t")):
        assert len(old) == len(new) and old in data
        data = data.replace(old, new)
    return data


def strange_duplicate():
    return duplicate().SerializeToString().replace(b"Abs", b"A\n\xff")


def main():
    name, path = sys.argv[1:3]
    if name == "external":
        result = with_external(**dict(argument.split("=", 1) for argument in sys.argv[3:]))
    else:
        result = globals()[name]()
    with open(path, "wb") as file:
        file.write(result if isinstance(result, bytes) else result.SerializeToString())


if __name__ == "__main__":
    main()
