//===- OnnxOps.cpp - Operations of the onnx dialect -----------------------===//

#include "dialects/common/WeightFile.h"
#include "dialects/onnx/OnnxDialect.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace lq::onnx;

/// An ONNX name as an SSA name: letters and digits, the rest as underscores,
/// and of a long one only the end, which tells it from its neighbours.
static std::string ssaName(StringRef name) {
  constexpr size_t kLongest = 40;
  StringRef tail = name.take_back(kLongest);
  if (tail.size() < name.size())
    if (size_t part = tail.find_first_of("/._:"); part != StringRef::npos)
      tail = tail.drop_front(part);
  std::string result;
  for (char byte : tail) {
    if (llvm::isAlnum(byte))
      result.push_back(byte);
    else if (!result.empty() && result.back() != '_')
      result.push_back('_');
  }
  if (!result.empty() && llvm::isDigit(result.front()))
    result.insert(result.begin(), '_');
  return result;
}

/// Sets SSA names of `values` from ONNX names, which may be fewer.
template <typename Range>
static void setNames(Range values, ArrayAttr names, OpAsmSetValueNameFn set) {
  if (!names)
    return;
  for (auto [value, name] : llvm::zip(values, names))
    if (auto text = dyn_cast<StringAttr>(name); text && !text.empty())
      set(value, ssaName(text.getValue()));
}

//===----------------------------------------------------------------------===//
// InitializerOp
//===----------------------------------------------------------------------===//

static ParseResult parseTypedInitializer(OpAsmParser &parser, TypeAttr &type,
                                         StringAttr &file, IntegerAttr &offset,
                                         Attribute &value) {
  Type tensor;
  if (parser.parseType(tensor))
    return failure();
  type = TypeAttr::get(tensor);
  if (succeeded(parser.parseOptionalKeyword("from"))) {
    int64_t place = 0;
    if (parser.parseAttribute(file) || parser.parseKeyword("at") ||
        parser.parseInteger(place))
      return failure();
    offset = parser.getBuilder().getI64IntegerAttr(place);
  }
  if (succeeded(parser.parseOptionalEqual()))
    return parser.parseAttribute(value, tensor);
  return success();
}

static void printTypedInitializer(OpAsmPrinter &printer, InitializerOp op,
                                  TypeAttr type, StringAttr file,
                                  IntegerAttr offset, Attribute value) {
  printer << type.getValue();
  if (file)
    printer << " from " << file << " at " << offset.getInt();
  if (!value)
    return;
  printer << " = ";
  if (isa<ElementsAttr>(value))
    printer.printAttributeWithoutType(value);
  else
    printer << value;
}

LogicalResult InitializerOp::verify() {
  if (getFileAttr() ? !getOffsetAttr() : !!getOffsetAttr())
    return emitOpError("expected both a file and an offset, or neither");
  if (!getFileAttr() && !getValueAttr())
    return emitOpError("expected an address ('from \"file\" at offset') or a "
                       "value ('= dense<...>')");
  if (auto elements = getElements();
      elements && elements.getType() != getTensorType())
    return emitOpError("expected a value of type ")
           << getTensorType() << ", got " << elements.getType();
  if (getValueAttr() && !isa<ElementsAttr, SparseTensorAttr>(getValueAttr()))
    return emitOpError("expected a dense or sparse value, got ")
           << getValueAttr();
  if (getFileAttr() && storageBits(getTensorType().getElementType()) == 0)
    return emitOpError("expected an inline value, as elements of type ")
           << getTensorType().getElementType() << " have no byte form";
  if (!storageBytes(getTensorType()))
    return emitOpError("expected a tensor of less than 2^63 bits");
  if (getOffsetAttr() && getOffsetAttr().getInt() < 0)
    return emitOpError("expected an offset of at least 0, got ")
           << getOffsetAttr().getInt();
  return success();
}

int64_t InitializerOp::getStorageBytes() {
  return storageBytes(getTensorType()).value_or(0);
}

//===----------------------------------------------------------------------===//
// GetOp, NoneOp
//===----------------------------------------------------------------------===//

LogicalResult GetOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto target = symbols.lookupNearestSymbolFrom<InitializerOp>(
      *this, getInitializerAttr());
  if (!target)
    return emitOpError("expected ")
           << getInitializerAttr() << " to name an onnx.initializer";
  if (target.getTensorType() != getResult().getType())
    return emitOpError("expected the type ")
           << target.getTensorType() << " of the initializer";
  return success();
}

void GetOp::getAsmResultNames(OpAsmSetValueNameFn setName) {
  setName(getResult(), ssaName(getInitializer()));
}

void NoneOp::getAsmResultNames(OpAsmSetValueNameFn setName) {
  setName(getResult(), "none");
}

//===----------------------------------------------------------------------===//
// NodeOp: syntax
//===----------------------------------------------------------------------===//

