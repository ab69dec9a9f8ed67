//===- FakeArtifactMain.cpp - writes an artifact for the tests of tools ---===//
//
// lq-fake-artifact generative|text|tensors|foreign <file>
//
//===----------------------------------------------------------------------===//

#include "FakeArtifact.h"

#include <cstdio>

using lq::test::FakeArtifact;

int main(int argc, char **argv) {
  std::string kind = argc == 3 ? argv[1] : "";
  FakeArtifact artifact =
      kind == "tensors" ? FakeArtifact::tensors() : FakeArtifact::generative();
  artifact.withTokenizer = kind == "text";
  if (kind == "foreign")
    artifact.manifest["code"][0]["features"] = {"warp-drive"};
  if (kind.empty()) {
    std::fputs("expected a kind and a file\n", stderr);
    return 1;
  }
  artifact.write(argv[2]);
  return 0;
}
