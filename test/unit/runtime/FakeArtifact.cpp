//===- FakeArtifact.cpp - artifacts and files for tests -------------------===//

#include "FakeArtifact.h"
#include "runtime/Abi.h"
#include "runtime/CpuFeatures.h"
#include "runtime/Gguf.h"
#include "runtime/Manifest.h"
#include "runtime/Sha256.h"
#include "runtime/tokenizer/TokenizerModel.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <unistd.h>

using namespace lq;
using namespace lq::test;
using Json = nlohmann::json;

TemporaryFolder::TemporaryFolder() {
  // Thousands of files are written: memory where there is such a file system.
  std::filesystem::path base = "/dev/shm";
  if (std::getenv("TMPDIR") || access(base.c_str(), W_OK) != 0)
    base = std::filesystem::temp_directory_path();
  path = (base / "lq-test-XXXXXX").string();
  if (!mkdtemp(path.data()))
    std::abort();
}

TemporaryFolder::~TemporaryFolder() { std::filesystem::remove_all(path); }

std::vector<std::string> TemporaryFolder::files() const {
  std::vector<std::string> names;
  for (const auto &entry : std::filesystem::directory_iterator(path))
    names.push_back(entry.path().filename().string());
  std::ranges::sort(names);
  return names;
}

std::string test::readFile(const std::string &path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

void test::writeFile(const std::string &path, const std::string &bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

template <typename T> static std::string bytesOf(const std::vector<T> &values) {
  return {reinterpret_cast<const char *>(values.data()),
          values.size() * sizeof(T)};
}

/// A byte-level BPE tokenizer of 61 tokens without merges: the letters, the
/// space, and the two bytes of U+00E4, as the byte-level alphabet spells them.
static std::string tokenizerJson() {
  Json vocabulary;
  int id = 0;
  for (const char *token : {"<s>", "</s>", "\u00c4\u0142", "\u00c3", "\u00a4"})
    vocabulary[token] = id++;
  for (char c = 'a'; c <= 'z'; ++c)
    vocabulary[std::string(1, c)] = id++;
  vocabulary["\u0120"] = id++;
  for (char c = 'A'; id < FakeArtifact::vocabulary; ++c)
    vocabulary[std::string(1, c)] = id++;
  Json added = Json::array();
  for (int special : {0, 1})
    added.push_back({{"id", special},
                     {"content", special ? "</s>" : "<s>"},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", true}});
  Json byteLevel = {{"type", "ByteLevel"},
                    {"add_prefix_space", false},
                    {"trim_offsets", false},
                    {"use_regex", true}};
  return Json({{"version", "1.0"},
               {"added_tokens", added},
               {"normalizer", nullptr},
               {"pre_tokenizer", byteLevel},
               {"post_processor", nullptr},
               {"decoder", byteLevel},
               {"model",
                {{"type", "BPE"},
                 {"vocab", vocabulary},
                 {"merges", Json::array()}}}})
      .dump();
}

void FakeArtifact::write(const std::string &path) const {
  Json description = manifest;
  GgufWriter writer(4096);
  if (withTokenizer) {
    TokenizerFiles files;
    files.tokenizer = tokenizerJson();
    auto model = tokenizerModelFromJson(files);
    ASSERT_TRUE(model) << model.error().message();
    writeTokenizerMetadata(*model, writer);
    description["sha256"]["tokenizer"] =
        hashTokenizerMetadata(writer.metadata());
  }
  for (const auto &[name, bytes] : sections) {
    description["sha256"][name] = sha256Hex(bytes);
    writer.addBytes(
        name, {reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size()});
  }
  description["sha256"].erase(unhashed);
  std::string text = description.dump();
  writer.setMetadata("general.architecture", GgufValue("lq"));
  writer.setMetadata("lq.manifest", GgufValue(text));
  writer.setMetadata("lq.manifest.sha256", GgufValue(sha256Hex(text)));
  Error error = writer.finish(path);
  ASSERT_FALSE(error) << error.message();
}

FakeArtifact FakeArtifact::generative() {
  FakeArtifact artifact;
  std::vector<float> bias(vocabulary);
  for (size_t v = 0; v < bias.size(); ++v)
    bias[v] = static_cast<float>(v) / 4;
  artifact.sections = {{"weight/bias", bytesOf(bias)},
                       {"code/any", readFile(LQ_FAKE_GENERATIVE)}};
  Json prefill = {{"name", "prefill"},
                  {"rows", {1, chunk}},
                  {"arena_bytes", chunk * 8},
                  {"scratch_bytes", LQ_ABI_ALIGNMENT}};
  Json decode = prefill;
  decode["name"] = "decode";
  decode["rows"] = {1, 1};
  artifact.manifest = {
      {"version", 1},
      {"abi", LQ_ABI_VERSION},
      {"kind", "generative"},
      {"name", "fake"},
      {"producer", "test"},
      {"extents",
       {{{"name", "sequence"}, {"max", chunk}},
        {{"name", "past"}, {"max", context}},
        {{"name", "logits"}, {"max", chunk}}}},
      {"context", context},
      {"vocabulary", vocabulary},
      {"inputs",
       {{{"name", "input_ids"}, {"type", "i64"}, {"shape", {1, "sequence"}}}}},
      {"outputs",
       {{{"name", "logits"},
         {"type", "f32"},
         {"shape", {1, "logits", vocabulary}}}}},
      {"states",
       {{{"name", "tokens"},
         {"bytes_per_position", 4},
         {"position_multiple", 16}}}},
      {"weights",
       {{{"name", "bias"},
         {"tensor", "weight/bias"},
         {"shape", {vocabulary}},
         {"encoding", "f32"},
         {"storage_bytes", vocabulary * 4}}}},
      {"code",
       {{{"target", "any"},
         {"features", Json::array()},
         {"tensor", "code/any"},
         {"entries", {prefill, decode}}}}},
      {"sha256", Json::object()}};
  return artifact;
}

FakeArtifact FakeArtifact::tensors() {
  FakeArtifact artifact;
  artifact.sections = {{"weight/w", bytesOf(std::vector<float>{2})},
                       {"code/any", readFile(LQ_FAKE_TENSORS)}};
  artifact.manifest = {
      {"version", 1},
      {"abi", LQ_ABI_VERSION},
      {"kind", "tensors"},
      {"name", "fake"},
      {"producer", "test"},
      {"extents",
       {{{"name", "batch"}, {"max", 16}}, {{"name", "width"}, {"max", 1000}}}},
      {"inputs",
       {{{"name", "x"}, {"type", "f32"}, {"shape", {"batch", "2 * width"}}},
        {{"name", "y"}, {"type", "f32"}, {"shape", {"2 * width"}}}}},
      {"outputs",
       {{{"name", "scaled"},
         {"type", "f32"},
         {"shape", {"batch", "width + width"}}},
        {{"name", "total"}, {"type", "f64"}, {"shape", {"batch"}}}}},
      {"states", Json::array()},
      {"weights",
       {{{"name", "w"},
         {"tensor", "weight/w"},
         {"shape", {1}},
         {"encoding", "f32"},
         {"storage_bytes", 4}}}},
      {"code",
       {{{"target", "any"},
         {"features", Json::array()},
         {"tensor", "code/any"},
         {"entries",
          {{{"name", "main"}, {"arena_bytes", 0}, {"scratch_bytes", 0}}}}}}},
      {"sha256", Json::object()}};
  return artifact;
}

std::vector<float>
FakeArtifact::logitsAfter(const std::vector<int32_t> &tokens) {
  int64_t sum = 0;
  for (size_t i = 0; i < tokens.size(); ++i)
    sum += tokens[i] * static_cast<int64_t>(i + 1);
  std::vector<float> logits(vocabulary);
  for (int64_t v = 0; v < vocabulary; ++v)
    logits[static_cast<size_t>(v)] =
        static_cast<float>((v * 7 + sum) % 1009) + static_cast<float>(v) / 4;
  return logits;
}