/// Parses `"text"`. Without the type given here, a colon after it would begin
/// the type of the string.
static ParseResult parseText(OpAsmParser &parser, StringAttr &text) {
  return parser.parseAttribute(text, parser.getBuilder().getNoneType());
}

/// Parses `keyword "text"` into the property, if the keyword is there.
static ParseResult parseOptionalText(OpAsmParser &parser, StringRef keyword,
                                     StringAttr &property) {
  if (failed(parser.parseOptionalKeyword(keyword)))
    return success();
  return parseText(parser, property);
}

ParseResult NodeOp::parse(OpAsmParser &parser, OperationState &result) {
  auto &properties = result.getOrAddProperties<Properties>();
  SmallVector<OpAsmParser::UnresolvedOperand> operands;
  NamedAttrList attributes;
  if (parseText(parser, properties.op_type) ||
      parser.parseOperandList(operands, OpAsmParser::Delimiter::Paren) ||
      parser.parseOptionalAttrDict(attributes) ||
      parseOptionalText(parser, "domain", properties.domain) ||
      parseOptionalText(parser, "overload", properties.overload) ||
      parseOptionalText(parser, "name", properties.node_name))
    return failure();
  if (!attributes.empty())
    properties.node_attributes = attributes.getDictionary(result.getContext());
  if (succeeded(parser.parseOptionalArrow()) &&
      parser.parseAttribute(properties.output_names))
    return failure();

  FunctionType type;
  SMLoc place = parser.getCurrentLocation();
  if (parser.parseOptionalAttrDictWithKeyword(result.attributes) ||
      parser.parseColonType(type) ||
      parser.resolveOperands(operands, type.getInputs(), place,
                             result.operands))
    return failure();
  result.addTypes(type.getResults());

  SmallVector<Attribute> graphs;
  while (succeeded(parser.parseOptionalKeyword("graph"))) {
    Attribute graph = GraphAttr::parse(parser, Type());
    if (!graph || parser.parseRegion(*result.addRegion()))
      return failure();
    graphs.push_back(graph);
  }
  if (!graphs.empty())
    properties.graphs = ArrayAttr::get(result.getContext(), graphs);
  return success();
}

/// The discardable attributes: those that the syntax does not spell out.
static SmallVector<StringRef> spelledOut(NodeOp op) {
  SmallVector<StringRef> names;
  for (StringAttr name : op->getRegisteredInfo()->getAttributeNames())
    names.push_back(name.getValue());
  return names;
}

void NodeOp::print(OpAsmPrinter &printer) {
  printer << " ";
  printer.printAttributeWithoutType(getOpTypeAttr());
  printer << "(" << getInputs() << ")";
  if (getNodeAttributesAttr())
    printer.printOptionalAttrDict(getNodeAttributesAttr().getValue());
  if (!getDomain().empty())
    printer << " domain " << getDomainAttr();
  if (!getOverload().empty())
    printer << " overload " << getOverloadAttr();
  if (!getNodeName().empty())
    printer << " name " << getNodeNameAttr();
  if (getOutputNamesAttr())
    printer << " -> " << getOutputNamesAttr();
  printer.printOptionalAttrDictWithKeyword((*this)->getAttrs(),
                                           spelledOut(*this));
  printer << " : ";
  printer.printFunctionalType(*this);
  // One graph description a region, as the verifier has checked.
  for (auto [index, region] : llvm::enumerate(getBodies())) {
    printer << " graph ";
    cast<GraphAttr>(getGraphsAttr()[index]).print(printer);
    printer << " ";
    printer.printRegion(region);
  }
}

void NodeOp::getAsmResultNames(OpAsmSetValueNameFn setName) {
  setNames(getOutputs(), getOutputNamesAttr(), setName);
}

void NodeOp::getAsmBlockArgumentNames(Region &region,
                                      OpAsmSetValueNameFn setName) {
  ArrayAttr graphs = getGraphsAttr();
  unsigned index = region.getRegionNumber();
  if (graphs && index < graphs.size())
    if (auto graph = dyn_cast<GraphAttr>(graphs[index]))
      setNames(region.getArguments(), graph.getInputs(), setName);
}

//===----------------------------------------------------------------------===//
// NodeOp: meaning
//===----------------------------------------------------------------------===//

/// Checks the only block of a subgraph or function body against the names of
/// its inputs and outputs.
static LogicalResult verifyBody(Operation *op, Region &body, size_t inputs,
                                size_t outputs) {
  if (!body.hasOneBlock())
    return op->emitOpError("expected a body of one block");
  if (body.getNumArguments() != inputs)
    return op->emitOpError("expected ")
           << inputs << " block arguments, one for each input name, got "
           << body.getNumArguments();
  auto last = body.front().empty() ? ReturnOp()
                                   : dyn_cast<ReturnOp>(body.front().back());
  if (!last)
    return op->emitOpError("expected a body that ends with onnx.return");
  if (last.getNumOperands() != outputs)
    return last.emitOpError("expected ")
           << outputs << " operands, one for each output name, got "
           << last.getNumOperands();
  return success();
}

