//===- ArtifactTest.cpp ---------------------------------------------------===//

#include "runtime/Artifact.h"
#include "FakeArtifact.h"
#include "runtime/Session.h"

#include <elf.h>
#include <random>

using namespace lq;
using namespace lq::test;
using Json = nlohmann::json;

namespace {

std::string openMessage(const std::string &path,
                        const ArtifactOptions &options = {}) {
  return messageOf(Artifact::open(path, options));
}

std::string openMessage(const FakeArtifact &fake) {
  TemporaryFolder folder;
  fake.write(folder.file("m.lq"));
  std::string message = openMessage(folder.file("m.lq"));
  if (!message.empty())
    EXPECT_CONTAINS(message, folder.file("m.lq"));
  return message;
}

TEST(Artifact, OpensAndMapsWeights) {
  TemporaryFolder folder;
  FakeArtifact fake = FakeArtifact::generative();
  fake.withTokenizer = true;
  fake.write(folder.file("m.lq"));
  auto artifact = Artifact::open(folder.file("m.lq"), {});
  ASSERT_TRUE(artifact) << artifact.error().message();
  EXPECT_EQ((*artifact)->code().target, "any");
  ASSERT_EQ((*artifact)->weights().size(), 1u);
  const auto *bias = static_cast<const float *>((*artifact)->weights()[0]);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(bias) % LQ_ABI_ALIGNMENT, 0u);
  EXPECT_EQ(bias[6], 1.5f);
  EXPECT_NE((*artifact)->findEntry("decode"), nullptr);
  EXPECT_EQ((*artifact)->findEntry("main"), nullptr);
}

TEST(Artifact, OpensOftenAndSideBySide) {
  // The dynamic linker must not take one artifact's code for another's.
  TemporaryFolder folder;
  FakeArtifact::generative().write(folder.file("g.lq"));
  FakeArtifact::tensors().write(folder.file("t.lq"));
  for (int round = 0; round < 5; ++round) {
    auto a = Artifact::open(folder.file("g.lq"), {});
    ASSERT_TRUE(a) << a.error().message();
    EXPECT_NE((*a)->findEntry("decode"), nullptr);
    (*a).reset();
    auto b = Artifact::open(folder.file("t.lq"), {});
    ASSERT_TRUE(b) << b.error().message();
    EXPECT_NE((*b)->findEntry("main"), nullptr);
  }
}

TEST(Artifact, RefusesOtherGgufFiles) {
  TemporaryFolder folder;
  GgufWriter writer;
  writer.setMetadata("general.architecture", GgufValue("llama"));
  ASSERT_FALSE(writer.finish(folder.file("a.gguf")));
  EXPECT_CONTAINS(openMessage(folder.file("a.gguf")),
                  "not an lq artifact but a GGUF file of architecture 'llama'");
}

TEST(Artifact, TakesTheFirstCodeThatRuns) {
  TemporaryFolder folder;
  FakeArtifact fake = FakeArtifact::generative();
  Json plain = fake.manifest["code"][0], fancy = plain;
  fancy["target"] = "fancy";
  fancy["features"] = {"warp-drive"};
  fake.manifest["code"] = {fancy, plain};
  fake.write(folder.file("m.lq"));
  auto artifact = Artifact::open(folder.file("m.lq"), {});
  ASSERT_TRUE(artifact) << artifact.error().message();
  EXPECT_EQ((*artifact)->code().target, "any");
  EXPECT_CONTAINS(openMessage(folder.file("m.lq"), {.target = "fancy"}),
                  "fancy (needs warp-drive)");
  EXPECT_CONTAINS(openMessage(folder.file("m.lq"), {.target = "none"}),
                  "no code for target 'none'");
}

TEST(Artifact, RefusesCodeForAnotherMachine) {
  FakeArtifact lacking = FakeArtifact::generative();
  lacking.manifest["code"][0]["features"] = {"warp-drive"};
  EXPECT_CONTAINS(openMessage(lacking), "no code for this machine");
  EXPECT_CONTAINS(openMessage(lacking), "any (needs warp-drive)");
  EXPECT_CONTAINS(openMessage(lacking), "compile the model");
  FakeArtifact foreign = FakeArtifact::generative();
  foreign.sections[1].second[offsetof(Elf64_Ehdr, e_machine)] = 0x53;
  EXPECT_CONTAINS(openMessage(foreign), "another kind of processor");
  FakeArtifact none = FakeArtifact::generative();
  none.manifest["code"] = Json::array();
  EXPECT_CONTAINS(openMessage(none), "it has none");
}

