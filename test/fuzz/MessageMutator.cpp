//===- MessageMutator.cpp - changes protobuf messages at random -----------===//

#include "test/fuzz/MessageMutator.h"

#include <iterator>
#include <limits>

using namespace lq::fuzz;
using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using Field = google::protobuf::FieldDescriptor;

/// Longer texts are bytes of tensors, not names.
static constexpr size_t longestName = 64;

void MessageMutator::collect(Message &message) {
  messages.push_back(&message);
  const Reflection &reflection = *message.GetReflection();
  std::vector<const Field *> fields;
  reflection.ListFields(message, &fields);
  for (const Field *field : fields) {
    int count = field->is_repeated() ? reflection.FieldSize(message, field) : 1;
    for (int i = 0; i < count; ++i) {
      bool many = field->is_repeated();
      if (field->cpp_type() == Field::CPPTYPE_MESSAGE)
        collect(many ? *reflection.MutableRepeatedMessage(&message, field, i)
                     : *reflection.MutableMessage(&message, field));
      else if (field->cpp_type() == Field::CPPTYPE_STRING)
        texts.push_back(many ? reflection.GetRepeatedString(message, field, i)
                             : reflection.GetString(message, field));
      else if (field->cpp_type() == Field::CPPTYPE_INT64)
        integers.push_back(many ? reflection.GetRepeatedInt64(message, field, i)
                                : reflection.GetInt64(message, field));
    }
  }
  std::erase_if(
      texts, [](const std::string &text) { return text.size() > longestName; });
}

int64_t MessageMutator::integer(int64_t old) {
  constexpr int64_t most = std::numeric_limits<int64_t>::max();
  constexpr int64_t special[] = {0,
                                 1,
                                 2,
                                 3,
                                 4,
                                 5,
                                 7,
                                 8,
                                 15,
                                 16,
                                 17,
                                 24,
                                 31,
                                 32,
                                 33,
                                 48,
                                 64,
                                 96,
                                 127,
                                 128,
                                 255,
                                 256,
                                 1 << 20,
                                 1 << 30,
                                 int64_t(1) << 31,
                                 int64_t(1) << 32,
                                 int64_t(1) << 40,
                                 int64_t(1) << 61,
                                 int64_t(1) << 62,
                                 most,
                                 -most - 1,
                                 -1,
                                 -2,
                                 -16};
  switch (below(5)) {
  case 0: // wraps, as any integer may stand in a file
    return static_cast<int64_t>(static_cast<uint64_t>(old) + 1);
  case 1:
    return static_cast<int64_t>(static_cast<uint64_t>(old) - 1);
  case 2:
    return static_cast<int64_t>(static_cast<uint64_t>(old) * 2);
  case 3:
    if (!integers.empty())
      return integers[below(integers.size())];
    [[fallthrough]];
  default:
    return special[below(std::size(special))];
  }
}

double MessageMutator::number(double old) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  const double special[] = {
      0,    1,        -1,        0.5,
      1e-5, infinity, -infinity, std::numeric_limits<double>::quiet_NaN()};
  return below(2) ? old * 2 : special[below(std::size(special))];
}

std::string MessageMutator::text(const std::string &old) {
  if (old.size() <= longestName && !texts.empty() && below(3))
    return texts[below(texts.size())];
  return mutateText(old);
}

