//===- LqInspect.cpp - shows what is inside an artifact -------------------===//

#include "tools/common/Options.h"
#include "tools/lq-inspect/Description.h"

using namespace lq;

static Error inspect(const std::string &path, bool json, bool hashes,
                     bool verify) {
  auto file = ArtifactFile::open(path);
  if (!file)
    return file.takeError();
  if (verify)
    if (Error error = file->verify(/*weights=*/true, /*threads=*/0))
      return error;
  nlohmann::ordered_json description = describeArtifact(*file);
  if (verify)
    description["verified"] = true;
  using Handler = nlohmann::ordered_json::error_handler_t;
  return writeOutput(json ? description.dump(2, ' ', false, Handler::replace) +
                                "\n"
                          : describeAsText(description, hashes));
}

int main(int argc, char **argv) {
  std::string path;
  bool json = false, hashes = false, verify = false;
  Options parser("lq-inspect", "<model.lq> [options]",
                 "Shows what is inside a compiled model: its tensors and how "
                 "they are encoded, the\nmachine code for each target, the "
                 "tokenizer. Runs on any machine.");
  parser.addPositional("model.lq", path);
  parser.add("json", "", "write JSON, with everything in it", &json);
  parser.add("hashes", "", "also show the SHA-256 of each section", &hashes);
  parser.add("verify", "", "check the hash of every section", &verify);
  auto goOn = parser.parse(argc, argv);
  if (!goOn)
    return reportError("lq-inspect", goOn.error());
  if (!*goOn)
    return 0;
  if (Error error = inspect(path, json, hashes, verify))
    return reportError("lq-inspect", error);
  return 0;
}
