//===- ModelFile.cpp - Parse an .onnx file without its tensors ------------===//

#include "dialects/onnx/ModelFile.h"
#include "dialects/common/WeightFile.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Endian.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/unknown_field_set.h>
#include <limits>

using namespace llvm;
using namespace lq::onnx;
using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::UnknownField;
using google::protobuf::UnknownFieldSet;

static Error fail(const Twine &message) {
  return createStringError(inconvertibleErrorCode(), message);
}

namespace {

/// The wire types of protobuf's encoding.
enum WireType : unsigned {
  Varint = 0,
  Fixed64 = 1,
  Delimited = 2,
  GroupStart = 3,
  GroupEnd = 4,
  Fixed32 = 5
};

/// Bytes of an address: offset and length, 64 bits each, little-endian.
constexpr uint64_t kAddressBytes = 16;

/// As deep as protobuf's own parser goes.
constexpr unsigned kDeepest = 100;

/// Field of FunctionProto that libraries before ONNX 1.13 do not know.
constexpr int kFunctionAttributeProto = 11;

/// Whether messages of this type can have tensors in them.
bool holdsTensors(const Descriptor *type) {
  return is_contained(
      {pb::ModelProto::descriptor(), pb::GraphProto::descriptor(),
       pb::NodeProto::descriptor(), pb::AttributeProto::descriptor(),
       pb::TensorProto::descriptor(), pb::SparseTensorProto::descriptor(),
       pb::FunctionProto::descriptor(), pb::TrainingInfoProto::descriptor()},
      type);
}

/// The type of the message in a field, or null if it cannot hold tensors.
const Descriptor *childWithTensors(const Descriptor *type, uint64_t field) {
  if (field > std::numeric_limits<int>::max())
    return nullptr;
  int number = static_cast<int>(field);
  if (type == pb::FunctionProto::descriptor() &&
      number == kFunctionAttributeProto)
    return pb::AttributeProto::descriptor();
  const FieldDescriptor *known = type->FindFieldByNumber(number);
  if (!known || known->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE)
    return nullptr;
  return holdsTensors(known->message_type()) ? known->message_type() : nullptr;
}

void appendVarint(std::string &out, uint64_t value) {
  for (; value >= 0x80; value >>= 7)
    out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}

/// Copies an encoded message, with addresses in the place of raw_data.
class SkeletonWriter {
public:
  explicit SkeletonWriter(ArrayRef<char> file) : file(file) {}

  Error copy(const Descriptor *type, uint64_t begin, uint64_t end,
             unsigned depth, std::string &out);

private:
  Expected<uint64_t> readVarint(uint64_t &at, uint64_t end);
  Error copyDelimited(const Descriptor *type, uint64_t tag, uint64_t &at,
                      uint64_t end, unsigned depth, std::string &out);
  void append(std::string &out, uint64_t begin, uint64_t end) {
    out.append(file.data() + begin, end - begin);
  }
  Error cutOff(uint64_t at) {
    return fail("the protobuf breaks off in the middle of a field, at byte " +
                Twine(at) + "; the file may be truncated or damaged");
  }

  ArrayRef<char> file;
};

Expected<uint64_t> SkeletonWriter::readVarint(uint64_t &at, uint64_t end) {
  uint64_t value = 0;
  uint64_t start = at;
  for (unsigned shift = 0; shift < 70; shift += 7) {
    if (at == end)
      return cutOff(start);
    auto byte = static_cast<unsigned char>(file[at++]);
    if (shift < 64)
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80)
      return value;
  }
  return fail("malformed protobuf at byte " + Twine(start) +
              ": a number of more than ten bytes");
}

Error SkeletonWriter::copyDelimited(const Descriptor *type, uint64_t tag,
                                    uint64_t &at, uint64_t end, unsigned depth,
                                    std::string &out) {
  uint64_t start = at;
  Expected<uint64_t> length = readVarint(at, end);
  if (!length)
    return length.takeError();
  if (*length > end - at)
    return cutOff(start);
  uint64_t begin = at;
  at += *length;
  appendVarint(out, tag);
  uint64_t field = tag >> 3;
  if (type == pb::TensorProto::descriptor() &&
      field == pb::TensorProto::kRawDataFieldNumber) {
    char address[kAddressBytes];
    support::endian::write64le(address, begin);
    support::endian::write64le(address + 8, *length);
    appendVarint(out, kAddressBytes);
    out.append(address, kAddressBytes);
    return Error::success();
  }
  if (const Descriptor *child = childWithTensors(type, field)) {
    std::string inner;
    if (Error error = copy(child, begin, at, depth + 1, inner))
      return error;
    appendVarint(out, inner.size());
    out += inner;
    return Error::success();
  }
  appendVarint(out, *length);
  append(out, begin, at);
  return Error::success();
}

