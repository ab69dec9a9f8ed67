//===- FakeArtifact.h - artifacts and files for tests -----------*- C++ -*-===//

#ifndef LQ_TEST_UNIT_RUNTIME_FAKEARTIFACT_H
#define LQ_TEST_UNIT_RUNTIME_FAKEARTIFACT_H

#include <cstdint>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace lq::test {

/// A folder that is removed with everything in it.
class TemporaryFolder {
public:
  TemporaryFolder();
  ~TemporaryFolder();
  std::string file(const std::string &name) const { return path + "/" + name; }
  /// Names of the files in it, sorted.
  std::vector<std::string> files() const;

private:
  std::string path;
};

std::string readFile(const std::string &path);
void writeFile(const std::string &path, const std::string &bytes);

/// What goes into an artifact; tests change it before they write it.
struct FakeArtifact {
  nlohmann::json manifest;
  /// Tensors by name.
  std::vector<std::pair<std::string, std::string>> sections;
  /// A byte-level tokenizer: id 5 is "a", 31 the space; 1 ends a text.
  bool withTokenizer = false;
  /// A section that gets no hash.
  std::string unhashed;

  /// Computes the hashes and writes the file.
  void write(const std::string &path) const;

  static constexpr int64_t vocabulary = 61;
  static constexpr int64_t context = 40;
  static constexpr int64_t chunk = 8;
  /// FakeGenerative.c with bias[v] = v / 4.
  static FakeArtifact generative();
  /// FakeTensors.c with weight[0] = 2.
  static FakeArtifact tensors();
  /// What FakeGenerative.c computes for the token that follows `tokens`.
  static std::vector<float> logitsAfter(const std::vector<int32_t> &tokens);
};

/// The message of an Error or of an Expected without value; "" on success.
template <typename Result> std::string messageOf(Result &&result) {
  if constexpr (requires { result.takeError(); })
    return result.takeError().message();
  else
    return result.message();
}

/// Fails the test unless `text` contains `part`.
#define EXPECT_CONTAINS(text, part)                                            \
  EXPECT_NE(std::string(text).find(part), std::string::npos) << text

} // namespace lq::test

#endif // LQ_TEST_UNIT_RUNTIME_FAKEARTIFACT_H
