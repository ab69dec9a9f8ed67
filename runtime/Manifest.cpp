//===- Manifest.cpp - what an artifact says of itself ---------------------===//

#include "runtime/Manifest.h"
#include "runtime/Abi.h"

#include <algorithm>
#include <nlohmann/json.hpp>

using namespace lq;
using Json = nlohmann::json;

/// Far above any real model, far below where sums could overflow.
static constexpr int64_t maxExtent = int64_t(1) << 40;
static constexpr int64_t maxBytes = int64_t(1) << 50;
static constexpr size_t maxRank = 8;

const EntrySpec *CodeSpec::findEntry(std::string_view name) const {
  for (const EntrySpec &entry : entries)
    if (entry.name == name)
      return &entry;
  return nullptr;
}

uint64_t WeightSpec::elements() const {
  uint64_t count = 1;
  for (int64_t dim : shape)
    if (__builtin_mul_overflow(count, static_cast<uint64_t>(dim), &count))
      return UINT64_MAX;
  return count;
}

size_t Manifest::extentIndex(std::string_view name) const {
  for (size_t i = 0; i < extents.size(); ++i)
    if (extents[i].name == name)
      return i;
  return extents.size();
}

namespace {
/// Reads fields of an object. The first thing that is wrong is remembered, and
/// reading goes on with harmless values, so that the readers below need no
/// error handling of their own.
class Fields {
public:
  Fields(const Json &object, std::string where, std::string &problem)
      : object(object), where(std::move(where)), problem(problem) {
    if (!object.is_object())
      fail("expected an object");
  }

  void fail(const std::string &what) const {
    if (problem.empty())
      problem = where + ": " + what;
  }
  bool has(const char *key) const {
    return object.is_object() && object.contains(key);
  }
  const Json &get(const char *key) const {
    static const Json none;
    if (has(key))
      return object.at(key);
    fail(std::string("'") + key + "' is missing");
    return none;
  }

  int64_t integer(const char *key, int64_t min, int64_t max) const {
    return integer(get(key), key, min, max);
  }
  int64_t integer(const Json &value, const char *key, int64_t min,
                  int64_t max) const;
  std::string string(const char *key) const { return string(get(key), key); }
  std::string string(const Json &value, const char *key) const;
  const Json &array(const char *key) const;
  std::vector<std::string> strings(const char *key) const;
  std::vector<int64_t> integers(const char *key, int64_t max) const;

  /// Calls read(Fields) for each object of an array.
  template <typename Read> void forEach(const char *key, Read read) const {
    size_t index = 0;
    for (const Json &element : array(key))
      read(Fields(element, key + ("[" + std::to_string(index++) + "]"),
                  problem));
  }

private:
  const Json &object;
  std::string where;
  std::string &problem;
};
} // namespace

int64_t Fields::integer(const Json &value, const char *key, int64_t min,
                        int64_t max) const {
  bool fits = value.is_number_unsigned()
                  ? value.get<uint64_t>() <= static_cast<uint64_t>(max)
                  : value.is_number_integer() && value.get<int64_t>() <= max;
  if (fits && value.get<int64_t>() >= min)
    return value.get<int64_t>();
  fail(std::string("expected '") + key + "' to be an integer from " +
       std::to_string(min) + " to " + std::to_string(max));
  return min;
}

std::string Fields::string(const Json &value, const char *key) const {
  if (value.is_string())
    return value.get<std::string>();
  fail(std::string("expected '") + key + "' to be a string");
  return {};
}

const Json &Fields::array(const char *key) const {
  static const Json none = Json::array();
  const Json &value = get(key);
  if (value.is_array())
    return value;
  fail(std::string("expected '") + key + "' to be an array");
  return none;
}

std::vector<std::string> Fields::strings(const char *key) const {
  std::vector<std::string> out;
  for (const Json &value : array(key))
    out.push_back(string(value, key));
  return out;
}

std::vector<int64_t> Fields::integers(const char *key, int64_t max) const {
  std::vector<int64_t> out;
  for (const Json &value : array(key))
    out.push_back(integer(value, key, 0, max));
  return out;
}

