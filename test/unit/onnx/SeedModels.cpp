//===- SeedModels.cpp - Small models that use all of ONNX -----------------===//

#include "test/unit/onnx/SeedModels.h"
#include "onnx/onnx_pb.h"

using namespace onnx;

namespace {

void setType(TypeProto &type, int element, std::vector<int64_t> extents) {
  auto &tensor = *type.mutable_tensor_type();
  tensor.set_elem_type(element);
  for (int64_t extent : extents) {
    auto &dim = *tensor.mutable_shape()->add_dim();
    if (extent < 0)
      dim.set_dim_param("n");
    else
      dim.set_dim_value(extent);
  }
}

void addValue(google::protobuf::RepeatedPtrField<ValueInfoProto> *list,
              const std::string &name, int element = 1,
              std::vector<int64_t> extents = {-1, 3}) {
  ValueInfoProto &value = *list->Add();
  value.set_name(name);
  setType(*value.mutable_type(), element, std::move(extents));
}

template <typename Owner>
NodeProto &addNode(Owner &owner, const std::string &op,
                   const std::vector<std::string> &inputs,
                   const std::vector<std::string> &outputs) {
  NodeProto &node = *owner.add_node();
  node.set_op_type(op);
  node.set_name("/" + op);
  for (const std::string &name : inputs)
    node.add_input(name);
  for (const std::string &name : outputs)
    node.add_output(name);
  return node;
}

AttributeProto &addAttribute(NodeProto &node, const std::string &name,
                             AttributeProto::AttributeType type) {
  AttributeProto &attribute = *node.add_attribute();
  attribute.set_name(name);
  attribute.set_type(type);
  return attribute;
}

void setRaw(TensorProto &tensor, const std::string &name, int type,
            int64_t extent, size_t bytes) {
  tensor.set_name(name);
  tensor.set_data_type(type);
  tensor.add_dims(extent);
  tensor.set_raw_data(std::string(bytes, '\1'));
}

ModelProto makeModel() {
  ModelProto model;
  model.set_ir_version(10);
  model.set_producer_name("seed");
  auto &opset = *model.add_opset_import();
  opset.set_version(18);
  auto &property = *model.add_metadata_props();
  property.set_key("key");
  property.set_value("value");
  model.mutable_graph()->set_name("g");
  return model;
}

/// Raw and typed tensors of all element types.
ModelProto makeTensors() {
  ModelProto model = makeModel();
  GraphProto &graph = *model.mutable_graph();
  const int bits[] = {0,   32, 8, 8, 16, 16, 32, 64, 0, 8, 16, 64, 32, 64, 64,
                      128, 16, 8, 8, 8,  8,  4,  4,  4, 8, 2,  2,  6,  6};
  for (int type = 1; type <= 28; ++type) {
    if (type == 8)
      continue;
    size_t bytes = (5 * static_cast<size_t>(bits[type]) + 7) / 8;
    setRaw(*graph.add_initializer(), "raw" + std::to_string(type), type, 5,
           bytes);
    TensorProto &typed = *graph.add_initializer();
    typed.set_name("typed" + std::to_string(type));
    typed.set_data_type(type);
    typed.add_dims(2);
    for (int i = 0; i < 2; ++i) {
      typed.add_float_data(1);
      typed.add_double_data(1);
      typed.add_int64_data(-1);
      typed.add_uint64_data(1);
      typed.add_int32_data(i);
    }
    if (type == 14)
      typed.mutable_float_data()->Add(1), typed.add_float_data(2);
    if (type == 15)
      typed.mutable_double_data()->Add(1), typed.add_double_data(2);
    if (bits[type] < 5)
      typed.mutable_int32_data()->RemoveLast();
  }
  TensorProto &words = *graph.add_initializer();
  words.set_name("words");
  words.set_data_type(8);
  words.add_dims(2);
  words.add_string_data("one");
  words.add_string_data(std::string("\xff\0", 2));
  return model;
}

/// All attribute types, value types, and external data.
ModelProto makeAttributes() {
  ModelProto model = makeModel();
  GraphProto &graph = *model.mutable_graph();
  addValue(graph.mutable_input(), "x");
  addValue(graph.mutable_output(), "y");
  addValue(graph.mutable_value_info(), "h", 10, {4});
  NodeProto &node = addNode(graph, "Op", {"x", "", "w"}, {"y", "", "h"});
  node.set_domain("pkg");
  addAttribute(node, "i", AttributeProto::INT).set_i(-3);
  addAttribute(node, "f", AttributeProto::FLOAT).set_f(2.5f);
  addAttribute(node, "s", AttributeProto::STRING).set_s("text");
  addAttribute(node, "is", AttributeProto::INTS).add_ints(1);
  addAttribute(node, "fs", AttributeProto::FLOATS).add_floats(1);
  addAttribute(node, "ss", AttributeProto::STRINGS).add_strings("a");
  setRaw(*addAttribute(node, "t", AttributeProto::TENSOR).mutable_t(), "", 1,
         400, 1600);
  setRaw(*addAttribute(node, "ts", AttributeProto::TENSORS).add_tensors(), "",
         7, 1, 8);
  auto &sparse = *addAttribute(node, "sp", AttributeProto::SPARSE_TENSOR)
                      .mutable_sparse_tensor();
  setRaw(*sparse.mutable_values(), "v", 1, 2, 8);
  setRaw(*sparse.mutable_indices(), "i", 7, 2, 16);
  sparse.add_dims(9);
  *graph.add_sparse_initializer() = sparse;
  auto &sequence = *addAttribute(node, "tp", AttributeProto::TYPE_PROTO)
                        .mutable_tp()
                        ->mutable_sequence_type();
  setType(*sequence.mutable_elem_type()
               ->mutable_optional_type()
               ->mutable_elem_type(),
          1, {2});
  auto &map = *addAttribute(node, "tps", AttributeProto::TYPE_PROTOS)
                   .add_type_protos()
                   ->mutable_map_type();
  map.set_key_type(7);
  setType(*map.mutable_value_type(), 8, {});
  TensorProto &external = *graph.add_initializer();
  external.set_name("w");
  external.set_data_type(1);
  external.add_dims(16);
  external.set_data_location(TensorProto::EXTERNAL);
  for (auto [key, value] : {std::pair("location", "weights.bin"),
                            {"offset", "8"},
                            {"length", "64"}}) {
    auto &entry = *external.add_external_data();
    entry.set_key(key);
    entry.set_value(value);
  }
  auto &annotation = *graph.add_quantization_annotation();
  annotation.set_tensor_name("x");
  auto &scale = *annotation.add_quant_parameter_tensor_names();
  scale.set_key("SCALE_TENSOR");
  scale.set_value("w");
  return model;
}

/// Subgraphs and functions.
ModelProto makeSubgraphs() {
  ModelProto model = makeModel();
  GraphProto &graph = *model.mutable_graph();
  addValue(graph.mutable_input(), "c", 9, {});
  addValue(graph.mutable_input(), "x");
  addValue(graph.mutable_output(), "y");
  setRaw(*graph.add_initializer(), "w", 1, 3, 12);
  NodeProto &branch = addNode(graph, "If", {"c"}, {"z"});
  for (const char *name : {"then_branch", "else_branch"}) {
    GraphProto &inner =
        *addAttribute(branch, name, AttributeProto::GRAPH).mutable_g();
    addNode(inner, "Add", {"x", "w"}, {"t"});
    addValue(inner.mutable_output(), "t");
  }
  NodeProto &loop = addNode(graph, "Loop", {"", "c", "z"}, {"l"});
  GraphProto &body =
      *addAttribute(loop, "body", AttributeProto::GRAPH).mutable_g();
  addValue(body.mutable_input(), "i", 7, {});
  addValue(body.mutable_input(), "go", 9, {});
  addValue(body.mutable_input(), "v");
  addNode(body, "Twice", {"v"}, {"v2"}).set_domain("pkg");
  addValue(body.mutable_output(), "go", 9, {});
  addValue(body.mutable_output(), "v2");
  NodeProto &call = addNode(graph, "Twice", {"l"}, {"y"});
  call.set_domain("pkg");
  addAttribute(call, "by", AttributeProto::FLOAT).set_f(2);
  FunctionProto &function = *model.add_functions();
  function.set_domain("pkg");
  function.set_name("Twice");
  function.add_input("a");
  function.add_input("b");
  function.add_output("r");
  function.add_attribute("by");
  function.add_opset_import()->set_version(18);
  NodeProto &scale = addNode(function, "Scale", {"a", "b"}, {"r"});
  addAttribute(scale, "by", AttributeProto::FLOAT).set_ref_attr_name("by");
  return model;
}

} // namespace

std::vector<std::string> makeSeedModels() {
  std::vector<std::string> result;
  for (const ModelProto &model :
       {makeTensors(), makeAttributes(), makeSubgraphs()})
    result.push_back(model.SerializeAsString());
  return result;
}
