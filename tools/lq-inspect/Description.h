//===- Description.h - what is inside an artifact ---------------*- C++ -*-===//

#ifndef LQ_TOOLS_LQ_INSPECT_DESCRIPTION_H
#define LQ_TOOLS_LQ_INSPECT_DESCRIPTION_H

#include "runtime/Artifact.h"

#include <nlohmann/json.hpp>
#include <string>

namespace lq {

/// Everything that lq-inspect shows; its JSON output. Sizes are in bytes,
/// hashes are lower-case hex.
nlohmann::ordered_json describeArtifact(const ArtifactFile &file);

/// The same as text for a person; with `hashes`, also those.
std::string describeAsText(const nlohmann::ordered_json &description,
                           bool hashes);

} // namespace lq

#endif // LQ_TOOLS_LQ_INSPECT_DESCRIPTION_H
