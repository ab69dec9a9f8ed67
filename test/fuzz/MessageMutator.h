//===- MessageMutator.h - changes protobuf messages at random ---*- C++ -*-===//
//
// Bytes changed at random are mostly no message any more. This changes one field
// of one message in the tree, by reflection, so that what comes out can be
// parsed and is wrong in what it says.
//
//===----------------------------------------------------------------------===//

#ifndef LQ_TEST_FUZZ_MESSAGEMUTATOR_H
#define LQ_TEST_FUZZ_MESSAGEMUTATOR_H

#include <google/protobuf/message.h>

#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace lq::fuzz {

class MessageMutator {
public:
  /// Changes a text by a few bytes.
  using TextMutator = std::function<std::string(std::string)>;

  MessageMutator(unsigned seed, TextMutator mutateText)
      : random(seed), mutateText(std::move(mutateText)) {}

  /// Makes one change somewhere in `root`.
  void mutate(google::protobuf::Message &root);

private:
  using Message = google::protobuf::Message;
  using Field = google::protobuf::FieldDescriptor;

  size_t below(size_t limit) { return random() % limit; }
  void collect(Message &message);
  void changeSingle(Message &message, const Field *field);
  void changeRepeated(Message &message, const Field *field);
  void setScalar(Message &message, const Field *field, int index);
  int64_t integer(int64_t old);
  double number(double old);
  std::string text(const std::string &old);
  std::unique_ptr<Message> copyOf(const google::protobuf::Descriptor *type);

  std::minstd_rand random;
  TextMutator mutateText;
  /// Of the tree: all messages, and values that stand somewhere in it.
  std::vector<Message *> messages;
  std::vector<std::string> texts;
  std::vector<int64_t> integers;
};

} // namespace lq::fuzz

#endif // LQ_TEST_FUZZ_MESSAGEMUTATOR_H