TEST(Artifact, RefusesWhatIsMissing) {
  FakeArtifact fake = FakeArtifact::generative();
  fake.manifest["weights"][0]["tensor"] = "weight/none";
  EXPECT_CONTAINS(openMessage(fake), "weight 'bias' is missing");
  fake = FakeArtifact::generative();
  fake.manifest["weights"][0]["storage_bytes"] = 248;
  EXPECT_CONTAINS(openMessage(fake), "expected 248 bytes, got 244");
  fake = FakeArtifact::generative();
  fake.manifest["code"][0]["tensor"] = "code/none";
  EXPECT_CONTAINS(openMessage(fake), "code for any is missing");
  fake = FakeArtifact::generative();
  fake.manifest["code"][0]["entries"].push_back(
      {{"name", "extra"}, {"arena_bytes", 0}, {"scratch_bytes", 0}});
  EXPECT_CONTAINS(openMessage(fake), "no function for entry 'extra'");
}

/// An artifact's bytes with one byte changed at the first place of `text`.
void damage(const std::string &path, const std::string &text, size_t offset) {
  std::string bytes = readFile(path);
  size_t at = bytes.find(text);
  ASSERT_NE(at, std::string::npos);
  bytes[at + offset] = static_cast<char>(bytes[at + offset] ^ 4);
  writeFile(path, bytes);
}

TEST(Artifact, FlippedBitsAreFound) {
  TemporaryFolder folder;
  std::string path = folder.file("m.lq");
  FakeArtifact fake = FakeArtifact::generative();
  fake.withTokenizer = true;
  auto fresh = [&] { fake.write(path); };

  fresh();
  damage(path, "\"context\":40", 11);
  EXPECT_CONTAINS(openMessage(path), "the manifest does not match its hash");
  fresh();
  damage(path, "ByteLevel", 0);
  EXPECT_CONTAINS(openMessage(path), "the tokenizer does not match its hash");
  fresh();
  damage(path, fake.sections[0].second, 8);
  EXPECT_CONTAINS(openMessage(path),
                  "section 'weight/bias' does not match its hash");
  EXPECT_EQ(openMessage(path, {.verifyWeights = false}), "");
  fresh();
  damage(path, fake.sections[1].second, 3000);
  EXPECT_CONTAINS(openMessage(path),
                  "section 'code/any' does not match its hash");
  EXPECT_CONTAINS(openMessage(path, {.verifyWeights = false}),
                  "section 'code/any' does not match its hash");
}

TEST(Artifact, SectionsWithoutHashAreRefused) {
  FakeArtifact fake = FakeArtifact::generative();
  fake.unhashed = "weight/bias";
  EXPECT_CONTAINS(openMessage(fake),
                  "section 'weight/bias' does not match its hash");
  fake.unhashed = "tokenizer";
  fake.withTokenizer = true;
  EXPECT_CONTAINS(openMessage(fake), "the tokenizer does not match its hash");
}

TEST(Artifact, EveryTruncationIsAnError) {
  TemporaryFolder folder;
  FakeArtifact::generative().write(folder.file("m.lq"));
  std::string bytes = readFile(folder.file("m.lq"));
  auto whole = ArtifactFile::open(folder.file("m.lq"));
  ASSERT_TRUE(whole);
  const GgufTensor &last = *whole->container().findTensor("code/any");
  size_t needed = last.fileOffset + last.bytes.size();
  std::mt19937 random(11);
  for (int round = 0; round < 400; ++round) {
    size_t size =
        round < 300 ? static_cast<size_t>(round) * 7 : random() % needed;
    writeFile(folder.file("n.lq"), bytes.substr(0, size));
    std::string message = openMessage(folder.file("n.lq"));
    ASSERT_FALSE(message.empty()) << size;
    EXPECT_CONTAINS(message, folder.file("n.lq"));
    EXPECT_EQ(message.find('\n'), std::string::npos);
  }
}

// Thousands of damaged artifacts: each is refused or, where only padding was
// hit, works as before.
TEST(Artifact, DamagedFilesNeverCrash) {
  TemporaryFolder folder;
  FakeArtifact fake = FakeArtifact::generative();
  fake.withTokenizer = true;
  fake.write(folder.file("m.lq"));
  const std::string bytes = readFile(folder.file("m.lq"));
  std::mt19937 random(17);
  const ArtifactOptions oneThread{.threads = 1};
  int refused = 0;
  for (int round = 0; round < 3000; ++round) {
    std::string mutated = bytes;
    // Most of the interesting bytes stand in the header.
    size_t range = round % 4 ? 6000 : mutated.size();
    for (unsigned flips = 1 + random() % 3; flips; --flips)
      mutated[random() % range] = static_cast<char>(random());
    if (round % 8 == 0)
      mutated.resize(random() % mutated.size());
    writeFile(folder.file("n.lq"), mutated);
    auto model = Model::open(folder.file("n.lq"), oneThread);
    if (!model) {
      ++refused;
      continue;
    }
    auto session = Session::create(**model, {.threads = 1});
    ASSERT_TRUE(session);
    auto logits = (*session)->prefill(std::vector<int32_t>{1, 2, 3});
    ASSERT_TRUE(logits);
    EXPECT_EQ(std::vector<float>(logits->begin(), logits->end()),
              FakeArtifact::logitsAfter({1, 2, 3}));
  }
  EXPECT_GT(refused, 1000);
}

} // namespace
