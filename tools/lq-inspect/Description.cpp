//===- Description.cpp - what is inside an artifact -----------------------===//

#include "tools/lq-inspect/Description.h"
#include "runtime/CpuFeatures.h"

#include <algorithm>
#include <iomanip>
#include <map>
#include <sstream>

using namespace lq;
using Json = nlohmann::ordered_json;

static double bitsPerWeight(uint64_t bytes, uint64_t elements) {
  return elements
             ? static_cast<double>(bytes) * 8 / static_cast<double>(elements)
             : 0;
}

static Json describeTensors(const std::vector<TensorSpec> &specs) {
  Json out = Json::array();
  for (const TensorSpec &spec : specs) {
    Json shape = Json::array();
    for (const DimExpr &dim : spec.shape)
      shape.push_back(dim.text());
    out.push_back({{"name", spec.name},
                   {"type", elementTypeName(spec.type)},
                   {"shape", shape}});
  }
  return out;
}

static Json describeWeights(const Manifest &manifest) {
  Json out = Json::array();
  for (const WeightSpec &weight : manifest.weights) {
    auto digest = manifest.sha256.find(weight.tensor);
    out.push_back(
        {{"name", weight.name},
         {"shape", weight.shape},
         {"encoding", weight.encoding},
         {"bytes", weight.storageBytes},
         {"bits_per_weight",
          bitsPerWeight(weight.storageBytes, weight.elements())},
         {"sha256", digest == manifest.sha256.end() ? "" : digest->second}});
  }
  return out;
}

static Json describeCode(const ArtifactFile &file) {
  Json out = Json::array();
  const Manifest &manifest = file.manifest();
  for (const CodeSpec &code : manifest.code) {
    Json entries = Json::array();
    for (const EntrySpec &entry : code.entries)
      entries.push_back({{"name", entry.name},
                         {"rows", {entry.minRows, entry.maxRows}},
                         {"arena_bytes", entry.arenaBytes},
                         {"scratch_bytes", entry.scratchBytes}});
    auto digest = manifest.sha256.find(code.tensor);
    out.push_back(
        {{"target", code.target},
         {"features", code.features},
         {"bytes", file.container().findTensor(code.tensor)->bytes.size()},
         {"runs_here", static_cast<bool>(file.chooseCode(code.target))},
         {"entries", entries},
         {"sha256", digest == manifest.sha256.end() ? "" : digest->second}});
  }
  return out;
}

static Json describeStates(const Manifest &manifest) {
  Json out = Json::array();
  for (const StateSpec &state : manifest.states)
    out.push_back({{"name", state.name},
                   {"bytes_per_position", state.bytesPerPosition},
                   {"position_multiple", state.positionMultiple}});
  return out;
}

/// Null if there is no tokenizer.
static Json describeTokenizer(const ArtifactFile &file) {
  const GgufReader &reader = file.container();
  uint64_t bytes = 0;
  for (const auto &[key, value] : reader.metadata())
    if (key.starts_with("tokenizer.") || key.starts_with("lq.tokenizer."))
      bytes += key.size() + value.bytes().size();
  if (!bytes)
    return nullptr;
  const GgufValue *model = reader.find("tokenizer.ggml.model");
  const GgufValue *tokens = reader.find("tokenizer.ggml.tokens");
  auto name = model ? model->asString() : std::string_view("unknown");
  auto digest = file.manifest().sha256.find("tokenizer");
  return {
      {"model", name ? *name : "unknown"},
      {"tokens", tokens ? tokens->size() : 0},
      {"bytes", bytes},
      {"chat_template", reader.find("tokenizer.chat_template") != nullptr},
      {"sha256", digest == file.manifest().sha256.end() ? "" : digest->second}};
}

Json lq::describeArtifact(const ArtifactFile &file) {
  const Manifest &manifest = file.manifest();
  uint64_t parameters = 0, weightBytes = 0;
  for (const WeightSpec &weight : manifest.weights) {
    parameters += weight.elements();
    weightBytes += weight.storageBytes;
  }
  bool generative = manifest.kind == ModelKind::Generative;
  Json extents = Json::array();
  for (const ExtentSpec &extent : manifest.extents)
    extents.push_back({{"name", extent.name}, {"max", extent.max}});
  Json out = {{"file", file.container().path()},
              {"bytes", file.container().mapping().bytes().size()},
              {"name", manifest.name},
              {"producer", manifest.producer},
              {"kind", generative ? "generative" : "tensors"}};
  if (generative) {
    out["context"] = manifest.context;
    out["vocabulary"] = manifest.vocabulary;
  }
  out["parameters"] = parameters;
  out["weight_bytes"] = weightBytes;
  out["bits_per_weight"] = bitsPerWeight(weightBytes, parameters);
  out["extents"] = extents;
  out["inputs"] = describeTensors(manifest.inputs);
  out["outputs"] = describeTensors(manifest.outputs);
  out["states"] = describeStates(manifest);
  out["tokenizer"] = describeTokenizer(file);
  out["code"] = describeCode(file);
  out["weights"] = describeWeights(manifest);
  return out;
}

namespace {
/// Rows of text whose columns are made equally wide.
class Table {
public:
  void add(std::vector<std::string> row) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i)
      widths[i] = std::max(widths[i], row[i].size());
    rows.push_back(std::move(row));
  }
  void print(std::ostream &out) const {
    for (const std::vector<std::string> &row : rows) {
      std::string line = " ";
      for (size_t i = 0; i < row.size(); ++i)
        line += " " + row[i] + std::string(widths[i] - row[i].size() + 1, ' ');
      out << line.substr(0, line.find_last_not_of(' ') + 1) << "\n";
    }
  }