Error SkeletonWriter::copy(const Descriptor *type, uint64_t begin, uint64_t end,
                           unsigned depth, std::string &out) {
  if (depth > kDeepest)
    return fail("graphs are nested too deeply at byte " + Twine(begin));
  for (uint64_t at = begin; at < end;) {
    uint64_t start = at;
    Expected<uint64_t> tag = readVarint(at, end);
    if (!tag)
      return tag.takeError();
    switch (*tag & 7) {
    case Varint:
      if (Expected<uint64_t> value = readVarint(at, end); !value)
        return value.takeError();
      break;
    case Fixed64:
    case Fixed32: {
      uint64_t width = (*tag & 7) == Fixed64 ? 8 : 4;
      if (width > end - at)
        return cutOff(start);
      at += width;
      break;
    }
    case Delimited:
      if (Error error = copyDelimited(type, *tag, at, end, depth, out))
        return error;
      continue;
    default:
      return fail("malformed protobuf at byte " + Twine(start) +
                  ": this is not an ONNX model, or a damaged one");
    }
    append(out, start, at);
  }
  return Error::success();
}

} // namespace

Expected<std::unique_ptr<pb::ModelProto>>
lq::onnx::parseModel(ArrayRef<char> file) {
  constexpr uint64_t kLargest = std::numeric_limits<int32_t>::max();
  if (file.size() > kLargest)
    return fail("the file has " + Twine(file.size()) +
                " bytes, and a protobuf ends at 2 GiB; save the model with "
                "external data (onnx.save with save_as_external_data=True)");
  if (StringRef(file.data(), file.size())
          .starts_with("version https://git-lfs"))
    return fail("this is a Git LFS pointer in the place of a model; fetch the "
                "file itself (git lfs pull)");
  std::string skeleton;
  if (Error error = SkeletonWriter(file).copy(pb::ModelProto::descriptor(), 0,
                                              file.size(), 0, skeleton))
    return std::move(error);
  auto model = std::make_unique<pb::ModelProto>();
  if (skeleton.size() > kLargest || !model->ParseFromString(skeleton))
    return fail("the protobuf cannot be parsed; this is not an ONNX model, or "
                "a damaged one");
  return model;
}

Payload lq::onnx::payloadOf(const pb::TensorProto &tensor) {
  assert(tensor.raw_data().size() == kAddressBytes);
  const char *address = tensor.raw_data().data();
  return {support::endian::read64le(address),
          support::endian::read64le(address + 8)};
}

Expected<ExternalData> lq::onnx::externalDataOf(const pb::TensorProto &tensor) {
  ExternalData data;
  for (const auto &entry : tensor.external_data()) {
    uint64_t number = 0;
    bool numeric = entry.key() == "offset" || entry.key() == "length";
    if (numeric && StringRef(entry.value()).getAsInteger(10, number))
      return fail("expected a decimal number of 64 bits as the " + entry.key() +
                  " of external data, got " + quoted(entry.value()));
    if (entry.key() == "location")
      data.location = entry.value();
    else if (entry.key() == "offset")
      data.offset = number;
    else if (entry.key() == "length")
      data.length = number;
  }
  if (data.location.empty())
    return fail("external data without a location");
  if (data.location.starts_with("/"))
    return fail("cannot read " + quoted(data.location) +
                ": external data must be in the model folder, under a relative "
                "path");
  return data;
}

/// The elements of a known field, as bytes.
static std::vector<std::string> knownStrings(const Message &message,
                                             const FieldDescriptor *field) {
  const auto *reflection = message.GetReflection();
  std::vector<std::string> result;
  if (!field->is_repeated()) {
    if (reflection->HasField(message, field))
      result.push_back(reflection->GetString(message, field));
    return result;
  }
  for (int i = 0, count = reflection->FieldSize(message, field); i < count; ++i)
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE)
      result.push_back(reflection->GetRepeatedMessage(message, field, i)
                           .SerializeAsString());
    else
      result.push_back(reflection->GetRepeatedString(message, field, i));
  return result;
}

std::vector<std::string> lq::onnx::newerStrings(const Message &message,
                                                int number) {
  if (const FieldDescriptor *field =
          message.GetDescriptor()->FindFieldByNumber(number))
    return knownStrings(message, field);
  std::vector<std::string> result;
  const UnknownFieldSet &unknown =
      message.GetReflection()->GetUnknownFields(message);
  for (int i = 0; i < unknown.field_count(); ++i)
    if (unknown.field(i).number() == number &&
        unknown.field(i).type() == UnknownField::TYPE_LENGTH_DELIMITED)
      result.push_back(unknown.field(i).length_delimited());
  return result;
}

std::string lq::onnx::newerString(const Message &message, int number) {
  std::vector<std::string> all = newerStrings(message, number);
  return all.empty() ? std::string() : all.back();
}
