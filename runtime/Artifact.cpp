//===- Artifact.cpp - a compiled model, opened for running ----------------===//

#include "runtime/Artifact.h"
#include "runtime/CpuFeatures.h"
#include "runtime/Sha256.h"
#include "runtime/Team.h"

#include <algorithm>
#include <atomic>
#include <set>

using namespace lq;

static constexpr std::string_view damagedHint =
    "; the file is damaged, copy it again or compile the model again";

/// Puts the file's name before an error's message.
static Error inFile(const std::string &path, const Error &error) {
  return makeError(error.code(), path, ": ", error.message());
}

static std::string_view stringValue(const GgufReader &reader,
                                    std::string_view key) {
  const GgufValue *value = reader.find(key);
  if (!value)
    return {};
  auto text = value->asString();
  return text ? *text : std::string_view();
}

/// The manifest's text, once its hash is right.
static Expected<std::string_view> manifestText(const GgufReader &reader) {
  std::string_view architecture = stringValue(reader, architectureKey);
  if (architecture != architectureName)
    return makeError(ErrorCode::InvalidArgument,
                     "not an lq artifact but a GGUF file of architecture '",
                     architecture.substr(0, 40),
                     "'; expected a file that lq-compile wrote");
  std::string_view text = stringValue(reader, manifestKey);
  if (text.empty())
    return makeError(ErrorCode::Corrupt, "the artifact has no manifest",
                     damagedHint);
  if (sha256Hex(text) != stringValue(reader, manifestHashKey))
    return makeError(ErrorCode::Corrupt, "the manifest does not match its hash",
                     damagedHint);
  return text;
}

Expected<ArtifactFile> ArtifactFile::open(const std::string &path) {
  auto reader = GgufReader::open(path);
  if (!reader)
    return reader.takeError();
  auto text = manifestText(*reader);
  if (!text)
    return inFile(path, text.error());
  auto manifest = parseManifest(*text);
  if (!manifest)
    return inFile(path, manifest.error());
  ArtifactFile file(std::move(*reader), std::move(*manifest));
  if (Error error = file.checkSections())
    return inFile(path, error);
  return file;
}

Error ArtifactFile::checkWeight(const WeightSpec &weight) const {
  const GgufTensor *tensor = reader.findTensor(weight.tensor);
  if (!tensor)
    return makeError(ErrorCode::Corrupt, "weight '", weight.name,
                     "' is missing", damagedHint);
  if (tensor->bytes.size() != weight.storageBytes)
    return makeError(ErrorCode::Corrupt, "weight '", weight.name,
                     "': expected ", weight.storageBytes, " bytes, got ",
                     tensor->bytes.size(), damagedHint);
  if (tensor->fileOffset % LQ_ABI_ALIGNMENT)
    return makeError(ErrorCode::Corrupt, "weight '", weight.name,
                     "' is not aligned to ", LQ_ABI_ALIGNMENT, " bytes");
  return Error::success();
}

Error ArtifactFile::checkSections() const {
  for (const WeightSpec &weight : description.weights)
    if (Error error = checkWeight(weight))
      return error;
  for (const CodeSpec &code : description.code)
    if (!reader.findTensor(code.tensor))
      return makeError(ErrorCode::Corrupt, "the code for ", code.target,
                       " is missing", damagedHint);
  return Error::success();
}

static bool hasTokenizer(const GgufReader::Metadata &metadata) {
  auto hasPrefix = [&](std::string_view prefix) {
    auto first = metadata.lower_bound(prefix);
    return first != metadata.end() && first->first.starts_with(prefix);
  };
  return hasPrefix("tokenizer.") || hasPrefix("lq.tokenizer.");
}

namespace {
struct Section {
  std::string_view name;
  std::span<const uint8_t> bytes;
};
} // namespace

/// The largest first, so that the threads finish at about the same time.
static std::vector<Section> sectionsOf(const GgufReader &reader,
                                       const Manifest &manifest, bool weights) {
  std::set<std::string_view> names;
  for (const CodeSpec &code : manifest.code)
    names.insert(code.tensor);
  if (weights)
    for (const WeightSpec &weight : manifest.weights)
      names.insert(weight.tensor);
  std::vector<Section> sections;
  for (std::string_view name : names)
    sections.push_back({name, reader.findTensor(name)->bytes});
  std::ranges::sort(sections, [](const Section &a, const Section &b) {
    return a.bytes.size() > b.bytes.size();
  });
  return sections;
}