/// Calls the setter of a singular field, or that of an element of a repeated
/// one; appends where index is -1.
#define LQ_SET(Type, makeValue)                                                \
  {                                                                            \
    if (!field->is_repeated()) {                                               \
      auto old = reflection.Get##Type(message, field);                         \
      reflection.Set##Type(&message, field, makeValue(old));                   \
    } else if (index < 0) {                                                    \
      decltype(reflection.GetRepeated##Type(message, field, 0)) old{};         \
      reflection.Add##Type(&message, field, makeValue(old));                   \
    } else {                                                                   \
      auto old = reflection.GetRepeated##Type(message, field, index);          \
      reflection.SetRepeated##Type(&message, field, index, makeValue(old));    \
    }                                                                          \
    return;                                                                    \
  }

void MessageMutator::setScalar(Message &message, const Field *field,
                               int index) {
  const Reflection &reflection = *message.GetReflection();
  auto newInteger = [&](auto old) {
    return static_cast<decltype(old)>(integer(static_cast<int64_t>(old)));
  };
  auto newNumber = [&](auto old) {
    return static_cast<decltype(old)>(number(old));
  };
  auto newBool = [&](bool old) { return !old; };
  auto newEnum = [&](int) {
    const EnumDescriptor &kinds = *field->enum_type();
    return kinds.value(static_cast<int>(below(kinds.value_count())))->number();
  };
  switch (field->cpp_type()) {
  case Field::CPPTYPE_INT32:
    LQ_SET(Int32, newInteger)
  case Field::CPPTYPE_INT64:
    LQ_SET(Int64, newInteger)
  case Field::CPPTYPE_UINT32:
    LQ_SET(UInt32, newInteger)
  case Field::CPPTYPE_UINT64:
    LQ_SET(UInt64, newInteger)
  case Field::CPPTYPE_FLOAT:
    LQ_SET(Float, newNumber)
  case Field::CPPTYPE_DOUBLE:
    LQ_SET(Double, newNumber)
  case Field::CPPTYPE_BOOL:
    LQ_SET(Bool, newBool)
  case Field::CPPTYPE_ENUM:
    LQ_SET(EnumValue, newEnum)
  case Field::CPPTYPE_STRING:
    if (field->is_repeated() && index < 0)
      reflection.AddString(&message, field, text({}));
    else if (field->is_repeated())
      reflection.SetRepeatedString(
          &message, field, index,
          text(reflection.GetRepeatedString(message, field, index)));
    else
      reflection.SetString(&message, field,
                           text(reflection.GetString(message, field)));
    return;
  case Field::CPPTYPE_MESSAGE:
    return;
  }
}

#undef LQ_SET

/// A copy of some message of the type in the tree; null if there is none.
std::unique_ptr<Message> MessageMutator::copyOf(const Descriptor *type) {
  std::vector<const Message *> like;
  for (const Message *each : messages)
    if (each->GetDescriptor() == type)
      like.push_back(each);
  if (like.empty())
    return nullptr;
  const Message &chosen = *like[below(like.size())];
  std::unique_ptr<Message> copy(chosen.New());
  copy->CopyFrom(chosen);
  return copy;
}

void MessageMutator::changeSingle(Message &message, const Field *field) {
  const Reflection &reflection = *message.GetReflection();
  if (reflection.HasField(message, field) && below(4) == 0)
    return reflection.ClearField(&message, field);
  if (field->cpp_type() != Field::CPPTYPE_MESSAGE)
    return setScalar(message, field, -1);
  // Copied before another message of a oneof makes room.
  std::unique_ptr<Message> copy = copyOf(field->message_type());
  Message &target = *reflection.MutableMessage(&message, field);
  if (copy)
    target.GetReflection()->Swap(&target, copy.get());
}

void MessageMutator::changeRepeated(Message &message, const Field *field) {
  const Reflection &reflection = *message.GetReflection();
  int count = reflection.FieldSize(message, field);
  bool isMessage = field->cpp_type() == Field::CPPTYPE_MESSAGE;
  std::unique_ptr<Message> copy;
  if (isMessage)
    copy = copyOf(field->message_type());
  auto change = [&](int index) {
    if (!isMessage)
      return setScalar(message, field, index);
    Message &target =
        index < 0 ? *reflection.AddMessage(&message, field)
                  : *reflection.MutableRepeatedMessage(&message, field, index);
    if (copy)
      target.GetReflection()->Swap(&target, copy.get());
  };
  if (count == 0 || below(4) == 0)
    return change(-1);
  int index = static_cast<int>(below(count));
  switch (below(4)) {
  case 0:
    reflection.SwapElements(&message, field, index, count - 1);
    return reflection.RemoveLast(&message, field);
  case 1:
    return reflection.SwapElements(&message, field, index,
                                   static_cast<int>(below(count)));
  default:
    return change(index);
  }
}

void MessageMutator::mutate(Message &root) {
  collect(root);
  Message &message = *messages[below(messages.size())];
  std::vector<const Field *> fields;
  if (below(8))
    message.GetReflection()->ListFields(message, &fields);
  if (fields.empty())
    for (int i = 0; i < message.GetDescriptor()->field_count(); ++i)
      fields.push_back(message.GetDescriptor()->field(i));
  if (fields.empty())
    return;
  const Field *field = fields[below(fields.size())];
  if (field->is_repeated())
    changeRepeated(message, field);
  else
    changeSingle(message, field);
}
