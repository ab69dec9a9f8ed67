//===- PostProcessor.cpp - special tokens around a text -------------------===//

#include "runtime/tokenizer/PostProcessor.h"
#include "runtime/tokenizer/JsonFields.h"

namespace lq::tok {

Expected<PostProcessor> PostProcessor::make(const Json &description,
                                            size_t vocabularySize) {
  PostProcessor result;
  if (description.is_null())
    return result;
  if (Error error = result.add(description, "post_processor"))
    return error;
  for (int32_t id : result.pieces)
    if (id != textMark && static_cast<size_t>(id) >= vocabularySize)
      return makeError(ErrorCode::Corrupt, "post_processor: id ", id,
                       " is outside the vocabulary of ", vocabularySize);
  return result;
}

Error PostProcessor::add(const Json &description, const std::string &where) {
  Expected<std::string> type = componentType(description, where);
  if (!type)
    return type.takeError();
  if (*type == "ByteLevel") // only moves offsets, which lq does not compute
    return Error::success();
  if (*type == "Sequence") {
    JsonFields fields(description, where);
    const Json &list = fields.array("processors");
    if (Error error = fields.takeError())
      return error;
    for (size_t i = 0; i < list.size(); ++i)
      if (Error error =
              add(list[i], where + ".processors[" + std::to_string(i) + "]"))
        return error;
    return Error::success();
  }
  if (hasTemplate)
    return makeError(ErrorCode::Unsupported, where,
                     ": more than one post-processor that adds tokens");
  hasTemplate = true;
  if (*type == "TemplateProcessing")
    return addTemplate(description, where);
  if (*type == "BertProcessing" || *type == "RobertaProcessing")
    return addBert(description, where);
  return makeError(ErrorCode::Unsupported, where, ": unknown post-processor '",
                   *type, "'");
}

Error PostProcessor::addTemplate(const Json &description,
                                 const std::string &where) {
  JsonFields fields(description, where);
  const Json &single = fields.array("single");
  JsonFields specials(fields.object("special_tokens"),
                      fields.pathOf("special_tokens"));
  if (Error error = fields.takeError())
    return error;
  pieces.clear();
  for (size_t i = 0; i < single.size(); ++i) {
    JsonFields piece(single[i], where + ".single[" + std::to_string(i) + "]");
    if (piece.find("Sequence")) {
      JsonFields sequence(piece.object("Sequence"), piece.pathOf("Sequence"));
      if (sequence.string("id") != "A")
        sequence.fail("id", "\"A\", the only text there is");
      if (Error error = sequence.takeError())
        return error;
      pieces.push_back(textMark);
    } else {
      JsonFields special(piece.object("SpecialToken"),
                         piece.pathOf("SpecialToken"));
      JsonFields token(specials.object(special.string("id")), specials.where());
      for (const Json &id : token.array("ids")) {
        if (!asNatural(id))
          token.fail("ids", "an array of ids");
        pieces.push_back(asNatural(id).value_or(0));
      }
      for (JsonFields *read : {&special, &specials, &token})
        if (Error error = read->takeError())
          return error;
    }
    if (Error error = piece.takeError())
      return error;
  }
  return Error::success();
}

Error PostProcessor::addBert(const Json &description,
                             const std::string &where) {
  JsonFields fields(description, where);
  auto idOf = [&](const char *name) {
    const Json &pair = fields.array(name);
    std::optional<int32_t> id =
        pair.size() == 2 ? asNatural(pair[1]) : std::nullopt;
    if (!id)
      fields.fail(name, "a token and its id");
    return id.value_or(0);
  };
  int32_t start = idOf("cls");
  int32_t end = idOf("sep");
  pieces = {start, textMark, end};
  return fields.takeError();
}

std::vector<int32_t> PostProcessor::apply(std::vector<int32_t> ids,
                                          bool addSpecial) const {
  if (pieces.size() == 1 && pieces[0] == textMark)
    return ids;
  std::vector<int32_t> result;
  result.reserve(ids.size() + pieces.size());
  for (int32_t piece : pieces) {
    if (piece == textMark)
      result.insert(result.end(), ids.begin(), ids.end());
    else if (addSpecial)
      result.push_back(piece);
  }
  return result;
}

} // namespace lq::tok
