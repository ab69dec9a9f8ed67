//===- ManifestTest.cpp ---------------------------------------------------===//

#include "runtime/Manifest.h"
#include "FakeArtifact.h"

#include <functional>

using namespace lq;
using namespace lq::test;
using Json = nlohmann::json;

namespace {

/// The message for the generative manifest after a change.
std::string messageAfter(const std::function<void(Json &)> &change) {
  Json manifest = FakeArtifact::generative().manifest;
  change(manifest);
  return messageOf(parseManifest(manifest.dump()));
}

TEST(Manifest, ReadsEverything) {
  auto manifest = parseManifest(FakeArtifact::generative().manifest.dump());
  ASSERT_TRUE(manifest) << manifest.error().message();
  EXPECT_EQ(manifest->kind, ModelKind::Generative);
  EXPECT_EQ(manifest->name, "fake");
  EXPECT_EQ(manifest->context, 40);
  EXPECT_EQ(manifest->vocabulary, 61);
  EXPECT_EQ(manifest->extentIndex("past"), 1u);
  EXPECT_EQ(manifest->extentIndex("none"), 3u);
  EXPECT_EQ(manifest->inputs[0].type, ElementType::I64);
  EXPECT_EQ(shapeText(manifest->outputs[0].shape), "[1, logits, 61]");
  EXPECT_EQ(manifest->states[0].positionMultiple, 16u);
  EXPECT_EQ(manifest->weights[0].storageBytes, 244u);
  EXPECT_EQ(manifest->weights[0].elements(), 61u);
  ASSERT_NE(manifest->code[0].findEntry("prefill"), nullptr);
  EXPECT_EQ(manifest->code[0].findEntry("prefill")->maxRows, 8);
  EXPECT_EQ(manifest->code[0].findEntry("main"), nullptr);
}

TEST(Manifest, OtherVersionsSayWhatToDo) {
  EXPECT_CONTAINS(messageAfter([](Json &m) { m["version"] = 2; }),
                  "manifest version 2");
  EXPECT_CONTAINS(messageAfter([](Json &m) { m["abi"] = 7; }), "ABI 7");
  EXPECT_CONTAINS(messageAfter([](Json &m) { m["abi"] = 7; }),
                  "compile the model");
}

TEST(Manifest, ErrorsNameThePlace) {
  EXPECT_CONTAINS(messageAfter([](Json &m) { m.erase("weights"); }),
                  "'weights' is missing");
  EXPECT_CONTAINS(messageAfter([](Json &m) { m["kind"] = "oracle"; }),
                  "'oracle'");
  EXPECT_CONTAINS(messageAfter([](Json &m) { m["context"] = -1; }),
                  "'context'");
  EXPECT_CONTAINS(messageAfter([](Json &m) { m["context"] = 1e300; }),
                  "'context'");
  EXPECT_CONTAINS(messageAfter([](Json &m) { m["states"] = 3; }), "'states'");
  EXPECT_CONTAINS(messageAfter([](Json &m) { m["inputs"][0] = "x"; }),
                  "inputs[0]");
  EXPECT_CONTAINS(messageAfter([](Json &m) { m["inputs"][0]["type"] = "f7"; }),
                  "'f7'");
  EXPECT_CONTAINS(
      messageAfter([](Json &m) { m["inputs"][0]["shape"] = {1, "width"}; }),
      "unknown extent 'width'");
  EXPECT_CONTAINS(
      messageAfter([](Json &m) { m["code"][0]["entries"].erase(1); }),
      "lacks an entry");
  EXPECT_CONTAINS(messageAfter([](Json &m) {
                    m["code"][0]["entries"][0]["rows"] = {3, 2};
                  }),
                  "'rows'");
  EXPECT_CONTAINS(messageAfter([](Json &m) {
                    m["code"][0]["entries"][0]["scratch_bytes"] = 7;
                  }),
                  "multiple of 64");
  EXPECT_CONTAINS(messageAfter([](Json &m) {
                    m["code"][0]["entries"][1]["rows"] = {2, 3};
                  }),
                  "'decode' of one row");
  EXPECT_CONTAINS(
      messageAfter([](Json &m) { m["outputs"][0]["type"] = "i64"; }), "logits");
  EXPECT_CONTAINS(messageAfter([](Json &m) { m["sha256"] = {1}; }), "'sha256'");
  EXPECT_CONTAINS(messageOf(parseManifest("[1]")), "expected an object");
  EXPECT_CONTAINS(messageOf(parseManifest("{")), "not JSON");
  EXPECT_CONTAINS(messageOf(parseManifest(std::string(100000, '['))),
                  "not JSON");
}

// Replaces every value of the manifest, at every depth, by values of the wrong
// kind or size.
TEST(Manifest, WrongValuesNeverCrash) {
  const Json whole = FakeArtifact::generative().manifest;
  const std::vector<Json> wrong{nullptr,
                                -1,
                                0,
                                UINT64_MAX,
                                1e300,
                                "",
                                "past * past * past * past",
                                true,
                                Json::array(),
                                Json::object(),
                                Json::array({1, 2, 3, 4, 5, 6, 7, 8, 9, 10})};
  int refused = 0;
  const Json flat = whole.flatten();
  for (const auto &[pointer, leaf] : flat.items()) {
    Json::json_pointer place(pointer);
    for (; !place.empty(); place.pop_back())
      for (const Json &value : wrong) {
        Json mutated = whole;
        mutated[place] = value;
        refused += !parseManifest(mutated.dump());
      }
  }
  EXPECT_GT(refused, 300);
}

} // namespace