private:
  std::vector<std::vector<std::string>> rows;
  std::vector<size_t> widths;
};
} // namespace

static std::string text(const Json &value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

static std::string decimals(double value, int digits) {
  std::ostringstream out;
  out << std::fixed << std::setprecision(digits) << value;
  return out.str();
}

static std::string size(const Json &bytes) {
  auto value = bytes.get<double>();
  if (value < 10000)
    return bytes.dump() + " B";
  return value < 1e6 ? decimals(value / 1e3, 1) + " kB"
                     : decimals(value / 1e6, 1) + " MB";
}

/// Lists join with ", ", in brackets if they are shapes.
static std::string joined(const Json &list, const char *separator) {
  std::string out;
  for (const Json &element : list)
    out += (out.empty() ? "" : separator) + text(element);
  return out;
}

static void printTensors(std::ostream &out, const char *title,
                         const Json &tensors) {
  out << "\n" << title << "\n";
  Table table;
  for (const Json &tensor : tensors)
    table.add({text(tensor["name"]), text(tensor["type"]),
               "[" + joined(tensor["shape"], ", ") + "]"});
  table.print(out);
}

static void printCode(std::ostream &out, const Json &code, bool hashes) {
  out << "\ncode\n";
  for (const Json &object : code) {
    out << "  " << text(object["target"]) << ", " << size(object["bytes"])
        << (object["runs_here"].get<bool>() ? ", runs here"
                                            : ", does not run here")
        << "\n";
    if (!object["features"].empty())
      out << "    needs " << joined(object["features"], " ") << "\n";
    for (const Json &entry : object["entries"])
      out << "    " << text(entry["name"]) << ": "
          << joined(entry["rows"], " to ") << " rows, arena "
          << size(entry["arena_bytes"]) << ", scratch "
          << size(entry["scratch_bytes"]) << " a thread\n";
    if (hashes)
      out << "    sha256 " << text(object["sha256"]) << "\n";
  }
}

static void printWeights(std::ostream &out, const Json &weights, bool hashes) {
  out << "\nweights\n";
  Table table;
  table.add({"name", "shape", "encoding", "bytes", "bits/weight"});
  for (const Json &weight : weights) {
    std::vector<std::string> row = {
        text(weight["name"]), "[" + joined(weight["shape"], ", ") + "]",
        text(weight["encoding"]), weight["bytes"].dump(),
        decimals(weight["bits_per_weight"].get<double>(), 3)};
    if (hashes)
      row.push_back(text(weight["sha256"]));
    table.add(std::move(row));
  }
  table.print(out);
}

/// Bytes and elements of each encoding.
static void printEncodings(std::ostream &out, const Json &weights) {
  struct Sum {
    uint64_t count = 0;
    double bytes = 0, elements = 0;
  };
  std::map<std::string, Sum> sums;
  for (const Json &weight : weights) {
    Sum &sum = sums[text(weight["encoding"])];
    double elements = 1;
    for (const Json &dim : weight["shape"])
      elements *= dim.get<double>();
    ++sum.count;
    sum.bytes += weight["bytes"].get<double>();
    sum.elements += elements;
  }
  out << "\nencodings\n";
  Table table;
  for (const auto &[encoding, sum] : sums)
    table.add({encoding, std::to_string(sum.count) + " tensors",
               decimals(sum.bytes / 1e6, 1) + " MB",
               decimals(sum.elements ? sum.bytes * 8 / sum.elements : 0, 3) +
                   " bits/weight"});
  table.print(out);
}

static void printStates(std::ostream &out, const Json &description) {
  double bytes = 0;
  for (const Json &state : description["states"])
    bytes += state["bytes_per_position"].get<double>();
  if (!description.contains("context"))
    return;
  out << "context     " << description["context"] << " tokens, "
      << size(static_cast<uint64_t>(bytes)) << " of cache a token ("
      << description["states"].size() << " buffers)\n"
      << "vocabulary  " << description["vocabulary"] << "\n";
}

static void printTokenizer(std::ostream &out, const Json &tokenizer,
                           bool hashes) {
  out << "tokenizer   ";
  if (tokenizer.is_null()) {
    out << "none\n";
    return;
  }
  out << text(tokenizer["model"]) << ", " << tokenizer["tokens"] << " tokens, "
      << size(tokenizer["bytes"])
      << (tokenizer["chat_template"].get<bool>() ? ", with a chat template"
                                                 : "")
      << "\n";
  if (hashes)
    out << "            sha256 " << text(tokenizer["sha256"]) << "\n";
}

std::string lq::describeAsText(const Json &description, bool hashes) {
  std::ostringstream out;
  out << "file        " << text(description["file"]) << ", "
      << size(description["bytes"]) << "\n"
      << "model       " << text(description["name"]) << " ("
      << text(description["kind"]) << "), compiled by "
      << text(description["producer"]) << "\n"
      << "parameters  " << description["parameters"] << " in "
      << size(description["weight_bytes"]) << ", "
      << decimals(description["bits_per_weight"].get<double>(), 3)
      << " bits/weight\n";
  printStates(out, description);
  printTokenizer(out, description["tokenizer"], hashes);
  if (description.contains("verified"))
    out << "hashes      all match\n";
  printTensors(out, "inputs", description["inputs"]);
  printTensors(out, "outputs", description["outputs"]);
  printCode(out, description["code"], hashes);
  printEncodings(out, description["weights"]);
  printWeights(out, description["weights"], hashes);
  return out.str();
}