static DimExpr readDim(const Fields &fields, const Json &value,
                       std::span<const std::string> extentNames) {
  if (!value.is_string())
    return DimExpr(fields.integer(value, "shape", 0, maxExtent));
  auto dim = DimExpr::parse(value.get<std::string>(), extentNames);
  if (dim)
    return std::move(*dim);
  fields.fail(dim.error().message());
  return DimExpr(0);
}

static TensorSpec readTensor(const Fields &fields,
                             std::span<const std::string> extentNames) {
  TensorSpec tensor;
  tensor.name = fields.string("name");
  std::string type = fields.string("type");
  auto element = parseElementType(type);
  if (!element)
    fields.fail("unknown element type '" + type + "'");
  tensor.type = element.value_or(ElementType::F32);
  const Json &shape = fields.get("shape");
  if (!shape.is_array() || shape.size() > maxRank)
    fields.fail("expected 'shape' to be an array of at most 8 dimensions");
  else
    for (const Json &dim : shape)
      tensor.shape.push_back(readDim(fields, dim, extentNames));
  return tensor;
}

static EntrySpec readEntry(const Fields &fields) {
  EntrySpec entry{};
  entry.name = fields.string("name");
  entry.minRows = entry.maxRows = 1;
  if (fields.has("rows")) {
    std::vector<int64_t> rows = fields.integers("rows", maxExtent);
    if (rows.size() != 2 || rows[0] < 1 || rows[1] < rows[0])
      fields.fail("expected 'rows' to be [fewest, most]");
    else
      std::tie(entry.minRows, entry.maxRows) = std::pair(rows[0], rows[1]);
  }
  entry.arenaBytes =
      static_cast<uint64_t>(fields.integer("arena_bytes", 0, maxBytes));
  entry.scratchBytes =
      static_cast<uint64_t>(fields.integer("scratch_bytes", 0, maxBytes));
  if (entry.scratchBytes % LQ_ABI_ALIGNMENT)
    fields.fail("expected 'scratch_bytes' to be a multiple of 64");
  return entry;
}

static CodeSpec readCode(const Fields &fields) {
  CodeSpec code;
  code.target = fields.string("target");
  code.features = fields.strings("features");
  code.tensor = fields.string("tensor");
  fields.forEach("entries", [&](const Fields &entry) {
    code.entries.push_back(readEntry(entry));
  });
  return code;
}

static StateSpec readState(const Fields &fields) {
  StateSpec state;
  state.name = fields.string("name");
  state.bytesPerPosition =
      static_cast<uint64_t>(fields.integer("bytes_per_position", 0, 1 << 30));
  state.positionMultiple =
      static_cast<uint64_t>(fields.integer("position_multiple", 1, 1 << 20));
  return state;
}

static WeightSpec readWeight(const Fields &fields) {
  WeightSpec weight;
  weight.name = fields.string("name");
  weight.tensor = fields.string("tensor");
  weight.shape = fields.integers("shape", maxExtent);
  weight.encoding = fields.string("encoding");
  weight.storageBytes =
      static_cast<uint64_t>(fields.integer("storage_bytes", 0, maxBytes));
  return weight;
}

static void readHashes(const Fields &fields, Manifest &manifest) {
  const Json &hashes = fields.get("sha256");
  if (!hashes.is_object())
    return fields.fail("expected 'sha256' to be an object");
  for (const auto &[name, digest] : hashes.items())
    manifest.sha256[name] = fields.string(digest, "sha256");
}

static ModelKind readKind(const Fields &fields) {
  std::string kind = fields.string("kind");
  if (kind != "generative" && kind != "tensors")
    fields.fail("unknown kind '" + kind + "'");
  return kind == "generative" ? ModelKind::Generative : ModelKind::Tensors;
}

