"""Compares imported IR with the ONNX model it came from, node for node.

usage: check_import.py MODEL.onnx IR.mlir

Every node must be there with its operator, domain, name, inputs, outputs,
attributes and subgraphs, and every initializer must refer to the right bytes.
Prints "same: N nodes, M initializers", or what differs, and then fails.
"""

import os
import re
import struct
import sys

import onnx
from onnx import AttributeProto

STRING = r'"(?:[^"\\]|\\.)*"'
SYMBOL = rf"@(?:{STRING}|[\w$.-]+)"


class Different(Exception):
    pass


def unescape(text):
    """The bytes of a quoted MLIR string."""
    data = text[1:-1].encode("latin-1")
    return re.sub(
        rb"\\([0-9A-Fa-f]{2}|.)",
        lambda m: bytes([int(m[1], 16)]) if len(m[1]) == 2 else m[1],
        data,
    )


def name_of(symbol):
    return unescape(symbol[1:]) if symbol[1] == '"' else symbol[1:].encode()


def strings(text):
    return [unescape(s) for s in re.findall(STRING, text)]


def balanced(text, start):
    """The end of the bracketed group that begins at `start`."""
    depth, at = 0, start
    while True:
        if text[at] == '"':
            at = re.compile(STRING).match(text, at).end()
            continue
        if text[at] in "{[(<":
            depth += 1
        elif text[at] in "}])" or (text[at] == ">" and text[at - 1] != "-"):
            depth -= 1
        at += 1
        if depth == 0:
            return at


def split(text):
    """Splits at commas outside of brackets."""
    parts, begin, at = [], 0, 0
    while at < len(text):
        if text[at] in '{[(<':
            at = balanced(text, at)
        elif text[at] == '"':
            at = re.compile(STRING).match(text, at).end()
        elif text[at] == ",":
            parts.append(text[begin:at].strip())
            at += 1
            begin = at
        else:
            at += 1
    last = text[begin:].strip()
    return parts + [last] if last else parts


class Graph:
    """A graph or function body as the IR has it."""

    def __init__(self, names, attribute=None, index=-1):
        self.names = names  # SSA name to ONNX name
        self.attribute, self.index = attribute, index
        self.inputs, self.outputs, self.nodes, self.result = [], [], [], []


class Node:
    def __init__(self, op):
        self.op, self.domain, self.name, self.overload = op, b"", b"", b""
        self.inputs, self.outputs, self.attributes, self.graphs = [], [], {}, []


class Reader:
    """Reads the IR line by line, as it is printed: an op a line."""

    def __init__(self, path):
        with open(path, encoding="latin-1") as file:
            self.lines = [line.strip() for line in file]
        self.at = 0
        self.initializers, self.functions, self.main = {}, {}, None
        self.aliases = {}
        self.read()

    def read(self):
        while self.at < len(self.lines):
            line = self.lines[self.at]
            if line.startswith("onnx.initializer"):
                self.read_initializer(line)
            elif line.startswith("onnx.function"):
                match = re.match(rf"onnx\.function {SYMBOL} operator ({STRING}) : ({STRING})", line)
                key = (unescape(match[1]), unescape(match[2]))
                graph = Graph({})
                lists = re.search(rf"inputs (\[.*\]) outputs (\[.*\])", line)
                graph.inputs, graph.outputs = strings(lists[1]), strings(lists[2])
                self.at += 1
                self.read_body(graph)
                self.functions[key] = graph
            elif line.startswith("func.func @main"):
                self.main = Graph({})
                self.read_signature(line)
                self.at += 1
                self.read_body(self.main)
            self.at += 1

    def read_initializer(self, line):
        match = re.match(rf"onnx\.initializer ({SYMBOL}) : ", line)
        rest = line[match.end():]
        end = balanced(rest, len("tensor"))
        place = re.match(rf" from ({STRING}) at (\d+)", rest[end:])
        address = (unescape(place[1]).decode(), int(place[2])) if place else None
        self.initializers[name_of(match[1])] = (rest[:end], address, rest)

    def read_signature(self, line):
        begin = line.index("(")
        end = balanced(line, begin)
        for argument in split(line[begin + 1:end - 1]):
            ssa = argument.split(":")[0].strip()
            self.main.names[ssa] = unescape(re.search(rf"onnx\.name = ({STRING})", argument)[1])
            self.main.inputs.append(self.main.names[ssa])
        self.main.outputs = [
            unescape(text) for text in re.findall(rf"onnx\.name = ({STRING})", line[end:])]

    def read_body(self, graph):
        if self.lines[self.at].startswith("^bb0("):
            line = self.lines[self.at]
            arguments = split(line[line.index("(") + 1:balanced(line, 4) - 1])
            for argument, name in zip(arguments, graph.inputs, strict=True):
                graph.names[argument.split(":")[0].strip()] = name
            self.at += 1
        while not self.lines[self.at].startswith("}"):
            self.read_op(graph, self.lines[self.at])
            self.at += 1

    def read_op(self, graph, line):
        if match := re.match(rf"(%\w+) = onnx\.get ({SYMBOL})", line):
            graph.names[match[1]] = ("symbol", name_of(match[2]))
        elif match := re.match(r"(%\w+) = onnx\.none", line):
            graph.names[match[1]] = b""
        elif match := re.match(r"(onnx\.)?return( .*?)?(?: :.*)?$", line):
            graph.result = [graph.names[ssa] for ssa in split(match[2] or "")]
        else:
            self.read_node(graph, line)

    def read_node(self, graph, line):
        match = re.match(rf"(?:(.*?) = )?onnx\.node ({STRING})\((.*?)\)", line)
        node = Node(unescape(match[2]))
        node.inputs = [graph.names[ssa] for ssa in split(match[3])]
        rest = line[match.end():]
        if rest.startswith(" {"):
            end = balanced(rest, 1)
            for entry in split(rest[2:end - 1]):
                key = re.match(rf"({STRING}|[\w.$]+)(?: = )?", entry)
                name = unescape(key[1]) if key[1][0] == '"' else key[1].encode()
                node.attributes[name] = entry[key.end():]
            rest = rest[end:]
        for word, field in (("domain", "domain"), ("overload", "overload"), ("name", "name")):
            if found := re.match(rf" {word} ({STRING})", rest):
                setattr(node, field, unescape(found[1]))
                rest = rest[found.end():]
        if rest.startswith(" -> ["):
            end = balanced(rest, 4)
            node.outputs = strings(rest[4:end])
            rest = rest[end:]
        self.name_results(graph, match[1], node)
        graph.nodes.append(node)
        while found := re.search(rf" graph (<.*>) \{{$", rest):
            head = re.match(rf"<({STRING}), (-?\d+), {STRING}, (\[.*?\]) -> (\[.*?\])>$", found[1])
            inner = Graph(dict(graph.names), unescape(head[1]), int(head[2]))
            inner.inputs, inner.outputs = strings(head[3]), strings(head[4])
            self.at += 1
            self.read_body(inner)
            node.graphs.append(inner)
            rest = self.lines[self.at][1:]

    def name_results(self, graph, results, node):
        names = iter(node.outputs)
        for result in split(results or ""):
            ssa, _, count = result.partition(":")
            if count:
                for i in range(int(count)):
                    graph.names[f"{ssa}#{i}"] = next(names)
            else:
                graph.names[ssa] = next(names)