/// The first of the sections whose bytes do not have the manifest's digest, or
/// nothing.
static const Section *findDamaged(const std::vector<Section> &sections,
                                  const Manifest &manifest, Team &team) {
  std::atomic<size_t> next{0};
  std::atomic<size_t> damaged{sections.size()};
  team.forAll([&](int64_t, int64_t) {
    for (size_t i; (i = next.fetch_add(1)) < sections.size();) {
      auto digest = manifest.sha256.find(sections[i].name);
      if (digest == manifest.sha256.end() ||
          sha256Hex(sections[i].bytes) != digest->second)
        damaged.store(i);
    }
  });
  return damaged < sections.size() ? &sections[damaged] : nullptr;
}

Error ArtifactFile::verify(bool weights, unsigned threads) const {
  const std::string &path = reader.path();
  if (hasTokenizer(reader.metadata())) {
    auto digest = description.sha256.find("tokenizer");
    if (digest == description.sha256.end() ||
        digest->second != hashTokenizerMetadata(reader.metadata()))
      return makeError(ErrorCode::Corrupt, path,
                       ": the tokenizer does not match its hash", damagedHint);
  }
  auto team = Team::create(threads);
  if (!team)
    return inFile(path, team.error());
  std::vector<Section> sections = sectionsOf(reader, description, weights);
  if (const Section *section = findDamaged(sections, description, **team))
    return makeError(ErrorCode::Corrupt, path, ": section '", section->name,
                     "' does not match its hash", damagedHint);
  return Error::success();
}

/// Why this machine cannot run some code: the first feature that it lacks, or
/// an empty text if it can.
static std::string whatIsMissing(const CodeSpec &code,
                                 const GgufReader &reader) {
  if (elfMachine(reader.findTensor(code.tensor)->bytes) != hostElfMachine())
    return "another kind of processor";
  for (const std::string &feature : code.features)
    if (!hostHasCpuFeature(feature))
      return feature;
  return {};
}

Expected<const CodeSpec *>
ArtifactFile::chooseCode(const std::string &target) const {
  std::string found;
  for (const CodeSpec &code : description.code) {
    std::string missing = whatIsMissing(code, reader);
    if (missing.empty() && (target.empty() || target == code.target))
      return &code;
    found += (found.empty() ? "" : ", ") + code.target;
    if (!missing.empty())
      found += " (needs " + missing + ")";
  }
  if (found.empty())
    found = "none";
  if (!target.empty())
    return makeError(ErrorCode::Unsupported, reader.path(),
                     ": no code for target '", target,
                     "' that this machine can run; it has ", found);
  return makeError(ErrorCode::Unsupported, reader.path(),
                   ": no code for this machine; it has ", found,
                   "; compile the model with a target that this machine can "
                   "run");
}

Expected<std::unique_ptr<const Artifact>>
Artifact::open(const std::string &path, const ArtifactOptions &options) {
  auto file = ArtifactFile::open(path);
  if (!file)
    return file.takeError();
  auto code = file->chooseCode(options.target);
  if (!code)
    return code.takeError();
  if (Error error = file->verify(options.verifyWeights, options.threads))
    return error;
  std::unique_ptr<Artifact> artifact(new Artifact(std::move(*file)));
  // Vectors keep their elements when they are moved.
  artifact->chosen = *code;
  if (Error error = artifact->load())
    return error;
  return std::unique_ptr<const Artifact>(std::move(artifact));
}

Error Artifact::load() {
  const std::string &path = container().path();
  auto loaded =
      CodeObject::load(container().findTensor(chosen->tensor)->bytes, path);
  if (!loaded)
    return loaded.takeError();
  object = std::move(*loaded);
  for (const EntrySpec &spec : chosen->entries) {
    LqEntry function = object->entry(spec.name);
    if (!function)
      return makeError(ErrorCode::Corrupt, path, ": the code for ",
                       chosen->target, " has no function for entry '",
                       spec.name, "'");
    entryList.push_back({&spec, function});
  }
  mapWeights();
  return Error::success();
}

void Artifact::mapWeights() {
  uint64_t first = UINT64_MAX, end = 0;
  for (const WeightSpec &weight : manifest().weights) {
    const GgufTensor *tensor = container().findTensor(weight.tensor);
    weightPointers.push_back(tensor->bytes.data());
    first = std::min(first, tensor->fileOffset);
    end = std::max(end, tensor->fileOffset + tensor->bytes.size());
  }
  if (first < end)
    container().mapping().willNeed(first, end - first);
}

const Entry *Artifact::findEntry(std::string_view name) const {
  for (const Entry &entry : entryList)
    if (entry.spec->name == name)
      return &entry;
  return nullptr;
}
