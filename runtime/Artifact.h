//===- Artifact.h - a compiled model, opened for running --------*- C++ -*-===//

#ifndef LQ_RUNTIME_ARTIFACT_H
#define LQ_RUNTIME_ARTIFACT_H

#include "runtime/CodeObject.h"
#include "runtime/Error.h"
#include "runtime/Gguf.h"
#include "runtime/Manifest.h"

#include <memory>
#include <string>
#include <vector>

namespace lq {

struct ArtifactOptions {
  /// Check the hash of every weight; without, only code, manifest and tokenizer
  /// are checked, and a damaged weight gives wrong numbers.
  bool verifyWeights = true;
  /// Threads that check hashes; 0 means all processors.
  unsigned threads = 0;
  /// Take the code of this name instead of the best one; empty: the best.
  std::string target = {};
};

/// An artifact whose manifest has been read and checked, without its code
/// loaded: what a tool needs to look inside, also on another machine.
class ArtifactFile {
public:
  /// Opens and checks everything but the sections' hashes. Errors name the
  /// file.
  static Expected<ArtifactFile> open(const std::string &path);

  const GgufReader &container() const { return reader; }
  const Manifest &manifest() const { return description; }

  /// Checks the hash of the tokenizer, of all code and, if asked, of all
  /// weights, on `threads` threads (0: all processors).
  Error verify(bool weights, unsigned threads) const;

  /// The first code that this machine can run, or the one named.
  Expected<const CodeSpec *> chooseCode(const std::string &target) const;

private:
  ArtifactFile(GgufReader reader, Manifest manifest)
      : reader(std::move(reader)), description(std::move(manifest)) {}
  Error checkSections() const;
  Error checkWeight(const WeightSpec &weight) const;

  GgufReader reader;
  Manifest description;
};

/// An entry point of the loaded code.
struct Entry {
  const EntrySpec *spec;
  LqEntry function;
};

/// A checked artifact with its code loaded. Immutable: threads may share it.
class Artifact {
public:
  static Expected<std::unique_ptr<const Artifact>>
  open(const std::string &path, const ArtifactOptions &options);

  const GgufReader &container() const { return file.container(); }
  const Manifest &manifest() const { return file.manifest(); }
  const CodeSpec &code() const { return *chosen; }
  /// One pointer a weight, into the mapped file.
  const std::vector<const void *> &weights() const { return weightPointers; }
  /// An entry of the chosen code; null if there is none of that name.
  const Entry *findEntry(std::string_view name) const;
  const std::vector<Entry> &entries() const { return entryList; }

private:
  explicit Artifact(ArtifactFile file) : file(std::move(file)) {}
  Error load();
  void mapWeights();

  ArtifactFile file;
  const CodeSpec *chosen = nullptr;
  std::unique_ptr<CodeObject> object;
  std::vector<Entry> entryList;
  std::vector<const void *> weightPointers;
};

} // namespace lq

#endif // LQ_RUNTIME_ARTIFACT_H