LogicalResult NodeOp::verify() {
  if (getOpType().empty())
    return emitOpError("expected the name of an operator");
  if (getOutputNamesAttr() && getOutputNamesAttr().size() != getNumResults())
    return emitOpError("expected ") << getNumResults() << " output names, got "
                                    << getOutputNamesAttr().size();
  size_t graphs = getGraphsAttr() ? getGraphsAttr().size() : 0;
  if (graphs != getBodies().size())
    return emitOpError("expected a graph description for each of ")
           << getBodies().size() << " regions, got " << graphs;
  for (auto [index, region] : llvm::enumerate(getBodies())) {
    auto graph = cast<GraphAttr>(getGraphsAttr()[index]);
    if (failed(verifyBody(*this, region, graph.getInputs().size(),
                          graph.getOutputs().size())))
      return failure();
  }
  return success();
}

LogicalResult NodeOp::verifySymbolUses(SymbolTableCollection &symbols) {
  if (!getNodeAttributesAttr())
    return success();
  auto known = [&](Attribute attribute) -> LogicalResult {
    auto symbol = dyn_cast<FlatSymbolRefAttr>(attribute);
    if (!symbol ||
        symbols.lookupNearestSymbolFrom<InitializerOp>(*this, symbol))
      return success();
    return emitOpError("expected ") << symbol << " to name an onnx.initializer";
  };
  for (NamedAttribute entry : getNodeAttributesAttr()) {
    if (failed(known(entry.getValue())))
      return failure();
    if (auto list = dyn_cast<ArrayAttr>(entry.getValue()))
      for (Attribute element : list)
        if (failed(known(element)))
          return failure();
  }
  return success();
}

/// Operators that give another result each time.
static bool drawsRandomNumbers(StringRef op) {
  static const llvm::StringSet<> names = {
      "Bernoulli",        "Dropout",       "Multinomial",      "RandomNormal",
      "RandomNormalLike", "RandomUniform", "RandomUniformLike"};
  return names.contains(op);
}

void NodeOp::getEffects(
    SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>>
        &effects) {
  bool random = drawsRandomNumbers(getOpType());
  (*this)->walk([&](NodeOp node) {
    random = random || drawsRandomNumbers(node.getOpType());
  });
  if (random)
    effects.emplace_back(MemoryEffects::Write::get());
}

int64_t NodeOp::getInt(StringRef name, int64_t otherwise) {
  auto value = getNodeAttr<IntegerAttr>(name);
  return value && value.getType().isInteger(64)
             ? value.getValue().getSExtValue()
             : otherwise;
}

float NodeOp::getFloat(StringRef name, float otherwise) {
  auto value = getNodeAttr<FloatAttr>(name);
  return value && value.getType().isF32() ? value.getValue().convertToFloat()
                                          : otherwise;
}

StringRef NodeOp::getString(StringRef name, StringRef otherwise) {
  auto value = getNodeAttr<StringAttr>(name);
  return value ? value.getValue() : otherwise;
}

std::optional<ArrayRef<int64_t>> NodeOp::getInts(StringRef name) {
  if (auto value = getNodeAttr<DenseI64ArrayAttr>(name))
    return value.asArrayRef();
  return std::nullopt;
}

Value NodeOp::getInputOrNull(unsigned index) {
  if (index >= getInputs().size() ||
      isa<NoneType>(getInputs()[index].getType()))
    return Value();
  return getInputs()[index];
}

Region *NodeOp::getGraph(StringRef name) {
  for (auto [index, region] : llvm::enumerate(getBodies())) {
    auto graph = cast<GraphAttr>(getGraphsAttr()[index]);
    if (graph.getIndex() < 0 && graph.getAttribute().getValue() == name)
      return &region;
  }
  return nullptr;
}

std::string NodeOp::describe() {
  std::string result = getOpType().str();
  if (!getDomain().empty())
    result = (getDomain() + "::" + result).str();
  StringRef name = getNodeName();
  if (name.empty() && getOutputNamesAttr() && !getOutputNamesAttr().empty())
    name = cast<StringAttr>(getOutputNamesAttr()[0]).getValue();
  return name.empty() ? result : result + " " + quoted(name);
}

//===----------------------------------------------------------------------===//
// FunctionOp
//===----------------------------------------------------------------------===//

LogicalResult FunctionOp::verify() {
  return verifyBody(*this, getBody(), getInputNames().size(),
                    getOutputNames().size());
}

#define GET_OP_CLASSES
#include "dialects/onnx/OnnxOps.cpp.inc"