ELEMENTS = {
    1: "f32", 2: "ui8", 3: "i8", 4: "ui16", 5: "i16", 6: "i32", 7: "i64", 8: "!onnx.string",
    9: "i1", 10: "f16", 11: "f64", 12: "ui32", 13: "ui64", 14: "complex<f32>",
    15: "complex<f64>", 16: "bf16", 17: "f8E4M3FN", 18: "f8E4M3FNUZ", 19: "f8E5M2",
    20: "f8E5M2FNUZ", 21: "ui4", 22: "i4", 23: "f4E2M1FN", 24: "f8E8M0FNU", 25: "ui2",
    26: "i2", 27: "f6E2M3FN", 28: "f6E3M2FN",
}


def tensor_type(tensor):
    extents = "".join(f"{extent}x" for extent in tensor.dims)
    return f"tensor<{extents}{ELEMENTS[tensor.data_type]}>"


class Comparer:
    def __init__(self, reader, folder):
        self.reader, self.folder = reader, folder
        self.nodes = self.initializers = 0

    def expect(self, ours, theirs, where):
        if ours != theirs:
            raise Different(f"{where}: expected {theirs!r}, got {ours!r}")

    def tensor(self, tensor, symbol, where):
        """The initializer `symbol` must have the type and bytes of `tensor`."""
        kind, address, text = self.reader.initializers[symbol]
        self.expect(kind, tensor_type(tensor), where)
        self.initializers += 1
        if tensor.HasField("raw_data") and tensor.data_type != 8:
            with open(os.path.join(self.folder, address[0]), "rb") as file:
                file.seek(address[1])
                data = file.read(len(tensor.raw_data))
            self.expect(data, tensor.raw_data, where)
        elif tensor.data_location == onnx.TensorProto.EXTERNAL:
            entries = {entry.key: entry.value for entry in tensor.external_data}
            self.expect(address, (entries["location"], int(entries.get("offset", 0))), where)
        elif address is None and " = " not in text:
            raise Different(f"{where}: neither an address nor a value")

    def attribute(self, attribute, text, where):
        if attribute.ref_attr_name:
            self.expect(strings(text), [attribute.ref_attr_name.encode()], where)
        elif attribute.type == AttributeProto.INT:
            self.expect(text, f"{attribute.i} : si64", where)
        elif attribute.type == AttributeProto.INTS:
            numbers = [int(n) for n in re.findall(r"-?\d+", text.removeprefix("array<i64"))]
            self.expect(numbers, list(attribute.ints), where)
        elif attribute.type == AttributeProto.FLOAT:
            self.expect(self.number(text.removesuffix(" : f32")), attribute.f, where)
        elif attribute.type == AttributeProto.FLOATS:
            entries = split(text.removeprefix("array<f32").removesuffix(">").lstrip(":"))
            self.expect([self.number(e) for e in entries], list(attribute.floats), where)
        elif attribute.type == AttributeProto.STRING:
            self.expect(unescape(text), attribute.s, where)
        elif attribute.type == AttributeProto.STRINGS:
            self.expect(strings(text), list(attribute.strings), where)
        elif attribute.type == AttributeProto.TENSOR:
            if text.startswith("@"):
                self.tensor(attribute.t, name_of(text), where)
            else:
                self.expect(text.rpartition(" : ")[2], tensor_type(attribute.t), where)

    def number(self, text):
        if text.startswith("0x"):
            return struct.unpack("<f", struct.pack("<I", int(text, 16)))[0]
        return struct.unpack("<f", struct.pack("<f", float(text)))[0]

    def names(self, ours, theirs, symbols, where):
        """Compares values; those that are initializers by way of their symbols."""
        plain = []
        for name, expected in zip(ours, theirs):
            symbol = isinstance(name, tuple)
            plain.append(expected.encode() if symbol and symbols.get(expected) == name[1] else name)
        plain += ours[len(theirs):]
        self.expect(plain, [name.encode() for name in theirs], where)

    def graph(self, ours, theirs, symbols, where):
        symbols = dict(symbols)
        for name in list(ours.outputs):
            symbols.pop(name, None)
        for tensor in getattr(theirs, "initializer", ()):
            symbols[tensor.name] = self.symbol(tensor, where)
        self.expect(len(ours.nodes), len(theirs.node), f"{where}: number of nodes")
        for index, (node, proto) in enumerate(zip(ours.nodes, theirs.node)):
            self.node(node, proto, symbols, f"{where}.node[{index}]")
        outputs = [getattr(output, "name", output) for output in theirs.output]
        self.expect(ours.outputs, [name.encode() for name in outputs], f"{where}: outputs")
        self.names(ours.result, outputs, symbols, f"{where}: results")

    def symbol(self, tensor, where):
        """The first initializer of the right name and bytes."""
        failure = Different(f"{where}: no initializer {tensor.name!r}")
        for symbol in self.reader.initializers:
            if symbol == tensor.name.encode() or re.fullmatch(
                    re.escape(tensor.name.encode()) + rb"_\d+", symbol):
                if symbol in self.reader.aliases:
                    continue
                self.tensor(tensor, symbol, f"{where}.initializer {tensor.name!r}")
                self.reader.aliases[symbol] = tensor.name
                return symbol
        raise failure

    def node(self, node, proto, symbols, where):
        self.nodes += 1
        self.expect(node.op, proto.op_type.encode(), where)
        self.expect(node.domain, proto.domain.encode(), where)
        self.expect(node.name, proto.name.encode(), where)
        self.expect(node.overload, proto.overload.encode(), where)
        self.names(node.inputs, list(proto.input), symbols, f"{where}: inputs")
        self.expect(node.outputs, [name.encode() for name in proto.output], f"{where}: outputs")
        graphs = {(graph.attribute, graph.index): graph for graph in node.graphs}
        seen = set()
        for attribute in proto.attribute:
            name = attribute.name.encode()
            inner = f"{where}.{attribute.name}"
            if attribute.type == AttributeProto.GRAPH and not attribute.ref_attr_name:
                self.subgraph(graphs.pop((name, -1)), attribute.g, symbols, inner)
            elif attribute.type == AttributeProto.GRAPHS and attribute.graphs:
                for index, graph in enumerate(attribute.graphs):
                    self.subgraph(graphs.pop((name, index)), graph, symbols, f"{inner}[{index}]")
            else:
                self.attribute(attribute, node.attributes[name], inner)
                seen.add(name)
        self.expect(set(node.attributes), seen, f"{where}: attributes")
        self.expect(list(graphs), [], f"{where}: graphs")

    def subgraph(self, ours, theirs, symbols, where):
        self.expect(ours.inputs, [i.name.encode() for i in theirs.input], f"{where}: inputs")
        self.graph(ours, theirs, symbols, where)


def compare(model_path, ir_path):
    """Raises Different where the IR is not the model's; returns what was compared."""
    model = onnx.load(model_path, load_external_data=False)
    reader = Reader(ir_path)
    comparer = Comparer(reader, os.path.dirname(model_path))
    initializers = {tensor.name for tensor in model.graph.initializer}
    initializers |= {sparse.values.name for sparse in model.graph.sparse_initializer}
    symbols = {name: name.encode() for name in initializers}
    inputs = [i.name.encode() for i in model.graph.input if i.name not in initializers]
    comparer.expect(reader.main.inputs, inputs, "graph: inputs")
    comparer.graph(reader.main, model.graph, symbols, "graph")
    for function in model.functions:
        body = reader.functions[(function.domain.encode(), function.name.encode())]
        comparer.expect(body.inputs, [name.encode() for name in function.input], function.name)
        comparer.graph(body, function, {}, f"function {function.name}")
    return f"{comparer.nodes} nodes, {comparer.initializers} initializers"


if __name__ == "__main__":
    try:
        print("same:", compare(*sys.argv[1:3]))
    except Different as difference:
        sys.exit(f"different: {difference}")