static Manifest readManifest(const Fields &fields) {
  Manifest manifest;
  manifest.kind = readKind(fields);
  manifest.name = fields.string("name");
  manifest.producer = fields.string("producer");
  std::vector<std::string> names;
  fields.forEach("extents", [&](const Fields &extent) {
    manifest.extents.push_back(
        {extent.string("name"), extent.integer("max", 0, maxExtent)});
    names.push_back(manifest.extents.back().name);
  });
  if (manifest.kind == ModelKind::Generative) {
    manifest.context = fields.integer("context", 1, maxExtent);
    manifest.vocabulary = fields.integer("vocabulary", 1, INT32_MAX);
  }
  fields.forEach("inputs", [&](const Fields &input) {
    manifest.inputs.push_back(readTensor(input, names));
  });
  fields.forEach("outputs", [&](const Fields &output) {
    manifest.outputs.push_back(readTensor(output, names));
  });
  fields.forEach("states", [&](const Fields &state) {
    manifest.states.push_back(readState(state));
  });
  fields.forEach("weights", [&](const Fields &weight) {
    manifest.weights.push_back(readWeight(weight));
  });
  fields.forEach("code", [&](const Fields &code) {
    manifest.code.push_back(readCode(code));
  });
  readHashes(fields, manifest);
  return manifest;
}

/// What a session of a generative model relies on.
static void checkGenerative(const Manifest &manifest, const Fields &fields) {
  auto hasExtent = [&](std::string_view name) {
    return manifest.extentIndex(name) != manifest.extents.size();
  };
  if (!hasExtent("sequence"))
    fields.fail("a generative model needs the extent 'sequence'");
  if (manifest.inputs.size() != 1 || manifest.inputs[0].shape.size() != 2 ||
      (manifest.inputs[0].type != ElementType::I64 &&
       manifest.inputs[0].type != ElementType::I32))
    fields.fail("expected the input of a generative model to be one matrix of "
                "token ids");
  if (manifest.outputs.size() != 1 || manifest.outputs[0].shape.size() != 3 ||
      manifest.outputs[0].type != ElementType::F32)
    fields.fail("expected the output of a generative model to be logits of "
                "f32, [1, rows, vocabulary]");
  for (const CodeSpec &code : manifest.code) {
    const EntrySpec *decode = code.findEntry("decode");
    if (!code.findEntry("prefill") || !decode || decode->minRows != 1)
      fields.fail("the code for " + code.target +
                  " lacks an entry 'prefill' or a 'decode' of one row");
  }
}

static void checkTensors(const Manifest &manifest, const Fields &fields) {
  for (const CodeSpec &code : manifest.code)
    if (!code.findEntry("main"))
      fields.fail("the code for " + code.target + " lacks an entry 'main'");
}

/// The versions are checked before anything else is read: a later manifest may
/// look quite different.
static Error checkVersions(const Fields &fields, const std::string &problem) {
  int64_t version = fields.integer("version", 0, INT32_MAX);
  int64_t abi = fields.integer("abi", 0, INT32_MAX);
  if (!problem.empty())
    return makeError(ErrorCode::Corrupt, "the manifest is broken: ", problem);
  if (version != manifestVersion)
    return makeError(ErrorCode::Unsupported, "it is of manifest version ",
                     version, ", but this runtime reads ", manifestVersion,
                     "; compile the model with the lq of this runtime");
  if (abi != LQ_ABI_VERSION)
    return makeError(ErrorCode::Unsupported, "its code is for ABI ", abi,
                     ", but this runtime has ", LQ_ABI_VERSION,
                     "; compile the model with the lq of this runtime");
  return Error::success();
}

Expected<Manifest> lq::parseManifest(std::string_view text) {
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded())
    return makeError(ErrorCode::Corrupt, "the manifest is not JSON");
  std::string problem;
  Fields fields(json, "manifest", problem);
  if (Error error = checkVersions(fields, problem))
    return error;
  Manifest manifest = readManifest(fields);
  if (manifest.kind == ModelKind::Generative)
    checkGenerative(manifest, fields);
  else
    checkTensors(manifest, fields);
  if (!problem.empty())
    return makeError(ErrorCode::Corrupt, "the manifest is broken: ", problem);
  return manifest;
}
