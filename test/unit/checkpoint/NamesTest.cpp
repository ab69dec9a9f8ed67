//===- NamesTest.cpp - names of weights in checkpoints --------------------===//

#include "passes/checkpoint/GgufNames.h"
#include "passes/checkpoint/NameMap.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"
#include <gtest/gtest.h>

using namespace lq::checkpoint;

namespace {

TEST(GgufNames, FollowTheModulesOfAModel) {
  EXPECT_EQ(toGgufName("model.embed_tokens.weight", "llama"),
            "token_embd.weight");
  EXPECT_EQ(toGgufName("lm_head.weight", "llama"), "output.weight");
  EXPECT_EQ(toGgufName("model.layers.12.self_attn.q_proj.bias", "llama"),
            "blk.12.attn_q.bias");
  EXPECT_EQ(toGgufName("transformer.h.0.mlp.c_proj.weight", "llama"),
            "blk.0.ffn_down.weight");
  EXPECT_EQ(toGgufName("model.layers.x.mlp.up_proj.weight", "llama"), "");
  EXPECT_EQ(toGgufName("model.layers.1.unknown.weight", "llama"), "");
  EXPECT_EQ(toGgufName("model.norm.scale", "llama"), "");
  EXPECT_EQ(toGgufName("", "llama"), "");
}

TEST(GgufNames, DependOnTheArchitecture) {
  const char name[] = "model.layers.2.post_attention_layernorm.weight";
  EXPECT_EQ(toGgufName(name, "llama"), "blk.2.ffn_norm.weight");
  EXPECT_EQ(toGgufName(name, "gemma3"), "blk.2.post_attention_norm.weight");
  EXPECT_EQ(
      toGgufName("model.layers.2.pre_feedforward_layernorm.weight", "gemma3"),
      "blk.2.ffn_norm.weight");
  EXPECT_EQ(toGgufName("model.layers.2.mlp.up_proj.weight", "gemma3"),
            "blk.2.ffn_up.weight");
}

/// Reads a map from a file of this content.
llvm::Expected<NameMap> mapOf(llvm::StringRef text) {
  llvm::SmallString<128> path;
  int fd;
  EXPECT_FALSE(llvm::sys::fs::createTemporaryFile("map", "json", fd, path));
  llvm::raw_fd_ostream(fd, /*shouldClose=*/true) << text;
  auto result = NameMap::read(path);
  llvm::sys::fs::remove(path);
  return result;
}

TEST(NameMap, PutsGroupsIntoNames) {
  auto map = mapOf(R"json([["enc\\.([0-9]+)\\.(w|b)", "layer.\\1.\\2eight"],
                           ["x", "y"]])json");
  ASSERT_TRUE(!!map) << llvm::toString(map.takeError());
  EXPECT_EQ(map->map("enc.12.w"), "layer.12.weight");
  EXPECT_EQ(map->map("x"), "y");
  // The whole name must match.
  EXPECT_EQ(map->map("xx"), "");
  EXPECT_EQ(map->map("my.enc.1.w"), "");
}

TEST(NameMap, SaysWhatIsWrong) {
  auto errorOf = [](llvm::StringRef text) {
    auto map = mapOf(text);
    return map ? std::string() : llvm::toString(map.takeError());
  };
  EXPECT_NE(errorOf("{}").find("array of pairs"), std::string::npos);
  EXPECT_NE(errorOf("[[\"a\"]]").find("expected pairs"), std::string::npos);
  EXPECT_NE(errorOf("[[\"(\", \"a\"]]").find("no regular expression"),
            std::string::npos);
  EXPECT_NE(errorOf("[").find("map"), std::string::npos);
  auto missing = NameMap::read("/nowhere/map.json");
  EXPECT_NE(llvm::toString(missing.takeError()).find("/nowhere/map.json"),
            std::string::npos);
}

} // namespace
